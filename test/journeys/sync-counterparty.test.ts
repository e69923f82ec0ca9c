import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addDeal, inn, ROMASHKA, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.stop());

const CODE = 'directum_sync_counterparty';
const sync = (deal: number, properties: Record<string, unknown> = {}) =>
  runStep(stand, deal, CODE, properties);
const companies = (inn: string) =>
  stand.directum.all('ICompanies').filter((company) => company['TIN'] === inn);

describe('matching', () => {
  it('makes a company once and finds it again by our own record', async () => {
    const requisite = { ...ROMASHKA, RQ_INN: inn(1) };
    const { deal } = addDeal(stand, { requisite });
    const made = await sync(deal);
    expect(made).toMatchObject({
      ok: 'Y',
      action: 'created',
      counterparty_type: 'company',
      changed_fields: '',
    });
    expect(companies(inn(1))[0]).toMatchObject({
      Name: 'ООО Ромашка',
      TRRC: '779901001',
      PSRN: '1027700000008',
    });
    expect(await sync(deal)).toMatchObject({ action: 'unchanged', counterparty_id: made['counterparty_id'] });
  });

  it('takes the card with an empty KPP and fills what is empty, but never overwrites in fill', async () => {
    const id = stand.directum.add('ICompanies', {
      Name: 'Старое имя',
      TIN: inn(2),
      TRRC: null,
      Status: 'Active',
      ExternalId: '1c:77',
    });
    const { deal } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(2) } });
    const outputs = await sync(deal);
    expect(outputs).toMatchObject({ ok: 'Y', action: 'updated', counterparty_id: String(id) });
    expect(String(outputs['changed_fields']).split(',')).toContain('TRRC');
    expect(stand.directum.get('ICompanies', id)).toMatchObject({
      Name: 'Старое имя',
      TRRC: '779901001',
      ExternalId: '1c:77',
    });
    expect(await sync(deal, { update_mode: 'overwrite' })).toMatchObject({
      action: 'updated',
      changed_fields: expect.stringContaining('Name'),
    });
    expect(stand.directum.get('ICompanies', id)).toMatchObject({ Name: 'ООО Ромашка', ExternalId: '1c:77' });
  });

  it('names the card it found though Directum refused the change', async () => {
    const id = stand.directum.add('ICompanies', {
      Name: 'ООО Ромашка',
      TIN: inn(10),
      TRRC: '779901001',
      Status: 'Active',
    });
    const { deal } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(10) } });
    const body = { error: { code: '', message: 'Нет прав на изменение карточки контрагента' } };
    stand.directum.misbehave.next({ verb: 'PATCH', path: /ICompanies/, status: 400, body });
    const outputs = await sync(deal);
    expect(outputs).toMatchObject({
      ok: 'N',
      error_code: 'directum_refused',
      counterparty_id: String(id),
      counterparty_type: 'company',
      changed_fields: '',
      action: '',
    });
    expect(outputs['counterparty_url']).toContain(`/${id}`);
  });

  it('makes a branch card for an INN known only with another KPP, and never matches by name', async () => {
    stand.directum.add('ICompanies', {
      Name: 'ООО Ромашка',
      TIN: inn(3),
      TRRC: '780101001',
      Status: 'Active',
    });
    const { deal } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(3) } });
    expect(await sync(deal)).toMatchObject({ ok: 'Y', action: 'created' });
    expect(companies(inn(3))).toHaveLength(2);
  });

  it('refuses a closed card', async () => {
    stand.directum.add('ICompanies', {
      Name: 'ООО Закрыто',
      TIN: inn(4),
      TRRC: '779901001',
      Status: 'Closed',
    });
    const { deal } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(4) } });
    expect(await sync(deal)).toMatchObject({ ok: 'N', error_code: 'counterparty_closed' });
  });

  it('makes a non-resident card of a company of another country, without checking its number', async () => {
    const requisite = { RQ_INN: '123', RQ_COMPANY_NAME: 'ТОО Степь', PRESET_ID: '4' };
    const { deal } = addDeal(stand, { requisite });
    const outputs = await sync(deal);
    expect(outputs).toMatchObject({ ok: 'Y', action: 'created' });
    expect(stand.directum.get('ICompanies', Number(outputs['counterparty_id']))).toMatchObject({
      Nonresident: true,
      TIN: '123',
    });
  });

  it.each([
    ['Kazakhstan', '4', { RQ_BIN: '040140000123' }, '040140000123'],
    ['Belarus', '5', { RQ_INN: '193456789' }, '193456789'],
    ['Ukraine', '6', { RQ_EDRPOU: '12345678' }, '12345678'],
    ['Germany', '7', { RQ_VAT_ID: 'DE 123456789' }, 'DE123456789'],
    ['a deleted preset', '99', { RQ_BIN: '050150000456' }, '050150000456'],
  ])('makes one card of a company of %s that stands in CRM twice', async (_country, PRESET_ID, ids, tin) => {
    const requisite = { ...ids, RQ_COMPANY_NAME: 'Чужая', PRESET_ID };
    const first = await sync(addDeal(stand, { requisite }).deal);
    expect(first).toMatchObject({ ok: 'Y', action: 'created' });
    const second = await sync(addDeal(stand, { requisite }).deal);
    expect(second).toMatchObject({ ok: 'Y', counterparty_id: first['counterparty_id'] });
    expect(companies(tin)).toEqual([expect.objectContaining({ Nonresident: true })]);
  });

  it('says so when a deleted preset leaves the country unknown, and goes by a Russian INN', async () => {
    const unknown = await sync(
      addDeal(stand, { requisite: { RQ_INN: '193456780', RQ_COMPANY_NAME: 'Чья-то', PRESET_ID: '99' } }).deal,
    );
    expect(unknown).toMatchObject({ ok: 'N', error_code: 'requisites_invalid' });
    expect(unknown['error_text']).toContain('«Шаблон реквизитов»');
    const requisite = { ...ROMASHKA, RQ_INN: inn(11), PRESET_ID: '99' };
    expect(await sync(addDeal(stand, { requisite }).deal)).toMatchObject({ ok: 'Y', action: 'created' });
    expect(companies(inn(11))).toEqual([expect.objectContaining({ Nonresident: false })]);
  });

  it('never names a card by the code of its record in CRM', async () => {
    const nameless = (requisite: Record<string, string>) => {
      const { deal, company } = addDeal(stand, { requisite: { RQ_KPP: '779901001', ...requisite } });
      stand.portal.world.items.get(4)?.set(company, {
        ...stand.portal.world.items.get(4)?.get(company),
        title: '',
      });
      return deal;
    };
    const outputs = await sync(nameless({ RQ_INN: inn(12) }));
    expect(outputs).toMatchObject({ ok: 'N', error_code: 'requisites_invalid' });
    expect(outputs['error_text']).toContain('«Название» не указано');
    expect(companies(inn(12))).toEqual([]);
    const full = { RQ_INN: inn(13), RQ_COMPANY_FULL_NAME: 'Общество без названия' };
    expect(await sync(nameless(full))).toMatchObject({ ok: 'Y' });
    expect(companies(inn(13))).toEqual([expect.objectContaining({ Name: 'Общество без названия' })]);
  });

  it('takes the requisites chosen on the deal before the first ones of the company', async () => {
    const { deal, company } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(7) } });
    const chosen = stand.portal.addRequisite({
      ENTITY_TYPE_ID: 4,
      ENTITY_ID: company,
      PRESET_ID: 1,
      ACTIVE: 'Y',
      SORT: 900,
      ...ROMASHKA,
      RQ_INN: inn(8),
    });
    stand.portal.setRequisiteLink(2, deal, { REQUISITE_ID: chosen });
    expect(await sync(deal)).toMatchObject({ ok: 'Y', action: 'created' });
    expect([companies(inn(7)).length, companies(inn(8)).length]).toEqual([0, 1]);
  });

  it('finds a bank', async () => {
    const id = stand.directum.add('IBanks', {
      Name: 'Банк',
      BIC: '044525225',
      TIN: inn(5),
      TRRC: '779901001',
      Status: 'Active',
    });
    const { deal } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(5) } });
    expect(await sync(deal)).toMatchObject({
      ok: 'Y',
      counterparty_type: 'bank',
      counterparty_id: String(id),
    });
  });
});

describe('people', () => {
  it('makes a person of a contact and a company of a sole proprietor', async () => {
    const contact = stand.portal.addContact({ NAME: 'Анна', LAST_NAME: 'Петрова', SECOND_NAME: 'Ивановна' });
    const { deal } = addDeal(stand, {
      requisite: null,
      deal: { companyId: 0, contactId: contact, contactIds: [contact] },
    });
    const person = await sync(deal);
    expect(person).toMatchObject({ ok: 'Y', action: 'created', counterparty_type: 'person' });
    expect(stand.directum.get('IPersons', Number(person['counterparty_id']))).toMatchObject({
      LastName: 'Петрова',
      FirstName: 'Анна',
    });
    expect(await sync(deal)).toMatchObject({
      action: 'unchanged',
      counterparty_id: person['counterparty_id'],
    });

    const owner = stand.portal.addContact({ NAME: 'Пётр', LAST_NAME: 'Сидоров' });
    stand.portal.addRequisite({
      ENTITY_TYPE_ID: 3,
      ENTITY_ID: owner,
      PRESET_ID: 1,
      ACTIVE: 'Y',
      SORT: 1,
      RQ_INN: '500100732259',
      RQ_OGRNIP: '304500116000157',
      RQ_LAST_NAME: 'Сидоров',
      RQ_FIRST_NAME: 'Пётр',
    });
    const { deal: second } = addDeal(stand, {
      requisite: null,
      deal: { companyId: 0, contactId: owner, contactIds: [owner] },
    });
    const proprietor = await sync(second);
    expect(proprietor).toMatchObject({ ok: 'Y', counterparty_type: 'company' });
    expect(stand.directum.get('ICompanies', Number(proprietor['counterparty_id']))).toMatchObject({
      Name: 'ИП Сидоров Пётр',
      TIN: '500100732259',
    });
  });

  it('takes another company than the deal has, and says when nobody has it', async () => {
    const { company } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(6) } });
    const { deal } = addDeal(stand);
    expect(await sync(deal, { company_id: String(company) })).toMatchObject({ ok: 'Y', action: 'created' });
    expect(companies(inn(6))).toHaveLength(1);
    expect(await sync(deal, { company_id: '999999' })).toMatchObject({
      ok: 'N',
      error_code: 'item_not_found',
      error_text: expect.stringContaining('«ИД компании»'),
    });
  });
});

it('makes one counterparty and one contract a deal when thirty deals of a new company start at once', async () => {
  const requisite = { ...ROMASHKA, RQ_INN: inn(9) };
  const { company, user } = addDeal(stand, { requisite });
  stand.portal.placeRobot('C1:STORM', 'directum_create_contract', { subject: 'Штурм' });
  const deals = Array.from({ length: 30 }, () =>
    stand.portal.addItem(2, {
      title: 'Штурм',
      companyId: company,
      opportunity: 5,
      currencyId: 'RUB',
      assignedById: user,
    }),
  );
  const workflows = await Promise.all(deals.map((deal) => stand.portal.moveItem(2, deal, 'C1:STORM')));
  const steps = await Promise.all(
    workflows.map((workflow) => stand.portal.waitForStep(workflow, 'directum_create_contract', 25_000)),
  );
  expect(steps.map((step) => (step.outputs as Record<string, string>)['ok'])).toEqual(deals.map(() => 'Y'));
  expect(companies(inn(9))).toHaveLength(1);
  const keys = stand.directum
    .all('IContracts')
    .filter((contract) => contract['Subject'] === 'Штурм')
    .map((contract) => contract['ExternalId']);
  expect(new Set(keys).size).toBe(30);
  expect(keys).toHaveLength(30);
}, 60_000);

describe('the link of a counterparty', () => {
  const create = (deal: number, properties: Record<string, unknown> = {}) =>
    runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка', ...properties });

  /** Every way a robot may come to the card of one deal's counterparty. */
  async function ways(deal: number, other: number) {
    const made = await sync(deal);
    const known = await sync(deal, { update_mode: 'overwrite' });
    const contract = await create(deal);
    const again = await create(deal);
    const updated = await create(deal, { subject: 'Другая', if_exists: 'update' });
    const linked = await create(other, { link_document_id: String(contract['document_id']), slot: 'Linked' });
    const foundByNumber = await sync(other);
    const ofOther = await create(other);
    stand.directum.misbehave.next({
      verb: 'POST',
      path: 'IContracts',
      status: 400,
      body: { error: 'Нельзя' },
    });
    const failed = await create(deal, { slot: 'Failed' });
    expect(failed['ok']).toBe('N');
    return [made, known, contract, again, updated, linked, foundByNumber, ofOther, failed];
  }

  it.each([
    ['company', 20],
    ['bank', 21],
  ])('of a %s is one, whichever robot and way gives it', async (type, seed) => {
    if (type === 'bank')
      stand.directum.add('IBanks', { Name: 'Банк', BIC: '044525999', TIN: inn(seed), Status: 'Active' });
    const requisite = { ...ROMASHKA, RQ_INN: inn(seed) };
    const all = await ways(addDeal(stand, { requisite }).deal, addDeal(stand, { requisite }).deal);
    expect(all[0]).toMatchObject({ counterparty_type: type });
    const id = all[0]!['counterparty_id'];
    const url = `${stand.directum.webUrl}/#/card/294767f1-009f-4fbd-80fc-f98c49ddc560/${id}`;
    expect(all.map((outputs) => [outputs['counterparty_id'], outputs['counterparty_url']])).toEqual(
      all.map(() => [id, url]),
    );
  });

  it('of a person is one too', async () => {
    const contact = stand.portal.addContact({ NAME: 'Олег', LAST_NAME: 'Одинов' });
    const person = { requisite: null, deal: { companyId: 0, contactId: contact, contactIds: [contact] } };
    const all = await ways(addDeal(stand, person).deal, addDeal(stand, person).deal);
    expect(all[0]).toMatchObject({ counterparty_type: 'person' });
    expect(new Set(all.map((outputs) => outputs['counterparty_url'])).size).toBe(1);
  });
});
