import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { addDeal, inn, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.stop());
beforeEach(() => stand.directum.misbehave.reset());

const create = (deal: number, properties: Record<string, unknown> = {}) =>
  runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка', ...properties });
const card = (outputs: Record<string, unknown>) =>
  stand.directum.get('IContracts', Number(outputs['document_id']));
const first = (set: string) => stand.directum.all(set)[0] as Record<string, unknown>;

it.each(['0', '0|USD', '0,00'])('writes no amount and no currency of %s', async (amount) => {
  const { deal } = addDeal(stand);
  const made = await create(deal, { amount });
  expect(made).toMatchObject({ ok: 'Y', created: 'Y' });
  expect(card(made)['TotalAmount'] ?? null).toBeNull();
  expect(card(made)['Currency'] ?? null).toBeNull();
});

it.each(['12,5|RUR', '12.5|RUB', '1 2.50'])('takes %s for roubles', async (amount) => {
  const { deal } = addDeal(stand);
  const made = await create(deal, { amount });
  expect(card(made)).toMatchObject({ TotalAmount: 12.5, Currency: { Id: expect.any(Number) } });
});

it.each(['20', '20%', '20 %', '20,0'])('finds the VAT rate %s', async (vat_rate) => {
  const { deal } = addDeal(stand);
  const made = await create(deal, { vat_rate });
  expect(made).toMatchObject({ ok: 'Y' });
  const rate = stand.directum.all('IVatRates').find((one) => one['Rate'] === 20);
  expect(card(made)['VatRate']).toMatchObject({ Id: rate?.['Id'] });
});

it('takes the own company by name, id or TIN', async () => {
  const unit = first('IBusinessUnits');
  for (const business_unit of [unit['Name'], unit['Id'], unit['TIN']]) {
    const { deal } = addDeal(stand);
    const made = await create(deal, { business_unit: String(business_unit) });
    expect(card(made)['BusinessUnit']).toMatchObject({ Id: unit['Id'] });
  }
});

it('says which own company of the deal Directum lacks', async () => {
  const tin = inn(900);
  stand.directum.add('IBusinessUnits', { Name: 'ООО «Бета»', TIN: tin, TRRC: '779901001', Status: 'Active' });
  const mycompanyId = stand.portal.addCompany({ TITLE: 'Бета', isMyCompany: 'Y' });
  const requisite = { ENTITY_TYPE_ID: 4, ENTITY_ID: mycompanyId, RQ_INN: tin };
  stand.portal.addRequisite({ ...requisite, RQ_KPP: '779901002' });
  const { deal } = addDeal(stand, { deal: { mycompanyId } });
  const outputs = await create(deal);
  expect(outputs).toMatchObject({ ok: 'N', error_code: 'reference_not_found' });
  expect(outputs['error_text']).toContain(`с ИНН ${tin} и КПП 779901002`);
});

it('finds the own company of the deal by numbers typed with spaces', async () => {
  const unit = first('IBusinessUnits');
  const mycompanyId = stand.portal.addCompany({ TITLE: 'Альфа', isMyCompany: 'Y' });
  const spaced = (text: unknown) => String(text).replace(/(\d{4})/, '$1\u00a0');
  const numbers = { RQ_INN: spaced(unit['TIN']), RQ_KPP: spaced(unit['TRRC']) };
  stand.portal.addRequisite({ ENTITY_TYPE_ID: 4, ENTITY_ID: mycompanyId, ...numbers });
  const made = await create(addDeal(stand, { deal: { mycompanyId } }).deal);
  expect(card(made)['BusinessUnit']).toMatchObject({ Id: unit['Id'] });
});

it('finds the own company of the deal by its name when it has no numbers, else takes the usual one', async () => {
  const unit = stand.directum.add('IBusinessUnits', { Name: 'ООО «Гамма»', TIN: inn(901), Status: 'Active' });
  const own = async (TITLE: string) => {
    const mycompanyId = stand.portal.addCompany({ TITLE, isMyCompany: 'Y' });
    return card(await create(addDeal(stand, { deal: { mycompanyId } }).deal))['BusinessUnit'];
  };
  expect(await own('ООО «ГАММА»')).toMatchObject({ Id: unit });
  expect(await own('Никакая')).toMatchObject({ Id: first('IBusinessUnits')['Id'] });
});

it('binds and updates a contract made by hand, with a slot in any case', async () => {
  const { deal } = addDeal(stand);
  const { deal: donor } = addDeal(stand);
  const made = await create(donor);
  stand.directum.patch('IContracts', Number(made['document_id']), { ExternalId: null });
  const linked = await create(deal, {
    subject: 'Новое',
    slot: 'Hand',
    link_document_id: made['document_id'],
    if_exists: 'update',
  });
  expect(linked).toMatchObject({ ok: 'Y', created: 'N', document_id: made['document_id'] });
  expect(String(linked['changed_fields'])).toContain('Subject');
  expect(card(linked)).toMatchObject({ Subject: 'Новое' });
  // The slot is taken: another contract is not bound over it.
  expect(await create(deal, { slot: 'HAND', link_document_id: 424242 })).toMatchObject({
    ok: 'Y',
    document_id: made['document_id'],
  });
});

it('asks no file for a contract made by hand that has its version', async () => {
  const { deal } = addDeal(stand);
  const made = await create(addDeal(stand).deal, { template: 'Типовой договор' });
  const linked = { link_document_id: made['document_id'], file_field: 'UF_CRM_NONE' };
  expect(await create(deal, linked)).toMatchObject({ ok: 'Y', document_id: made['document_id'] });
  const bare = await create(addDeal(stand).deal);
  const other = { slot: 'other', link_document_id: bare['document_id'], file_field: 'UF_CRM_NONE' };
  expect(await create(deal, other)).toMatchObject({ ok: 'N', error_code: 'file_unusable', document_id: '' });
  // Nothing was bound: the slot is free for a contract of its own.
  expect(await create(deal, { slot: 'other' })).toMatchObject({ ok: 'Y', created: 'Y' });
});

it('binds no other document than a contract', async () => {
  const { deal } = addDeal(stand);
  const letter = stand.directum.add('ISimpleDocuments', { Name: 'Письмо', DocumentKind: 1 });
  expect(await create(deal, { link_document_id: letter })).toMatchObject({
    ok: 'N',
    error_code: 'document_not_found',
  });
});

it('does not write into a draft whose version is signed', async () => {
  const { deal } = addDeal(stand);
  const made = await create(deal, { template: 'Типовой договор' });
  const id = Number(made['document_id']);
  stand.directum.lockCard(id);
  stand.directum.sign(id);
  stand.directum.lockCard(null);
  expect(await create(deal, { subject: 'Другое', if_exists: 'update' })).toMatchObject({
    ok: 'Y',
    changed_fields: '',
  });
});

it.each(['OnApproval', 'Signed'])(
  'does not write into a draft whose counterparty holds it: %s',
  async (state) => {
    const { deal } = addDeal(stand);
    const made = await create(deal);
    stand.directum.patch('IContracts', Number(made['document_id']), { ExternalApprovalState: state });
    expect(await create(deal, { subject: 'Другое', if_exists: 'update' })).toMatchObject({
      ok: 'Y',
      changed_fields: '',
    });
    expect(card(made)).toMatchObject({ Subject: 'Поставка' });
  },
);

it('refuses to send a document signed by both in the exchange', async () => {
  const { deal } = addDeal(stand);
  const made = await create(deal);
  stand.directum.patch('IContracts', Number(made['document_id']), { ExchangeState: 'Signed' });
  expect(await runStep(stand, deal, 'directum_start_approval', {})).toMatchObject({
    ok: 'N',
    error_code: 'document_not_approvable',
  });
});

it('links a document of another type by that type', async () => {
  const { deal } = addDeal(stand);
  const letter = stand.directum.add('ISimpleDocuments', {
    Name: 'Письмо',
    DocumentKind: 1,
    InternalApprovalState: 'Signed',
  });
  const outputs = await runStep(stand, deal, 'directum_wait_signature', { document_id: letter });
  expect(outputs).toMatchObject({ ok: 'Y', result: 'signed' });
  expect(outputs['document_url']).toContain(`/09584896-81e2-4c83-8f6c-70eb8321e1d0/${letter}`);
});
