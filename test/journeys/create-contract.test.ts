import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addDeal, ROMASHKA, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.stop());
beforeEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const CODE = 'directum_create_contract';
const create = (deal: number, properties: Record<string, unknown> = {}) =>
  runStep(stand, deal, CODE, { subject: 'Поставка станка', ...properties });
const contractsOf = (deal: number) =>
  stand.directum
    .all('IContracts')
    .filter((contract) => String(contract['ExternalId']).includes(`:DEAL_${deal}:`));

describe('create contract', () => {
  it('makes a contract of the deal and hands it to the next robots', async () => {
    const { deal } = addDeal(stand);
    const outputs = await create(deal, {
      valid_from: '01.03.2026',
      valid_till: '12/31/2026',
      extra_fields: 'PurchaseOrderNumber=PO-17',
    });
    expect(outputs).toMatchObject({ ok: 'Y', error_code: '', created: 'Y' });
    const contract = stand.directum.get('IContracts', Number(outputs['document_id']));
    expect(contract).toMatchObject({
      Subject: 'Поставка станка',
      TotalAmount: 1200000.5,
      PurchaseOrderNumber: 'PO-17',
      ExternalId: `b24:${stand.portal.memberId}:DEAL_${deal}:contract`,
    });
    expect(String(contract.ValidFrom)).toMatch(/^2026-03-01/);
    expect(String(contract.ValidTill)).toMatch(/^2026-12-31/);
    expect(contract.Note).toContain('Поставка станка');
    expect(contract.Note).toContain(`/crm/deal/details/${deal}/`);
    expect(outputs['document_url']).toContain(
      `/Client/#/card/f37c7e63-b134-4446-9b5b-f8811f6c9666/${outputs['document_id']}`,
    );
    expect(stand.directum.get('ICompanies', Number(outputs['counterparty_id']))).toMatchObject({
      TIN: ROMASHKA.RQ_INN,
      TRRC: ROMASHKA.RQ_KPP,
    });
  });

  it('returns the same contract the second time, and another for another slot', async () => {
    const { deal } = addDeal(stand);
    const first = await create(deal);
    const second = await create(deal);
    const other = await create(deal, { slot: 'Add-1' });
    expect(second).toMatchObject({ ok: 'Y', created: 'N', document_id: first['document_id'] });
    expect(other).toMatchObject({ ok: 'Y', created: 'Y' });
    expect(other['document_id']).not.toBe(first['document_id']);
    expect(contractsOf(deal)).toHaveLength(2);
  });

  it('makes a new one only after the old was deleted in Directum', async () => {
    const { deal } = addDeal(stand);
    const first = await create(deal);
    stand.directum.patch('IContracts', Number(first['document_id']), { LifeCycleState: 'Obsolete' });
    expect(await create(deal)).toMatchObject({ created: 'N', document_id: first['document_id'] });
    stand.directum.remove('IContracts', Number(first['document_id']));
    const again = await create(deal);
    expect(again).toMatchObject({ created: 'Y' });
    expect(again['document_id']).not.toBe(first['document_id']);
  });

  it('asks Directum three times for a contract whose counterparty is known', async () => {
    const { deal } = addDeal(stand);
    await create(deal);
    const from = stand.directum.journal.length;
    expect(await create(deal, { slot: 'warm' })).toMatchObject({ created: 'Y' });
    const asked = stand.directum.journal.slice(from).map(({ verb, path }) => `${verb} ${path.split('(')[0]}`);
    expect(asked.filter((one) => /IContracts|ICompanies/.test(one))).toEqual([
      'GET IContracts',
      'GET ICompanies',
      'POST IContracts',
    ]);
  });

  it('updates a draft when asked and leaves one on approval alone', async () => {
    const { deal } = addDeal(stand);
    const first = await create(deal);
    const updated = await create(deal, {
      subject: 'Поставка двух станков',
      amount: '5 000,25|RUB',
      if_exists: 'update',
    });
    expect(updated).toMatchObject({ ok: 'Y', created: 'N' });
    expect(String(updated['changed_fields']).split(',').sort()).toEqual(
      expect.arrayContaining(['Subject', 'TotalAmount']),
    );
    stand.directum.patch('IContracts', Number(first['document_id']), { InternalApprovalState: 'OnApproval' });
    expect(await create(deal, { subject: 'Третье', if_exists: 'update' })).toMatchObject({
      ok: 'Y',
      changed_fields: '',
    });
    expect(stand.directum.get('IContracts', Number(first['document_id'])).Subject).toBe(
      'Поставка двух станков',
    );
  });

  it('binds a contract made by hand', async () => {
    const { deal } = addDeal(stand);
    const { deal: donor } = addDeal(stand);
    const made = await create(donor);
    stand.directum.patch('IContracts', Number(made['document_id']), { ExternalId: null });
    expect(await create(deal, { slot: 'hand', link_document_id: made['document_id'] })).toMatchObject({
      ok: 'Y',
      created: 'N',
      document_id: made['document_id'],
    });
    expect(await create(deal, { slot: 'hand' })).toMatchObject({
      created: 'N',
      document_id: made['document_id'],
    });
    expect(await create(deal, { slot: 'none', link_document_id: 999999 })).toMatchObject({
      ok: 'N',
      error_code: 'document_not_found',
      error_text: expect.stringContaining('«ИД готового договора»'),
    });
  });

  it('puts the file of the deal into the first version', async () => {
    const { deal } = addDeal(stand);
    const bytes = Buffer.from('invented contract text '.repeat(2000));
    stand.portal.addFile(2, deal, 'UF_CRM_FILE', 'Договор.docx', bytes);
    const outputs = await create(deal, { file_field: 'UF_CRM_FILE' });
    expect(outputs).toMatchObject({ ok: 'Y' });
    const versions = stand.directum.versions(Number(outputs['document_id']));
    expect(versions).toHaveLength(1);
    expect(versions[0]!.bytes?.equals(bytes)).toBe(true);
    await create(deal, { file_field: 'UF_CRM_FILE' });
    expect(stand.directum.versions(Number(outputs['document_id']))).toHaveLength(1);
  });

  it('fills the first version from a template', async () => {
    const { deal } = addDeal(stand);
    const outputs = await create(deal, { template: 'типовой договор' });
    expect(outputs).toMatchObject({ ok: 'Y' });
    expect(stand.directum.versions(Number(outputs['document_id']))).toHaveLength(1);
  });

  it.each([
    ['amount', { amount: 'миллион' }, 'input_invalid', 'Сумма'],
    ['currency', { amount: '10|JPY' }, 'reference_not_found', 'JPY'],
    ['kind', { document_kind: 'Договор аренды луны' }, 'reference_not_found', 'Вид документа'],
    ['category', { category: 'Нет такой' }, 'reference_not_found', 'Категория'],
    ['date', { valid_from: '31.02.2026' }, 'input_invalid', 'Действует с'],
    [
      'order of dates',
      { valid_from: '2026-03-02', valid_till: '2026-03-01' },
      'input_invalid',
      'Действует по',
    ],
    ['placeholder', { subject: 'По сделке {{Название}}' }, 'input_invalid', 'Содержание'],
    ['empty subject', { subject: '' }, 'input_missing', 'Содержание'],
    ['template and file', { template: '1', file_field: 'UF_CRM_FILE' }, 'input_invalid', 'Поле с файлом'],
    [
      'empty file field',
      { file_field: 'UF_CRM_NONE' },
      'file_unusable',
      '«Поле с файлом»: у элемента CRM нет поля «UF_CRM_NONE»',
    ],
    ['extra field', { extra_fields: 'NoSuchProperty=1' }, 'input_invalid', 'NoSuchProperty'],
    ['department', { responsible: 'group_hr1' }, 'input_invalid', 'Ответственный'],
  ])('says what is wrong with the %s and makes nothing', async (_name, properties, code, word) => {
    const { deal } = addDeal(stand);
    const outputs = await create(deal, properties);
    expect(outputs).toMatchObject({ ok: 'N', error_code: code, document_id: '' });
    expect(outputs['error_text']).toContain(word);
    expect(contractsOf(deal)).toHaveLength(0);
  });

  it.each([
    ['123456789012345,67|RUB', 5, 123456789012345.67],
    ['1.005', 5, 1.01],
    [undefined, 1.005, 1.01],
    [undefined, 123456789012345.67, 123456789012345.67],
  ])('writes the amount %s of a deal of %s to the cent', async (amount, opportunity, written) => {
    const { deal } = addDeal(stand, { deal: { opportunity } });
    const outputs = await create(deal, { amount });
    expect(outputs).toMatchObject({ ok: 'Y' });
    expect(stand.directum.get('IContracts', Number(outputs['document_id']))['TotalAmount']).toBe(written);
  });

  it.each([
    [{ amount: '123456789012345.68' }, 5],
    [{}, Number('123456789012345.68')],
  ])('rounds no amount on the quiet: %j in a deal of %s', async (properties, opportunity) => {
    const { deal } = addDeal(stand, { deal: { opportunity } });
    const outputs = await create(deal, properties);
    expect(outputs).toMatchObject({ ok: 'N', error_code: 'input_invalid' });
    expect(outputs['error_text']).toContain('«Сумма»');
    expect(outputs['error_text']).toContain('копейки');
    expect(contractsOf(deal)).toHaveLength(0);
  });

  it.each([
    ['no company', { deal: { companyId: 0 } }, 'counterparty_missing'],
    ['no requisites', { requisite: null }, 'requisites_invalid'],
    ['a wrong check digit', { requisite: { ...ROMASHKA, RQ_INN: '7799000013' } }, 'requisites_invalid'],
    ['a responsible unknown to Directum', { email: 'nobody@acme.example' }, 'employee_not_found'],
  ])('says what is wrong with a deal of %s', async (_name, changes, code) => {
    const { deal } = addDeal(stand, changes);
    const outputs = await create(deal);
    expect(outputs).toMatchObject({ ok: 'N', error_code: code });
    expect(contractsOf(deal)).toHaveLength(0);
  });

  it('names all counterparties of one TIN', async () => {
    const requisite = { ...ROMASHKA, RQ_INN: '7707083893', RQ_KPP: '773601001' };
    const ids = [1, 2].map((n) =>
      stand.directum.add('ICompanies', {
        Name: `ПАО Двойник ${n}`,
        TIN: '7707083893',
        TRRC: '773601001',
        Status: 'Active',
      }),
    );
    const { deal } = addDeal(stand, { requisite });
    const outputs = await create(deal);
    expect(outputs).toMatchObject({ ok: 'N', error_code: 'counterparty_ambiguous' });
    for (const id of ids) expect(outputs['error_text']).toContain(String(id));
  });
});

describe('bad days of Directum', () => {
  it.each([
    ['500', { verb: 'POST', path: /IContracts$/, status: 500, times: 1 }],
    ['503', { verb: 'GET', path: /IContracts/, status: 503, times: 1 }],
    ['a cut after the effect', { verb: 'POST', path: /IContracts$/, cutAfterEffect: true, times: 1 }],
    ['a cut before the effect', { verb: 'POST', path: /IContracts$/, cutBefore: true, times: 1 }],
    ['HTML of a proxy', { verb: 'GET', path: /IContracts/, status: 502, html: true, times: 1 }],
  ])('heals %s and makes one contract', async (_name, rule) => {
    const { deal } = addDeal(stand);
    stand.directum.misbehave.next(rule);
    const outputs = await create(deal);
    expect(outputs).toMatchObject({ ok: 'Y' });
    expect(contractsOf(deal)).toHaveLength(1);
  });

  it('quotes what Directum refused', async () => {
    const { deal } = addDeal(stand);
    stand.directum.misbehave.next({
      verb: 'POST',
      path: /IContracts$/,
      status: 400,
      body: { error: { code: '', message: 'Не заполнено поле «Проект»' } },
      times: 1,
    });
    const outputs = await create(deal);
    expect(outputs).toMatchObject({ ok: 'N', error_code: 'directum_refused', document_id: '' });
    expect(outputs['error_text']).toContain('Не заполнено поле «Проект»');
    // Its counterparty is known by then.
    expect(stand.directum.get('ICompanies', Number(outputs['counterparty_id']))).toBeDefined();
    expect(outputs['counterparty_url']).toContain(`/${outputs['counterparty_id']}`);
  });
});

describe('a contract that is there already', () => {
  it.each([
    ['update is refused', { if_exists: 'update', subject: 'Новое' }, 'directum_refused'],
    ['inputs are wrong', { if_exists: 'update', document_kind: 'Нет такого' }, 'reference_not_found'],
    ['file is missing', { file_field: 'UF_CRM_NONE' }, 'file_unusable'],
  ])('is told though its %s', async (_name, properties, code) => {
    const { deal } = addDeal(stand);
    const made = await create(deal);
    stand.directum.misbehave.next({
      verb: 'PATCH',
      path: /IContracts/,
      status: 400,
      body: { error: 'Карточка закрыта для изменений' },
    });
    expect(await create(deal, properties)).toMatchObject({
      ok: 'N',
      error_code: code,
      created: 'N',
      document_id: made['document_id'],
      document_url: made['document_url'],
      document_name: made['document_name'],
      counterparty_id: made['counterparty_id'],
    });
  });

  it('is named by our own record though Directum does not show it', async () => {
    const { deal } = addDeal(stand);
    const made = await create(deal);
    const path = new RegExp(`IContracts\\(${made['document_id']}\\)`);
    stand.directum.misbehave.next({ verb: 'GET', path, status: 403, body: { error: 'Нет прав' } });
    expect(await create(deal)).toMatchObject({
      ok: 'N',
      error_code: 'directum_access_denied',
      document_id: made['document_id'],
      created: '',
    });
  });

  it('needs no file any more once it has a version', async () => {
    const { deal } = addDeal(stand);
    const made = await create(deal, { template: 'типовой договор' });
    expect(await create(deal, { file_field: 'UF_CRM_NONE' })).toMatchObject({
      ok: 'Y',
      created: 'N',
      document_id: made['document_id'],
    });
    expect(stand.directum.versions(Number(made['document_id']))).toHaveLength(1);
  });

  it('takes the version that a first run could not give it', async () => {
    const { deal } = addDeal(stand);
    stand.portal.addFile(2, deal, 'UF_CRM_FILE', 'Договор.docx', Buffer.from('invented text'));
    stand.directum.misbehave.next({ verb: 'PUT', path: /Body/, status: 400, body: 'Нет места' });
    const first = await create(deal, { file_field: 'UF_CRM_FILE' });
    expect(first).toMatchObject({ ok: 'N', error_code: 'directum_refused', created: 'Y' });
    expect(await create(deal, { file_field: 'UF_CRM_FILE' })).toMatchObject({
      ok: 'Y',
      created: 'N',
      document_id: first['document_id'],
    });
    expect(stand.directum.versions(Number(first['document_id']))).toHaveLength(1);
  });
});

describe('bad days of the portal', () => {
  it('says that the portal hides its users, not that Directum lacks the employee', async () => {
    const { deal, user } = addDeal(stand);
    const body = { error: 'insufficient_scope', error_description: 'The request requires higher privileges' };
    // The failure of the test before may be told at this moment, which asks for users too.
    stand.portal.misbehave.next({ method: 'user.get', status: 401, body, times: 1_000 });
    expect(await create(deal, { our_signatory: `user_${user}` })).toMatchObject({
      ok: 'N',
      error_code: 'portal_access_denied',
      error_text: expect.stringContaining('insufficient_scope'),
    });
  });

  it('refreshes an expired token once and goes on', async () => {
    const { deal } = addDeal(stand);
    stand.portal.misbehave.expireAccessTokens();
    expect(await create(deal)).toMatchObject({ ok: 'Y' });
  });

  it('waits out the limit of the portal', async () => {
    const { deal } = addDeal(stand);
    stand.portal.misbehave.next({
      method: 'batch',
      status: 503,
      body: { error: 'QUERY_LIMIT_EXCEEDED', error_description: 'Too many requests' },
      times: 1,
    });
    expect(await create(deal)).toMatchObject({ ok: 'Y' });
  });

  it('survives a page of HTML instead of an answer', async () => {
    const { deal } = addDeal(stand);
    stand.portal.misbehave.next({ method: 'batch', status: 502, body: '<html>Bad gateway</html>', times: 1 });
    expect(await create(deal)).toMatchObject({ ok: 'Y' });
  });

  it('reads call by call where chaining in a batch is refused', async () => {
    const { deal } = addDeal(stand);
    stand.portal.misbehave.refuseInBatch.add('crm.requisite.link.get');
    expect(await create(deal)).toMatchObject({ ok: 'Y' });
  });

  it('uses the stored token for a call without any', async () => {
    const { deal } = addDeal(stand);
    stand.portal.misbehave.withoutTokens = true;
    expect(await create(deal)).toMatchObject({ ok: 'Y' });
  });

  it('does a doubled call once', async () => {
    const { deal } = addDeal(stand);
    stand.portal.misbehave.doubleCalls = true;
    expect(await create(deal)).toMatchObject({ ok: 'Y' });
    expect(contractsOf(deal)).toHaveLength(1);
  });
});

it('writes no secret into any log line', () => {
  const text = stand.lines.join('');
  expect(text.length).toBeGreaterThan(1000);
  for (const secret of ['canary-client-secret', 'canary-directum-password', stand.portal.applicationToken])
    expect(text).not.toContain(secret);
  expect(text).not.toMatch(/[0-9a-f.]{10,}\|A\d+_/);
});
