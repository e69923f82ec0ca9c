import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Directum, startDirectum } from '../sandbox/directum/directum.ts';
import { caller } from './caller.ts';

type Fields = Record<string, unknown>;

let rx: Directum;
const call = caller(() => rx);
const DAY = '2026-03-02T00:00:00Z';

const named = (set: string, name: string): number => rx.all(set).find((one) => one.Name === name).Id;
async function make(set: string, fields: Fields = {}): Promise<number> {
  const answer = await call('POST', set, { Subject: 'Работы', ...fields });
  expect(answer.status, answer.text).toBe(201);
  return answer.json.Id;
}
const register = (documentId: number, name: string, more: Fields = {}) =>
  call('POST', 'Docflow/RegisterDocument', {
    documentId,
    documentRegisterId: named('IDocumentRegisters', name),
    ...{ registrationDate: DAY, registrationNumber: null, numberReservation: false, ...more },
  });
const external = (id: number, number: string, date: string) =>
  call(
    'GET',
    `Docflow/TryExternalRegisterDocument(documentId=${id},number=${encodeURIComponent(number)},date=${encodeURIComponent(date)})`,
  );

beforeEach(async () => {
  rx = await startDirectum({ now: () => new Date('2026-03-02T09:00:00Z') });
});
afterEach(() => rx.stop());

describe('RegisterDocument', () => {
  it('gives a number and a date, the next one where none is given, and renames the document', async () => {
    const [first, second] = [await make('IContractStatements'), await make('IWaybills')];
    const day = '2026-03-02';
    expect((await register(first, 'Первичные документы', { registrationNumber: '7' })).status).toBe(204);
    expect((await register(second, 'Первичные документы')).status).toBe(204);
    expect(rx.get('IContractStatements', first)).toMatchObject({
      ...{ RegistrationNumber: '7', RegistrationDate: day, RegistrationState: 'Registered' },
      ...{ DocumentDate: day, Name: 'Акт №7 от 02.03.2026 "Работы"' },
    });
    expect(rx.get('IWaybills', second)).toMatchObject({ RegistrationNumber: '8' });
  });

  it('keeps a number only, when told so', async () => {
    const id = await make('IContracts');
    const answer = await register(id, 'Договоры', { numberReservation: true });
    expect(answer.status, answer.text).toBe(204);
    expect(rx.get('IContracts', id)).toMatchObject({
      RegistrationNumber: '1',
      RegistrationState: 'Reserved',
    });
  });

  it('refuses a taken number of the same year, with the words of the base', async () => {
    const [first, second] = [await make('IContractStatements'), await make('IWaybills')];
    await register(first, 'Первичные документы', { registrationNumber: '7' });
    const twin = await register(second, 'Первичные документы', { registrationNumber: '7' });
    expect(twin.status).toBe(400);
    expect(twin.text).toContain('В выбранном журнале уже есть документ с номером 7');
    const nextYear = { registrationNumber: '7', registrationDate: '2027-03-02T00:00:00Z' };
    expect((await register(second, 'Первичные документы', nextYear)).status).toBe(204);
  });

  it('counts anew in a new quarter where the register says so', async () => {
    const name = 'Первичные документы';
    rx.patch('IDocumentRegisters', named('IDocumentRegisters', name), { NumberingPeriod: 'Quarter' });
    const outcomes: number[] = [];
    for (const registrationDate of ['2026-01-15T00:00:00Z', '2026-03-31T00:00:00Z', '2026-04-01T00:00:00Z']) {
      const more = { registrationNumber: '7', registrationDate };
      outcomes.push((await register(await make('IContractStatements'), name, more)).status);
    }
    expect(outcomes).toEqual([204, 400, 204]);
  });

  it('counts agreements by the contract they belong to', async () => {
    const [one, other] = [await make('IContracts'), await make('IContracts')];
    for (const [leading, number] of [
      [one, '1'],
      [one, '2'],
      [other, '1'],
    ] as const) {
      const id = await make('ISupAgreements', { LeadingDocument: { Id: leading } });
      expect((await register(id, 'Допсоглашения')).status).toBe(204);
      expect(rx.get('ISupAgreements', id).RegistrationNumber).toBe(number);
    }
  });

  it('refuses a register of another flow or way, and a kind that is not numerable', async () => {
    const act = await make('IContractStatements');
    expect((await register(act, 'Договоры')).text).toContain('не подходит');
    expect((await register(act, 'Исходящие счета')).text).toContain('не подходит');
    const invoice = await make('IIncomingInvoices');
    for (const { Name } of rx.all('IDocumentRegisters'))
      expect((await register(invoice, Name)).status).toBe(400);
    expect(rx.get('IContractStatements', act).RegistrationState).toBe('NotRegistered');
  });

  it('refuses a register whose group the account is not in, a number out of format and a forbidden type', async () => {
    const [id, act] = [await make('IContracts'), await make('IContractStatements')];
    rx.patch('IRegistrationGroups', 900, { RecipientLinks: [] });
    expect((await register(id, 'Договоры')).text).toContain('Нет прав на регистрацию');
    rx.patch('IDocumentRegisters', named('IDocumentRegisters', 'Первичные документы'), { $format: /^\d+$/ });
    const odd = await register(act, 'Первичные документы', { registrationNumber: 'А/7' });
    expect(odd.text).toContain('формату');
    rx.lockCard(act);
    expect((await register(act, 'Первичные документы')).text).toContain('заблокирован');
    rx.lockCard(null);
    rx.misbehave.forbid.add('IContractStatements');
    expect((await register(act, 'Первичные документы')).text).toContain('Нет прав на изменение');
  });

  it('says in English what was not found', async () => {
    expect((await register(1, 'Договоры')).text).toContain('Document with ID (1) not found.');
  });
});

describe('registration through properties', () => {
  it('has the same rules, and closes own company and department', async () => {
    const id = await make('IContractStatements');
    const fields = (name: string) => ({
      RegistrationDate: DAY,
      DocumentRegister: { Id: named('IDocumentRegisters', name) },
      RegistrationState: 'Registered',
    });
    const patch = (body: Fields) => call('PATCH', `IContractStatements(${id})`, body);
    expect((await patch({ RegistrationState: 'Registered' })).status).toBe(400);
    expect((await patch(fields('Договоры'))).status).toBe(400);
    expect((await patch(fields('Первичные документы'))).status).toBe(204);
    expect(rx.get('IContractStatements', id).RegistrationNumber).toBe('1');
    const unit = rx.add('IBusinessUnits', { Name: 'ООО «Бета»' });
    expect((await patch({ BusinessUnit: { Id: unit } })).status).toBe(400);
    const numbered = named('IDocumentRegisters', 'Первичные документы');
    rx.patch('IDocumentRegisters', numbered, { Status: 'Closed' });
    expect((await patch({ Note: 'можно' })).status).toBe(204);
  });
});

describe('TryExternalRegisterDocument', () => {
  it('writes the number and date of the paper, although it is a GET', async () => {
    const id = await make('IContractStatements');
    const answer = await external(id, "'А/7'", '2026-02-28T00:00:00Z');
    expect([answer.status, answer.json.value]).toEqual([200, true]);
    expect(rx.get('IContractStatements', id)).toMatchObject({
      ...{ RegistrationNumber: 'А/7', RegistrationDate: '2026-02-28', RegistrationState: 'Registered' },
    });
  });

  it('is false without number or register, or for a kind that is not numerable', async () => {
    const act = await make('IContractStatements');
    expect((await external(act, "''", DAY)).json.value).toBe(false);
    expect((await external(act, "'1'", 'null')).json.value).toBe(false);
    rx.add('IRegistrationSettings', {
      ...{ Name: 'Договоры', SettingType: 'Registration', Priority: 1 },
      DocumentRegister: named('IDocumentRegisters', 'Договоры'),
    });
    expect((await external(await make('IContracts'), "'1'", DAY)).json.value).toBe(false);
    for (const { Id } of rx.all('IRegistrationSettings'))
      rx.patch('IRegistrationSettings', Id, { Status: 'Closed' });
    expect((await external(act, "'1'", DAY)).json.value).toBe(false);
    expect(rx.get('IContractStatements', act).RegistrationState).toBe('NotRegistered');
  });

  it('is not there before 4.8', async () => {
    await rx.stop();
    rx = await startDirectum({ generation: '4.3' });
    expect((await external(await make('IContractStatements'), "'1'", DAY)).status).toBe(404);
  });
});

describe('settings', () => {
  const check = (registerName: string, kindName: string, unit: number | null, department: number | null) =>
    call(
      'GET',
      `Docflow/CheckDocumentRegister(documentRegisterId=${named('IDocumentRegisters', registerName)},documentKindId=${named('IDocumentKinds', kindName)},businessUnitId=${unit},departmentId=${department})`,
    ).then(({ json }) => json.value);

  it('say which register is usable for a kind, own company and department', async () => {
    const unit = rx.all('IBusinessUnits')[0].Id;
    expect(await check('Первичные документы', 'Акт', unit, null)).toBe(true);
    expect(await check('Допсоглашения', 'Акт', unit, null)).toBe(false);
    expect(await check('Договоры', 'Акт', unit, null)).toBe(false);
    expect(await check('Договоры', 'Договор', null, null)).toBe(true);
    const [setting] = rx.all('IRegistrationSettings');
    rx.patch('IRegistrationSettings', setting.Id, {
      BusinessUnits: [{ BusinessUnit: rx.add('IBusinessUnits', { Name: 'ООО «Бета»' }) }],
    });
    expect(await check('Первичные документы', 'Акт', unit, null)).toBe(true);
    expect(await check('Допсоглашения', 'Акт', unit, null)).toBe(true);
    const department = rx.all('IDepartments')[0].Id;
    rx.patch('IRegistrationSettings', setting.Id, {
      BusinessUnits: [],
      Departments: [{ Department: department }],
    });
    expect(await check('Допсоглашения', 'Акт', unit, department)).toBe(false);
    expect(await check('Допсоглашения', 'Акт', unit, null)).toBe(true);
    rx.patch('IDocumentRegisters', named('IDocumentRegisters', 'Допсоглашения'), { Status: 'Closed' });
    expect(await check('Допсоглашения', 'Акт', unit, null)).toBe(false);
    expect(await check('Исходящие счета', 'Акт', unit, null)).toBe(false);
    const byTin = (tin: string, trrc: string) =>
      call(
        'GET',
        `Docflow/CheckDocumentRegisterByTinAndTrrc(documentRegisterId=${named('IDocumentRegisters', 'Первичные документы')},documentKindId=${named('IDocumentKinds', 'Накладная')},businessUnitTin=${tin},businessUnitTrrc=${trrc},departmentId=null)`,
      ).then(({ json }) => json.value);
    expect(await byTin("'7707083893'", "'770701001'")).toBe(true);
    expect(await byTin("'7707083893'", 'null')).toBe(false);
    expect(await byTin('null', "'770701001'")).toBe(false);
    expect(await byTin("'1'", "'1'")).toBe(false);
  });

  it('number a kind that numbers itself at its first save: the highest priority of several, none fails', async () => {
    const invoice = () => ({
      DocumentKind: { Id: named('IDocumentKinds', 'Счёт на предоплату') },
      TotalAmount: 1,
      Currency: { Id: rx.all('ICurrencies')[0].Id },
    });
    const id = await make('IOutgoingInvoices', invoice());
    expect(rx.get('IOutgoingInvoices', id)).toMatchObject({
      ...{ RegistrationNumber: '00001', RegistrationDate: '2026-03-02', RegistrationState: 'Registered' },
      LifeCycleState: 'Active',
    });
    const special = rx.add('IDocumentRegisters', {
      ...{ Name: 'Предоплаты', RegisterType: 'Numbering', DocumentFlow: 'Outgoing', Index: 'ПР-' },
    });
    const row = { DocumentKind: named('IDocumentKinds', 'Счёт на предоплату') };
    rx.add('IRegistrationSettings', {
      ...{ Name: 'Предоплаты', SettingType: 'Numeration', DocumentRegister: special, Priority: 5 },
      DocumentKinds: [row],
    });
    const second = await make('IOutgoingInvoices', invoice());
    expect(rx.get('IOutgoingInvoices', second).RegistrationNumber).toBe('ПР-1');
    for (const { Id } of rx.all('IRegistrationSettings'))
      rx.patch('IRegistrationSettings', Id, { Status: 'Closed' });
    const failed = await call('POST', 'IOutgoingInvoices', { Subject: 'Х', ...invoice() });
    expect(failed.text).toContain(
      'Для автоматической нумерации документа необходима подходящая настройка нумерации.',
    );
    expect(failed.status).toBe(400);
  });
});

describe('a clerk', () => {
  it('registers by hand and takes it back, on the card too', async () => {
    const id = await make('IContracts');
    rx.register(id, { number: 'Д-17', date: '2026-03-01' });
    expect(rx.get('IContracts', id)).toMatchObject({
      RegistrationNumber: 'Д-17',
      DocumentDate: '2026-03-01',
    });
    rx.unregister(id);
    expect(rx.get('IContracts', id)).toMatchObject({
      ...{ RegistrationNumber: null, RegistrationState: 'NotRegistered', Name: 'Договор "Работы"' },
    });
    const form = new URLSearchParams({ act: 'register', id: String(id), back: String(id) });
    const page = await fetch(`${rx.webUrl}/act`, { method: 'POST', body: form });
    expect(await page.text()).toContain('Зарегистрирован');
    expect(rx.get('IContracts', id).RegistrationState).toBe('Registered');
  });
});
