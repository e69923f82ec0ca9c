import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Caller, type Json, openPortal } from './caller.ts';

const ADD = 'crm.documentgenerator.document.add';
const GET = 'crm.documentgenerator.document.get';
const LIST = 'crm.documentgenerator.document.list';
const TEMPLATES = 'crm.documentgenerator.template.list';

let portal: Caller['portal'];
let rest: Caller['rest'];
let pass: Caller['pass'];
let deal: number;
let templateId: number;

beforeEach(async () => {
  ({ portal, rest, pass } = await openPortal());
  const companyId = portal.addCompany({ title: 'ООО «Ёж»' });
  portal.addRequisite({ ENTITY_TYPE_ID: 4, ENTITY_ID: companyId, RQ_COMPANY_NAME: 'Ёж' });
  deal = portal.addItem(2, { title: 'Станок', companyId });
  templateId = portal.addTemplate({
    name: 'Договор поставки',
    content: '{DocumentNumber}; {Title}; {RequisiteRqCompanyName}; {Nobody}!',
  });
});

afterEach(() => portal.stop());

const add = (more: object = {}, userId = 1) =>
  rest(ADD, { templateId, entityTypeId: 2, entityId: deal, ...more }, userId);
const made = async (more: object = {}): Promise<Json> => (await add(more))['result'].document;
const again = async (id: unknown): Promise<Json> => (await rest(GET, { id }))['result'].document;

describe('a generated document', () => {
  it('has its docx at once, filled, and its PDF after the converter', async () => {
    const document = await made({ values: { DocumentNumber: 'Д-7' } });
    expect(document).toMatchObject({
      number: 'Д-7',
      title: 'Договор поставки Д-7',
      templateId: `${templateId}`,
    });
    const file = await fetch(document['downloadUrlMachine']);
    expect(await file.text()).toBe('Д-7; Станок; Ёж; !');
    expect(document).not.toHaveProperty('pdfUrlMachine');
    pass(34_000);
    expect(await again(document['id'])).not.toHaveProperty('pdfUrl');
    pass(2000);
    const pdf = await fetch((await again(document['id']))['pdfUrlMachine']);
    expect(await pdf.text()).toMatch(/^%PDF/);
  });

  it('can be told to have no docx for a while, or no PDF ever', async () => {
    Object.assign(portal.misbehave.documents, { docxDelayMs: 5000, transformationError: true });
    const { id, ...document } = await made();
    expect(document).not.toHaveProperty('downloadUrlMachine');
    pass(60_000);
    const later = await again(id);
    expect(later).toMatchObject({ isTransformationError: true, downloadUrlMachine: expect.any(String) });
    expect(later).not.toHaveProperty('pdfUrl');
  });

  it('is another one with the next number at every call, whoever heard the answer', async () => {
    expect(await made()).toMatchObject({ number: '1' });
    portal.misbehave.next({ method: ADD, cutAfterEffect: true });
    await expect(add()).rejects.toThrow();
    portal.misbehave.next({ method: ADD, hangAfterEffect: true });
    await Promise.race([add(), new Promise((done) => setTimeout(done, 200))]);
    expect(await made({ values: { DocumentNumber: 'Д-1' } })).toMatchObject({ number: 'Д-1' });
    const filter = { entityTypeId: 2, entityId: deal, templateId };
    const { result, total } = await rest(LIST, { filter, order: { id: 'DESC' } });
    expect(result.documents.map((one: Json) => one['number'])).toEqual(['Д-1', '3', '2', '1']);
    expect(total).toBe(4);
    const found = await rest(LIST, { filter: { number: 'Д-1' }, select: ['id', 'title'] });
    expect(found['result'].documents).toEqual([{ id: expect.any(String), title: 'Договор поставки Д-1' }]);
  });

  it('has machine addresses that die with their token, and others for a session only', async () => {
    const { id, downloadUrlMachine: url, downloadUrl } = await made();
    const forged = new URL(url);
    forged.searchParams.set('token', `download|${id}|0`);
    expect((await fetch(forged)).status).toBe(403);
    expect((await fetch(url.replace(/auth=\w+/, 'auth='))).status).toBe(401);
    expect((await fetch(downloadUrl)).headers.get('content-type')).toContain('text/html');
    pass(3_601_000);
    const dead = await fetch(url);
    expect({ status: dead.status, ...((await dead.json()) as Json) }).toMatchObject({
      error: 'expired_token',
    });
    expect((await fetch((await again(id))['downloadUrlMachine'])).status).toBe(200);
  });

  it('is filled anew by update, with its number and stamps by default', async () => {
    const { id, number } = await made();
    portal.setItem(2, deal, { title: 'Другой станок' });
    const updated = await rest('crm.documentgenerator.document.update', {
      id,
      values: { DocumentNumber: 'нет' },
    });
    expect(updated['result'].document).toMatchObject({ id, number, stampsEnabled: true, updatedBy: 1 });
    const file = await fetch(updated['result'].document.downloadUrlMachine);
    expect(await file.text()).toBe(`${number}; Другой станок; Ёж; !`);
    expect(await rest('crm.documentgenerator.document.delete', { id })).toMatchObject({ result: null });
    expect(await rest(GET, { id })).toMatchObject({ status: 400, error_description: 'Document not found' });
  });

  it('can be a file of ours, shown with its own title and number', async () => {
    const fields = { entityTypeId: 2, entityId: deal, region: 'ru', title: 'Подписан', number: '17' };
    const upload = (more: object) =>
      rest('crm.documentgenerator.document.upload', { fields: { ...fields, ...more } });
    expect(await upload({})).toMatchObject({ status: 400, error: '100' });
    const { result } = await upload({ fileContent: Buffer.from('PK-signed').toString('base64') });
    expect(result.document).toMatchObject({ title: 'Подписан', number: '17' });
    expect(await (await fetch(result.document.downloadUrlMachine)).text()).toBe('PK-signed');
    expect((await rest(TEMPLATES))['total']).toBe(1);
  });
});

describe('a document is refused', () => {
  const cases: [string, () => unknown, object][] = [
    ['without a template', () => ({ templateId: undefined }), { error: '100' }],
    ['of no template', () => ({ templateId: 999 }), { error_description: 'Template not found' }],
    ['without an item', () => ({ entityId: 0 }), { error_description: 'Empty required parameter "value"' }],
    ['of no type', () => ({ entityTypeId: 999 }), { error_description: 'No provider for entityTypeId' }],
    [
      'of a deleted template',
      () => void Object.assign(portal.world.generator.templates.get(templateId) ?? {}, { deleted: true }),
      { error_description: 'Cannot create document on deleted template' },
    ],
    [
      'over the tariff',
      () => void Object.assign(portal.misbehave.documents, { limit: 0 }),
      { error: 'DOCGEN_LIMIT_ERROR' },
    ],
    [
      'without a number',
      () => void Object.assign(portal.misbehave.documents, { numberFails: true }),
      { error_description: 'Error getting next number' },
    ],
    [
      'without the module',
      () => void Object.assign(portal.misbehave.documents, { moduleOff: true }),
      { error_description: 'Module documentgenerator is not installed' },
    ],
    [
      'without the right to it',
      () => portal.rights.closeDocuments(1, 'create'),
      { error: 'DOCGEN_ACCESS_ERROR' },
    ],
    ['of a hidden deal', () => portal.rights.hide(1, 2, deal), { error: 'DOCGEN_ACCESS_ERROR' }],
  ];
  it.each(cases)('%s', async (_what, arrange, refusal) => {
    expect(await add(Object(arrange() ?? {}))).toMatchObject({ status: 400, ...refusal });
    expect(portal.documents()).toEqual([]);
  });

  it('of a template that names no users, to all but its creator', async () => {
    templateId = portal.addTemplate({ name: 'Свой', users: [], createdBy: 1 });
    const clerk = portal.addUser({ NAME: 'Пётр' });
    expect(await add({}, clerk)).toMatchObject({
      status: 400,
      error_description: 'You do not have permissions to create document on this template',
    });
    expect(await add()).toMatchObject({ status: 200 });
  });
});

describe('templates', () => {
  it('are a map by id without those deleted; types and users come when selected', async () => {
    const gone = portal.addTemplate({ name: 'Старый' });
    await rest('crm.documentgenerator.template.delete', { id: gone });
    const invoice = portal.addTemplate({ name: 'Счёт', entityTypeId: ['31'], active: false });
    const { result } = await rest(TEMPLATES);
    expect(Object.keys(result.templates)).toEqual([`${templateId}`, `${invoice}`]);
    expect(result.templates[templateId]).not.toHaveProperty('entityTypeId');
    const deals = await rest(TEMPLATES, {
      filter: { entityTypeId: ['2'], active: 'Y' },
      select: ['entityTypeId'],
    });
    expect(deals['result'].templates).toEqual({
      [templateId]: expect.objectContaining({ name: 'Договор поставки', entityTypeId: ['2'] }),
    });
  });

  it('are for those who may change them', async () => {
    portal.rights.closeDocuments(1, 'templates');
    expect(await rest(TEMPLATES)).toMatchObject({ status: 400, error: 'DOCGEN_ACCESS_ERROR' });
    expect(await add()).toMatchObject({ status: 200 });
  });

  it('are added with a numerator, and say beforehand what they would hold', async () => {
    const numerator = await rest('crm.documentgenerator.numerator.add', {
      fields: { name: 'Договоры', template: 'П-{NUMBER}' },
    });
    const fields = {
      name: 'Поставка',
      file: ['t.docx', Buffer.from('{Title} {Own}').toString('base64')],
      numeratorId: numerator['result'].numerator.id,
      region: 'ru',
      entityTypeId: ['2'],
      users: ['UA'],
    };
    const { result } = await rest('crm.documentgenerator.template.add', { fields });
    const id = result.template.id;
    const dry = await rest('crm.documentgenerator.template.getfields', {
      id,
      entityTypeId: 2,
      entityId: deal,
    });
    expect(dry['result'].templateFields).toEqual({
      Title: { title: 'Title', value: 'Станок' },
      Own: { title: 'Own', value: null },
    });
    expect(await made({ templateId: id })).toMatchObject({ number: 'П-1' });
  });
});
