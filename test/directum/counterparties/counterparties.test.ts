import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Directum, startDirectum } from '../../sandbox/directum/directum.ts';
import { adapter, company, contact, INN, KPP, OGRNIP, OTHER_KPP, PERSON_INN } from '../stand.ts';

let stand: Directum;
let bench: ReturnType<typeof adapter>;

beforeEach(async () => {
  stand = await startDirectum();
  bench = adapter(stand);
});
afterEach(async () => {
  await bench.service.close();
  await stand.stop();
});

const sync = (...args: Parameters<typeof bench.directum.counterparties.sync>) =>
  bench.directum.counterparties.sync(...args);
const companies = () => stand.all('ICompanies');
const since = async (work: () => Promise<unknown>) => {
  const before = stand.journal.length;
  await work();
  return stand.journal.slice(before).map(({ verb, path }) => `${verb} ${path}`);
};

describe('making and finding', () => {
  it('makes a company once and knows it again with one request', async () => {
    const made = await sync(
      company(
        { ogrn: '1027700132195', okpo: '123', bank: null },
        { phones: ['+7 1', '+7 2'], emails: ['a@b.example'] },
      ),
      'fill',
    );
    expect(made).toMatchObject({ action: 'created', type: 'company', changedFields: [] });
    expect(made.url).toBe(`${stand.webUrl}/#/card/294767f1-009f-4fbd-80fc-f98c49ddc560/${made.id}`);
    expect(stand.get('ICompanies', made.id)).toMatchObject({
      Name: 'ООО «Ромашка»',
      TIN: INN,
      TRRC: KPP,
      PSRN: '1027700132195',
      Phones: '+7 1, +7 2',
      ExternalId: 'b24:portal-1:COMPANY_44',
    });
    expect(await since(() => sync(company(), 'none'))).toEqual([`GET ICompanies(${made.id})`]);
  });

  it('takes the card with the same INN and KPP, else the one with an empty KPP, else makes a branch card', async () => {
    const other = stand.add('ICompanies', { Name: 'Филиал', TIN: INN, TRRC: OTHER_KPP });
    const empty = stand.add('ICompanies', { Name: 'Без КПП', TIN: INN });
    expect((await sync(company(), 'none')).id).toBe(empty);
    expect((await sync(company({ kpp: OTHER_KPP }, { id: 45 }), 'none')).id).toBe(other);
    stand.remove('ICompanies', empty);
    bench.counterpartyLinks.held.clear();
    expect((await sync(company(), 'none')).action).toBe('created');
  });

  it.each(['', 'null', '[]'])(
    'makes no second card where a list is answered with %j: only 204 says none',
    async (body) => {
      stand.add('ICompanies', { Name: 'Ромашка', TIN: INN, TRRC: KPP });
      const before = stand.all('ICompanies').length;
      stand.misbehave.next({ verb: 'GET', path: 'ICompanies', status: 200, body });
      await expect(sync(company(), 'none')).rejects.toMatchObject({ code: 'directum_unavailable' });
      expect(stand.all('ICompanies')).toHaveLength(before);
    },
  );

  it('takes any card with the INN when CRM gives no KPP, and a bank as a bank', async () => {
    const bank = stand.add('IBanks', { Name: 'Банк', TIN: INN, TRRC: OTHER_KPP, BIC: '044525225' });
    expect(await sync(company({ kpp: null }), 'none')).toMatchObject({
      id: bank,
      type: 'bank',
      action: 'unchanged',
    });
  });

  it('never matches by name', async () => {
    const same = stand.add('ICompanies', { Name: 'ООО «Ромашка»' });
    expect((await sync(company(), 'none')).id).not.toBe(same);
  });

  it('names all candidates when several fit', async () => {
    const ids = [1, 2].map((n) => stand.add('ICompanies', { Name: `Двойник ${n}`, TIN: INN, TRRC: KPP }));
    const failed = await sync(company(), 'none').catch((error) => error);
    expect(failed.code).toBe('counterparty_ambiguous');
    for (const id of ids) expect(failed.text.ru).toContain(String(id));
    expect(failed.text.ru).toContain(KPP);
  });

  it('names all candidates, however many, within the room of an answer', async () => {
    const ids = Array.from({ length: 12 }, (_, n) =>
      stand.add('ICompanies', {
        Name: `Общество с ограниченной ответственностью № ${n}`,
        TIN: INN,
        TRRC: KPP,
      }),
    );
    const failed = await sync(company(), 'none').catch((error) => error);
    for (const id of ids) expect(failed.text.ru).toContain(String(id));
    expect(failed.text.ru.length).toBeLessThanOrEqual(500);
  });

  it('follows the requisites chosen on the deal: a branch or another legal entity of one CRM company', async () => {
    const head = await sync(company({ id: 1 }), 'fill');
    const branch = await sync(company({ id: 2, kpp: OTHER_KPP }), 'overwrite');
    const other = await sync(company({ id: 3, inn: '7707083893', kpp: KPP }), 'overwrite');
    expect([head, branch, other].map(({ action }) => action)).toEqual(['created', 'created', 'created']);
    expect(stand.get('ICompanies', head.id)).toMatchObject({ TIN: INN, TRRC: KPP });
    bench.counterpartyLinks.held.clear();
    expect((await sync(company({ id: 2, kpp: OTHER_KPP }), 'none')).id).toBe(branch.id);
    expect((await sync(company({ id: 1 }), 'none')).id).toBe(head.id);
  });

  it('knows the card of requisites whose numbers were mended, and of a contact who got or lost requisites', async () => {
    const first = await sync(company({ id: 1, kpp: OTHER_KPP }), 'fill');
    expect(await sync(company({ id: 1 }), 'overwrite')).toMatchObject({
      id: first.id,
      changedFields: ['TRRC'],
    });
    const person = await sync(contact(), 'fill');
    expect(await sync(contact({ id: 5, inn: PERSON_INN }), 'fill')).toMatchObject({
      id: person.id,
      changedFields: ['TIN'],
    });
    expect((await sync(contact(), 'fill')).id).toBe(person.id);
  });

  it("does not mind what stands in a proprietor's KPP", async () => {
    const { id } = await sync(contact({ inn: PERSON_INN, ogrnip: OGRNIP, kpp: '-' }), 'fill');
    expect(stand.get('ICompanies', id)['TRRC']).toBeFalsy();
  });

  it('refuses a closed card, found or paired', async () => {
    const id = stand.add('ICompanies', { Name: 'Закрытая', TIN: INN, TRRC: KPP, Status: 'Closed' });
    await expect(sync(company(), 'none')).rejects.toMatchObject({ code: 'counterparty_closed' });
    stand.patch('ICompanies', id, { Status: 'Active' });
    await sync(company(), 'none');
    stand.patch('ICompanies', id, { Status: 'Closed' });
    await expect(sync(company(), 'none')).rejects.toMatchObject({ code: 'counterparty_closed' });
  });

  it('matches anew when the paired card is gone', async () => {
    const first = await sync(company(), 'none');
    stand.add('ICompanies', { Name: 'ООО Другая' });
    stand.remove('ICompanies', first.id);
    const second = await sync(company(), 'none');
    expect(second).toMatchObject({ action: 'created' });
    expect(second.id).not.toBe(first.id);
  });

  it.each([
    ['the only one', []],
    ['one of several', [{ id: 45 }, { id: 46 }]],
  ])('makes no second card while no counterparty can be read: %s', async (_what, others) => {
    const first = await sync(company(), 'none');
    for (const [n, party] of others.entries())
      await sync(company({ id: n + 2, inn: null, ogrn: null, countryId: 6 }, party), 'none');
    const count = stand.all('ICompanies').length;
    stand.misbehave.hide('ICounterparties');
    await expect(sync(company(), 'none')).rejects.toMatchObject({ code: 'directum_unavailable' });
    expect(stand.all('ICompanies')).toHaveLength(count);
    stand.misbehave.show('ICounterparties');
    expect(await sync(company(), 'none')).toMatchObject({ id: first.id, action: 'unchanged' });
  });

  it('makes one card for many who start at once, and one per KPP', async () => {
    const parties = Array.from({ length: 12 }, (_, n) =>
      company(n % 2 ? { kpp: OTHER_KPP } : {}, { id: 100 + n }),
    );
    const results = await Promise.all(parties.map((party) => sync(party, 'none')));
    expect(results.filter(({ action }) => action === 'created')).toHaveLength(2);
    expect(companies().filter((one) => one['TIN'] === INN)).toHaveLength(2);
  });

  it('gives an empty card to the first KPP only, though two start at once', async () => {
    const empty = stand.add('ICompanies', { Name: 'Без КПП', TIN: INN });
    const results = await Promise.all([
      sync(company({}, { id: 1 }), 'fill'),
      sync(company({ kpp: OTHER_KPP }, { id: 2 }), 'fill'),
    ]);
    expect(results.map(({ action }) => action)).toEqual(['updated', 'created']);
    expect(stand.get('ICompanies', empty)).toMatchObject({ TRRC: KPP });
  });

  it('never asks the common set of counterparties', async () => {
    await sync(company(), 'fill');
    expect(stand.journal.filter(({ path }) => path.startsWith('ICounterparties'))).toEqual([]);
  });

  it('makes a proprietor a company and any other contact a person', async () => {
    const proprietor = await sync(contact({ inn: PERSON_INN, ogrnip: OGRNIP, secondName: 'Ильич' }), 'fill');
    expect(stand.get('ICompanies', proprietor.id)).toMatchObject({
      Name: 'ИП Петров Пётр Ильич',
      TIN: PERSON_INN,
      PSRN: OGRNIP,
    });
    const person = await sync(contact(null, { id: 9 }), 'fill');
    expect(person).toMatchObject({ type: 'person', action: 'created' });
    expect(stand.get('IPersons', person.id)).toMatchObject({
      LastName: 'Петров',
      FirstName: 'Пётр',
      TIN: null,
    });
  });

  it('makes a non-resident of a foreign requisite without INN checks', async () => {
    const { id } = await sync(
      company({ countryId: 6, inn: '12-34', kpp: null, companyName: 'Acme' }),
      'fill',
    );
    expect(stand.get('ICompanies', id)).toMatchObject({ Nonresident: true, TIN: '12-34' });
  });
});

describe('companies of other countries', () => {
  const kazakh = (values: Parameters<typeof company>[0] = {}, party: Parameters<typeof company>[1] = {}) =>
    company(
      { countryId: 6, inn: null, kpp: null, foreignIds: [BIN], companyName: 'ТОО Степь', ...values },
      party,
    );
  const BIN = '040140000123';
  const count = () => companies().filter((one) => String(one['Name']).includes('Степь')).length;

  it('are found again by their number, from another record of CRM too', async () => {
    const made = await sync(kazakh(), 'fill');
    expect(stand.get('ICompanies', made.id)).toMatchObject({ Nonresident: true, TIN: BIN });
    bench.counterpartyLinks.held.clear();
    stand.patch('ICompanies', made.id, { ExternalId: null });
    expect((await sync(kazakh({ id: 2 }, { id: 45 }), 'fill')).id).toBe(made.id);
    expect(count()).toBe(1);
  });

  it('are found by any of their numbers, the most telling first', async () => {
    const byVat = stand.add('ICompanies', { Name: 'Степь', TIN: 'de123456789', Nonresident: true });
    expect((await sync(kazakh({ foreignIds: ['HRB 1', 'de123456789'] }), 'none')).id).toBe(byVat);
    const byFirst = stand.add('ICompanies', { Name: 'Степь 2', TIN: 'HRB1', Nonresident: true });
    bench.counterpartyLinks.held.clear();
    stand.patch('ICompanies', byVat, { ExternalId: null });
    expect((await sync(kazakh({ foreignIds: ['HRB 1', 'de123456789'] }), 'none')).id).toBe(byFirst);
  });

  it('are made once when many records with a number in common start at once', async () => {
    const parties = Array.from({ length: 12 }, (_, n) =>
      kazakh({ id: n, foreignIds: n % 2 ? ['A1', 'B2'] : ['B2', 'A1'] }, { id: 100 + n }),
    );
    const results = await Promise.all(parties.map((party) => sync(party, 'none')));
    expect(new Set(results.map(({ id }) => id)).size).toBe(1);
  });

  it('are not a Russian company whose INN is the same digits', async () => {
    const russian = stand.add('ICompanies', { Name: 'ИП Однофамилец', TIN: PERSON_INN, Nonresident: false });
    const made = await sync(kazakh({ foreignIds: [PERSON_INN] }), 'fill');
    expect(made).toMatchObject({ action: 'created' });
    expect(made.id).not.toBe(russian);
  });

  it('get the mark of a non-resident together with their number', async () => {
    const { id } = await sync(contact(), 'fill');
    const known = contact({ countryId: 6, foreignIds: ['850101300123'] });
    expect(await sync(known, 'fill')).toMatchObject({ id, changedFields: ['TIN', 'Nonresident'] });
    expect(stand.get('IPersons', id)).toMatchObject({ TIN: '850101300123', Nonresident: true });
  });
});

describe('faults', () => {
  it('finds the card a broken-off POST made instead of making another', async () => {
    stand.misbehave.next({ verb: 'POST', path: 'ICompanies', cutAfterEffect: true });
    const { id } = await sync(company(), 'fill');
    expect(
      companies()
        .filter((one) => one['TIN'] === INN)
        .map((one) => one['Id']),
    ).toEqual([id]);
  });

  it('finds it after a crash by our key alone, and reports when nothing was made', async () => {
    stand.misbehave.next({ verb: 'POST', path: 'IPersons', cutAfterEffect: true });
    const first = await sync(contact(), 'fill');
    bench.counterpartyLinks.held.clear();
    expect((await sync(contact(), 'fill')).id).toBe(first.id);
    stand.misbehave.next({ verb: 'POST', path: 'ICompanies', cutBefore: true });
    await expect(sync(company(), 'fill')).rejects.toMatchObject({ code: 'directum_unavailable' });
  });

  it('writes a long name cut, and no e-mail or account that would have to be cut', async () => {
    const long = `${'и'.repeat(249)}🚀 и ещё`;
    const party = {
      ...company({ companyName: long, inn: '7728168971' }),
      emails: [`${'a'.repeat(250)}@acme.example`],
    };
    const made = await bench.directum.counterparties.sync(party, 'fill');
    const card = stand.get('ICompanies', made.id);
    expect(card).toMatchObject({ Name: 'и'.repeat(249) });
    expect(card?.['Email'] ?? null).toBeNull();
  });

  it('tells of a change whose answer was cut', async () => {
    const id = stand.add('ICompanies', { Name: 'Старое', TIN: INN, TRRC: KPP });
    stand.misbehave.next({ verb: 'PATCH', path: 'ICompanies', cutAfterEffect: true });
    expect(await sync(company({}, { phones: ['2'] }), 'fill')).toMatchObject({
      id,
      action: 'updated',
      changedFields: ['Phones'],
    });
    stand.misbehave.next({ verb: 'PATCH', path: 'ICompanies', cutBefore: true });
    await expect(sync(company({}, { phones: ['3'] }), 'overwrite')).rejects.toMatchObject({
      code: 'directum_unavailable',
    });
  });

  it('quotes what Directum refuses', async () => {
    stand.misbehave.next({
      verb: 'POST',
      path: 'ICompanies',
      status: 400,
      body: { error: { code: '', message: 'Нельзя secret так' } },
    });
    const failed = await sync(company(), 'fill').catch((error) => error);
    expect(failed.code).toBe('directum_refused');
    expect(failed.text.ru).toContain('Нельзя *** так');
  });

  it('takes no company that it sent for a lock, quoted or not', async () => {
    const name = 'Fort is locked';
    for (const message of [
      `Контрагент ${name} не прошёл проверку`,
      `Контрагент «${name}» не прошёл проверку`,
    ]) {
      stand.misbehave.next({ verb: 'POST', path: 'ICompanies', status: 400, body: { error: message } });
      await expect(sync(company({ companyName: name }), 'fill')).rejects.toMatchObject({
        code: 'directum_refused',
        text: { ru: expect.stringContaining(message) },
      });
    }
  });

  it('tells a locked card apart', async () => {
    const id = stand.add('ICompanies', { Name: 'Старое', TIN: INN, TRRC: KPP });
    stand.misbehave.lockCards(1);
    await expect(sync(company({}, { emails: ['a@b.example'] }), 'fill')).rejects.toMatchObject({
      code: 'directum_locked',
    });
    expect(stand.get('ICompanies', id)['Email']).toBeFalsy();
  });
});

describe('update modes', () => {
  const seeded = (fields: Record<string, unknown> = {}) =>
    stand.add('ICompanies', { Name: 'Старое', TIN: INN, TRRC: KPP, ...fields });

  it('fill writes empty properties only', async () => {
    const id = seeded({ Phones: '1' });
    const result = await sync(company({ legalAddress: 'Москва' }, { phones: ['2'] }), 'fill');
    expect(result).toMatchObject({ id, action: 'updated', changedFields: ['LegalAddress'] });
    expect(stand.get('ICompanies', id)).toMatchObject({
      Name: 'Старое',
      Phones: '1',
      LegalAddress: 'Москва',
      ExternalId: 'b24:portal-1:COMPANY_44',
    });
    expect(await sync(company({ legalAddress: 'Москва' }, { phones: ['2'] }), 'fill')).toMatchObject({
      action: 'unchanged',
    });
  });

  it('overwrite writes what differs and blanks nothing', async () => {
    const id = seeded({ Phones: '1', Homepage: 'https://old.example' });
    const result = await sync(company({}, { phones: ['2'] }), 'overwrite');
    expect(result.changedFields.sort()).toEqual(['Name', 'Phones']);
    expect(stand.get('ICompanies', id)).toMatchObject({ Homepage: 'https://old.example', Phones: '2' });
  });

  it('none writes nothing, and a mirror of an own company is never written', async () => {
    const id = seeded();
    await sync(company({}, { phones: ['2'] }), 'none');
    expect(stand.get('ICompanies', id)).toMatchObject({ Name: 'Старое' });
    stand.patch('ICompanies', id, { IsCardReadOnly: true });
    expect(await sync(company({}, { phones: ['2'] }), 'overwrite')).toMatchObject({ action: 'unchanged' });
  });

  it("leaves another integration's key, and counts our key as no change", async () => {
    const id = seeded({ ExternalId: '1c-77', Name: 'ООО «Ромашка»' });
    expect(await sync(company(), 'fill')).toMatchObject({ action: 'unchanged', changedFields: [] });
    expect(stand.get('ICompanies', id)['ExternalId']).toBe('1c-77');
    stand.patch('ICompanies', id, { ExternalId: null });
    expect(await sync(company(), 'fill')).toMatchObject({ action: 'unchanged' });
    expect(stand.get('ICompanies', id)['ExternalId']).toBe('b24:portal-1:COMPANY_44');
  });

  it('sets the bank found by BIC and never makes one', async () => {
    const bank = stand.add('IBanks', { Name: 'Банк', BIC: '044525225' });
    const account = { countryId: 1, name: 'Б', account: '40702810900000000001', corAccount: null };
    const { id } = await sync(company({ bank: { ...account, bik: '044525225' } }), 'fill');
    expect(stand.get('ICompanies', id)).toMatchObject({ Account: account.account, Bank: { Id: bank } });
    const banks = stand.all('IBanks').length;
    await sync(company({ kpp: OTHER_KPP, bank: { ...account, bik: '044525999' } }, { id: 5 }), 'fill');
    expect(stand.all('IBanks')).toHaveLength(banks);
  });
});
