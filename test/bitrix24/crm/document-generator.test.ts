import { afterEach, expect, it } from 'vitest';
import type { GenerateRequest, ItemRef } from '../../../src/robot/ports/portal.ts';
import { fakePortal, installed, MEMBER, type Methods, type Params, PROVEN, refuse } from '../fake-portal.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

const DEAL: ItemRef = { typeId: 2, id: 915, code: 'DEAL_915' };
const LABEL = { ru: 'Шаблон документа CRM', en: 'CRM document template' };
const KEY = 'b24:p:DEAL_915:contract 5001';
const GENERATOR = 'crm.documentgenerator';

/** A portal with three templates, and documents by id. */
async function start(change: (methods: Methods, documents: Map<number, Params>) => void = () => undefined) {
  const documents = new Map<number, Params>();
  const shown = (document: Params | undefined) => document ?? refuse(0, 400, 'Document not found');
  const methods: Methods = {
    [`${GENERATOR}.template.list`]: () => ({
      templates: {
        39: { id: '39', name: 'Договор поставки', entityTypeId: { 0: '2', 1: '4' } },
        40: { id: '40', name: 'Счёт', entityTypeId: ['31'] },
        41: { id: '41', name: 'Договор аренды', entityTypeId: ['2_category_3'] },
        42: { id: '42', name: 'Договор аренды', entityTypeId: ['2'] },
      },
    }),
    [`${GENERATOR}.document.add`]: ({ values, templateId }, token) => {
      const id = 500 + documents.size;
      documents.set(id, {
        id: String(id),
        title: values.DocumentTitle,
        templateId,
        downloadUrlMachine: `/file/${id}?auth=${token}`,
      });
      return { document: shown(documents.get(id)) };
    },
    [`${GENERATOR}.document.get`]: ({ id }) => ({ document: shown(documents.get(Number(id))) }),
    // As a portal that drops the filter: rows of other documents come too.
    [`${GENERATOR}.document.list`]: () => ({ documents: Object.fromEntries(documents) }),
  };
  change(methods, documents);
  const portal = await fakePortal(methods, (req, res) => {
    if (!req.url?.startsWith('/file/')) return false;
    res.writeHead(200, { 'content-disposition': 'attachment; filename="x"' }).end('PK-docx');
    return true;
  });
  open.push(portal);
  const made = await installed(portal);
  const port = (access?: string) => made.reader(MEMBER, DEAL, made.log, PROVEN, { access: access });
  const asked = () => portal.hits.map(({ method }) => method.replace(`${GENERATOR}.`, ''));
  return { portal, made, port, documents, asked };
}

const request = (facts: Partial<GenerateRequest> = {}): GenerateRequest => ({
  template: { id: 39, name: 'Договор поставки' },
  key: KEY,
  label: LABEL,
  isNew: true,
  known: null,
  keep: async () => undefined,
  ...facts,
});

it('finds a template by its name or id, of those for the type of the item', async () => {
  const { port } = await start();
  expect(await port().findTemplate(' договор ПОСТАВКИ ', LABEL)).toEqual({
    id: 39,
    name: 'Договор поставки',
  });
  expect(await port().findTemplate('41', LABEL)).toMatchObject({ id: 41 });
  for (const wanted of ['Счёт', '40', 'Нет такого'])
    await expect(port().findTemplate(wanted, LABEL)).rejects.toMatchObject({
      code: 'reference_not_found',
      text: { ru: expect.stringContaining('«Шаблон документа CRM»') },
    });
  await expect(port().findTemplate('Договор аренды', LABEL)).rejects.toMatchObject({
    code: 'reference_ambiguous',
    text: { ru: expect.stringContaining('41, 42') },
  });
});

it('makes the docx with the token of the call, its key in the title and never in the number', async () => {
  const { port, portal, asked } = await start();
  const kept: number[] = [];
  const file = await port('of-the-call').generateFile(request({ keep: async (id) => void kept.push(id) }));
  expect(file.name).toBe('Договор поставки.docx');
  let text = '';
  for await (const part of file.body) text += new TextDecoder().decode(part);
  expect(text).toBe('PK-docx');
  expect(asked()).toEqual(['document.add']);
  expect(portal.hits[0]).toMatchObject({
    token: 'of-the-call',
    params: {
      templateId: 39,
      entityTypeId: 2,
      entityId: 915,
      values: { DocumentTitle: KEY },
      stampsEnabled: 0,
    },
  });
  expect(Object.keys(portal.hits[0]?.params['values'])).toEqual(['DocumentTitle']);
  expect(kept).toEqual([500]);
});

it('goes on with the tokens of the installation when that of the call is over', async () => {
  const { port, portal } = await start((methods) => {
    const add = methods[`${GENERATOR}.document.add`];
    methods[`${GENERATOR}.document.add`] = (params, token) =>
      token === 'over' ? refuse('expired_token', 401) : add?.(params, token);
  });
  await (await port('over').generateFile(request())).cancel();
  expect(portal.hits.map(({ token }) => token)).toEqual(['over', 'access-1']);
  expect(portal.oauth.asked).toEqual([]);
});

it('finds what an earlier attempt made, by the kept id or by the title, and makes nothing again', async () => {
  const { port, documents, asked, portal } = await start();
  documents.set(498, { id: '498', title: 'another' });
  documents.set(499, { id: '499', title: KEY, downloadUrlMachine: '/file/499' });
  const kept: number[] = [];
  const keep = async (id: number) => void kept.push(id);
  await (await port().generateFile(request({ isNew: false, keep }))).cancel();
  expect(asked()).toEqual(['document.list', 'document.get']);
  expect(kept).toEqual([499]);
  portal.hits.length = 0;
  await (await port().generateFile(request({ isNew: false, known: 499, keep }))).cancel();
  expect(asked()).toEqual(['document.get']);
  expect(kept).toEqual([499]);
  // Deleted on the portal meanwhile.
  documents.delete(499);
  portal.hits.length = 0;
  await (await port().generateFile(request({ isNew: false, known: 499, keep }))).cancel();
  expect(asked()).toEqual(['document.get', 'document.list', 'document.add']);
});

it('looks through all pages for the title', async () => {
  const { port, asked } = await start((methods) => {
    methods[`${GENERATOR}.document.list`] = ({ start }) => ({
      documents:
        start === 0
          ? Array.from({ length: 50 }, (_, at) => ({ id: at + 1, title: 'another' }))
          : [{ id: 77, title: KEY }],
    });
    methods[`${GENERATOR}.document.get`] = ({ id }) => ({
      document: { id, title: KEY, downloadUrlMachine: '/file/77' },
    });
  });
  await (await port().generateFile(request({ isNew: false }))).cancel();
  expect(asked()).toEqual(['document.list', 'document.list', 'document.get']);
});

it.each([
  ['DOCGEN_LIMIT_ERROR', 400, '', 'portal_access_denied', false],
  ['ERROR_METHOD_NOT_FOUND', 404, 'Method not found!', 'portal_access_denied', false],
  ['DOCGEN_ACCESS_ERROR', 400, 'Access denied', 'portal_access_denied', false],
  [0, 400, 'You do not have permissions to create document on this template', 'portal_access_denied', false],
  [0, 400, 'Template not found', 'reference_not_found', false],
  ['', 400, 'Cannot create document on deleted template', 'reference_not_found', false],
  [0, 400, 'No provider for entityTypeId', 'input_invalid', false],
  [0, 400, 'Error getting next number', 'portal_unavailable', true],
  ['INTERNAL_SERVER_ERROR', 500, '', 'portal_unavailable', true],
])('tells the refusal %s of %i «%s» as %s', async (error, status, description, code, heals) => {
  const { port } = await start((methods) => {
    methods[`${GENERATOR}.document.add`] = () => refuse(error, status, description);
  });
  await expect(port().generateFile(request())).rejects.toMatchObject({ code, heals });
});

it('takes no file from another origin, and no secret address goes into the log', async () => {
  const { port, made } = await start((methods) => {
    methods[`${GENERATOR}.document.add`] = () => ({
      document: { id: 1, title: KEY, downloadUrlMachine: 'http://evil.example/file?auth=secret' },
    });
  });
  await expect(port().generateFile(request())).rejects.toMatchObject({ code: 'file_unusable' });
  expect(made.lines.join()).not.toContain('secret');
});

it('asks again when the answer holds no address yet', async () => {
  const { port, asked, documents } = await start((methods) => {
    methods[`${GENERATOR}.document.add`] = () => {
      documents.set(7, { id: 7, title: KEY });
      return { document: { id: 7, title: KEY } };
    };
  });
  await expect(port().generateFile(request())).rejects.toMatchObject({
    code: 'portal_unavailable',
    heals: true,
  });
  expect(asked()).toEqual(['document.add', 'document.get']);
  documents.set(7, { id: 7, title: KEY, downloadUrlMachine: '/file/7' });
  await (await port().generateFile(request({ isNew: false, known: 7 }))).cancel();
});
