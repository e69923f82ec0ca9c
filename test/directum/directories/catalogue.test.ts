import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contract } from '../../../src/documents/types/document-types.ts';
import { passingTime } from '../../passing-time.ts';
import { type Directum, startDirectum } from '../../sandbox/directum/directum.ts';
import { adapter, label } from '../stand.ts';

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

describe('name or id', () => {
  it('takes digits for an id and anything else for the exact name, case-blind', async () => {
    const { catalogue } = bench.directum;
    const id = stand.add('IContractCategories', { Name: "Аренда «Дом'с + 5%» & #1" });
    stand.add('IContractCategories', { Name: 'Аренда «Дом' });
    stand.add('IContractCategories', { Name: String(id) });
    expect(await catalogue.category(" аренда «дом'С + 5%» & #1 ", label)).toEqual({
      id,
      name: "Аренда «Дом'с + 5%» & #1",
    });
    expect((await catalogue.category(String(id), label)).id).toBe(id);
  });

  it('finds a name too long for the start line', async () => {
    const Name = `${'Щ'.repeat(249)}1`;
    stand.add('IDepartments', { Name: `${'Щ'.repeat(249)}2` });
    const id = stand.add('IDepartments', { Name });
    expect((await bench.directum.catalogue.department(Name, label)).id).toBe(id);
  });

  it('finds none among closed ones and names the field', async () => {
    const id = stand.add('IDepartments', { Name: 'Старый', Status: 'Closed' });
    for (const value of ['Старый', String(id), '99999999999999999999', 'нет']) {
      const failed = await bench.directum.catalogue.department(value, label).catch((error) => error);
      expect(failed.code).toBe('reference_not_found');
      expect(failed.text.ru).toContain('«Поле»');
      expect(failed.text.ru.length).toBeLessThanOrEqual(450);
    }
  });

  it('names the ids of namesakes', async () => {
    const ids = [1, 2].map(() => stand.add('IDepartments', { Name: 'Двойной' }));
    const failed = await bench.directum.catalogue.department('двойной', label).catch((error) => error);
    expect(failed.code).toBe('reference_ambiguous');
    expect(failed.text.ru).toContain(ids.join(', '));
  });

  it('asks once for ten minutes, across processes too, and again for what was not found', async () => {
    let time = Date.parse('2026-03-02T00:00:00Z');
    const now = () => new Date(time);
    const passing = passingTime();
    const first = adapter(stand, { now });
    const second = adapter(stand, { now, cache: first.cache });
    const asked = () => stand.journal.filter(({ path }) => path.startsWith('IDepartments')).length;
    await first.directum.catalogue.department('Отдел продаж', label);
    await first.directum.catalogue.department('ОТДЕЛ ПРОДАЖ', label);
    await second.directum.catalogue.department('Отдел продаж', label);
    expect(asked()).toBe(1);
    time -= 3 * 3_600_000;
    const third = adapter(stand, { now, cache: first.cache });
    await third.directum.catalogue.department('Отдел продаж', label);
    // Kept by a clock that was set back since, so that its time would be over only in hours.
    expect(asked()).toBe(2);
    time += 11 * 60_000;
    passing.pass(11 * 60_000);
    await second.directum.catalogue.department('Отдел продаж', label);
    expect(asked()).toBe(3);
    await third.service.close();
    await expect(first.directum.catalogue.department('Новый', label)).rejects.toMatchObject({
      code: 'reference_not_found',
    });
    const id = stand.add('IDepartments', { Name: 'Новый' });
    expect((await first.directum.catalogue.department('Новый', label)).id).toBe(id);
    await first.service.close();
    await second.service.close();
  });

  it('finds a name pasted with marks that nobody sees and spaces of other kinds', async () => {
    const plain = await bench.directum.catalogue.department('Отдел продаж', label);
    expect(await bench.directum.catalogue.department('\ufeffОтдел\u00a0про\u00adдаж\u200b', label)).toEqual(
      plain,
    );
    const odd = stand.add('IDepartments', { Name: 'Отдел\u00a0про\u00adдаж' });
    const other = adapter(stand);
    expect((await other.directum.catalogue.department('Отдел\u00a0про\u00adдаж', label)).id).toBe(odd);
    expect((await other.directum.catalogue.department('Отдел продаж', label)).id).toBe(plain.id);
    await other.service.close();
  });

  it('asks for the longest name in a line that Directum takes', async () => {
    for (const mark of ['', '\u200b', '\ufffd'])
      await expect(
        bench.directum.catalogue.documentKind(contract, mark + '語'.repeat(400), label),
      ).rejects.toMatchObject({ code: 'reference_not_found' });
    const long = `${'語'.repeat(200)}\u00ad`;
    const id = stand.add('IDepartments', { Name: long });
    expect((await bench.directum.catalogue.department('語'.repeat(200), label)).id).toBe(id);
  });

  it('prefers the contract kind among kinds of one name', async () => {
    const found = await bench.directum.catalogue.documentKind(contract, 'договор', label);
    stand.add('IDocumentKinds', { Name: 'Договор', DocumentType: 4, DocumentFlow: 'Inner' });
    const other = adapter(stand);
    expect(await other.directum.catalogue.documentKind(contract, 'Договор', label)).toEqual(found);
    await other.service.close();
  });
});

describe('own companies, currencies, VAT', () => {
  it('finds an own company by name, id and TIN', async () => {
    const { catalogue } = bench.directum;
    const byName = await catalogue.businessUnit('ооо «альфа»', label);
    expect(await catalogue.businessUnit('7707083893', label)).toEqual(byName);
    expect(await catalogue.businessUnit(String(byName.id), label)).toEqual(byName);
    expect(await catalogue.businessUnitByTin('7707083893', '770701001')).toEqual(byName);
    expect(await catalogue.businessUnit('\u200b7707 083\u202f893\u00ad', label)).toEqual(byName);
    expect(await catalogue.businessUnitByTin('77 0708\u200b3893', '77\u00ad0701001')).toEqual(byName);
    expect(await catalogue.businessUnitByTin('7707083893', null)).toEqual(byName);
    expect(await catalogue.businessUnitByTin('7707083893', '770701999')).toBeNull();
    expect(await catalogue.businessUnitByTin('7736050003', null)).toBeNull();
  });

  it('takes RUR for RUB, on old stands as well', async () => {
    const rub = await bench.directum.catalogue.currency('rur', label);
    expect(rub.name).toBe('Российский рубль');
    stand.patch('ICurrencies', rub.id, { AlphaCode: 'RUR' });
    const other = adapter(stand);
    expect(await other.directum.catalogue.currency('RUB', label)).toEqual(rub);
    await expect(other.directum.catalogue.currency('XXX', label)).rejects.toMatchObject({
      code: 'reference_not_found',
    });
    await other.service.close();
  });

  it('reads a VAT rate by name or percent', async () => {
    const { catalogue } = bench.directum;
    const twenty = await catalogue.vatRate('20%', label);
    expect(await catalogue.vatRate('20', label)).toEqual(twenty);
    expect(await catalogue.vatRate('20,0 %', label)).toEqual(twenty);
    expect((await catalogue.vatRate('без ндс', label)).name).toBe('Без НДС');
    await expect(catalogue.vatRate('7', label)).rejects.toMatchObject({ code: 'reference_not_found' });
  });
});

describe('employees', () => {
  it('finds the one active employee by e-mail, id or name', async () => {
    const { employees } = bench.directum;
    const found = await employees.byEmail(' IVANOV@acme.example ');
    expect(found).toMatchObject({
      name: 'Иванов Иван',
      departmentId: expect.any(Number),
      businessUnitId: expect.any(Number),
    });
    expect(await employees.byReference(String(found?.id))).toEqual(found);
    expect(await employees.byReference('ivanov@acme.example')).toEqual(found);
    expect(await employees.byReference('иванов иван')).toEqual(found);
    expect(await employees.byEmail('nobody@acme.example')).toBeNull();
    expect(await employees.byEmail('')).toBeNull();
  });

  it('answers null for two of one e-mail and for a closed one', async () => {
    const [first] = stand.all('IEmployees').filter((one) => one['Email'] === 'petrova@acme.example');
    const twin = stand.add('IEmployees', { Name: 'Петрова', Email: 'Petrova@acme.example' });
    expect(await bench.directum.employees.byEmail('petrova@acme.example')).toBeNull();
    stand.patch('IEmployees', twin, { Status: 'Closed' });
    expect((await bench.directum.employees.byEmail('petrova@acme.example'))?.id).toBe(first?.['Id']);
  });

  it('asks the department apart where a nested expand is refused', async () => {
    stand.misbehave.next({ path: 'IEmployees', status: 400, body: { error: 'expand' } });
    expect(await bench.directum.employees.byEmail('ivanov@acme.example')).toMatchObject({
      businessUnitId: expect.any(Number),
    });
  });
});
