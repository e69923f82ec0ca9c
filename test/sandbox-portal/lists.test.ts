import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Caller, type Json, openPortal } from './caller.ts';

let portal: Caller['portal'];
let rest: Caller['rest'];
let pass: Caller['pass'];

beforeEach(async () => {
  ({ portal, rest, pass } = await openPortal());
});

afterEach(() => portal.stop());

const denied = { status: 400, error: '', error_description: 'Access denied.' };
const idsOf = (rows: Json[]): number[] => rows.map((row) => Number(row['id'] ?? row['ID']));

describe('crm.item.list', () => {
  it('gives pages of 50 by many ids, in the order asked for; start -1 counts nothing', async () => {
    const ids = Array.from({ length: 120 }, (_, at) => portal.addItem(2, { title: `Сделка ${at}` }));
    const asked = ids.slice(0, 110);
    const list = (more: object) =>
      rest('crm.item.list', { entityTypeId: 2, filter: { '@id': asked }, select: ['id'], ...more });
    const first = await list({ order: { id: 'DESC' } });
    expect(first).toMatchObject({ total: 110, next: 50 });
    expect(idsOf(first['result'].items)).toEqual(asked.toReversed().slice(0, 50));
    const last = await list({ start: 100 });
    expect(idsOf(last['result'].items)).toEqual(asked.slice(100));
    expect(last).not.toHaveProperty('next');
    const uncounted = await list({ start: -1 });
    expect(uncounted['result'].items).toHaveLength(50);
    expect(uncounted).not.toHaveProperty('total');
    expect(uncounted).not.toHaveProperty('next');
  });

  it.each([1, 2, 3, 4, 7, 31, 177])('lists items of type %i by a plain list of ids', async (type) => {
    const ids = [1, 2, 3].map((at) => portal.addItem(type, { title: `${at}` }));
    const { result } = await rest('crm.item.list', { entityTypeId: type, filter: { id: ids.slice(1) } });
    expect(idsOf(result.items)).toEqual(ids.slice(1));
  });

  it('refuses names it does not know in filter and order, and lists behind > or %', async () => {
    const list = (more: object) => rest('crm.item.list', { entityTypeId: 2, ...more });
    for (const more of [
      { filter: { COMPANY_ID: 5 } },
      { filter: { '@idd': [1] } },
      { filter: { '>id': [1, 2] } },
      { order: { ID: 'ASC' } },
    ]) {
      expect(await list(more)).toMatchObject({ status: 400, error: 'INVALID_ARG_VALUE' });
    }
    portal.addItem(2, {});
    expect((await list({ select: ['id', 'nothing'] }))['result'].items[0]).not.toHaveProperty('nothing');
  });

  it('leaves rows out that the user may not read, where get says why', async () => {
    const [seen, hidden] = [portal.addItem(2, {}), portal.addItem(2, {})];
    const clerk = portal.addUser({ NAME: 'Пётр' });
    portal.rights.hide(clerk, 2, hidden);
    const filter = { '@id': [seen, hidden, 99_999] };
    const { result, total } = await rest('crm.item.list', { entityTypeId: 2, filter }, clerk);
    expect(idsOf(result.items)).toEqual([seen]);
    expect(total).toBe(1);
    const get = (id: number) => rest('crm.item.get', { entityTypeId: 2, id }, clerk);
    expect(await get(hidden)).toMatchObject({ status: 400, error: 'ACCESS_DENIED' });
    expect(await get(99_999)).toMatchObject({ status: 400, error: 'NOT_FOUND' });
    portal.rights.show(clerk, 2, hidden);
    expect((await get(hidden))['result'].item.id).toBe(hidden);
  });

  it('is closed to guests, and to a service account without a department', async () => {
    const guest = portal.addUser({ USER_TYPE: 'extranet', UF_DEPARTMENT: [] });
    const account = portal.addUser({ UF_DEPARTMENT: [] });
    const refusal = { status: 403, error: 'allowed_only_intranet_user' };
    for (const user of [guest, account]) {
      expect(await rest('crm.item.list', { entityTypeId: 2 }, user)).toMatchObject(refusal);
    }
    const chief = portal.addUser({ UF_DEPARTMENT: [], ADMIN: true });
    expect(await rest('crm.item.list', { entityTypeId: 2 }, chief)).toMatchObject({ status: 200 });
  });
});

describe('lists of requisites', () => {
  const company = (inn: string): number => {
    const id = portal.addCompany({ title: inn });
    const requisite = portal.addRequisite({ ENTITY_TYPE_ID: 4, ENTITY_ID: id, RQ_INN: inn });
    portal.addBankDetail({ ENTITY_ID: requisite, RQ_BIK: '044525225' });
    portal.addAddress({ ENTITY_ID: requisite, ADDRESS_1: inn });
    return id;
  };

  it('take many owners beside one scalar type; a list of types is type 1', async () => {
    const [a, b] = [company('1'), company('2'), company('3')];
    const list = (filter: object) => rest('crm.requisite.list', { filter, order: { ID: 'ASC' } });
    const both = await list({ ENTITY_TYPE_ID: 4, '@ENTITY_ID': [a, b] });
    expect(both['result'].map((row: Json) => row['RQ_INN'])).toEqual(['1', '2']);
    expect(await list({ ENTITY_TYPE_ID: [3, 4], '@ENTITY_ID': [a, b] })).toMatchObject(denied);
    expect((await list({ '@ENTITY_TYPE_ID': [3, 4] }))['result']).toHaveLength(3);
    portal.rights.closeType(1, 3);
    expect(await list({ '@ENTITY_TYPE_ID': [4] })).toMatchObject(denied);
    expect(await list({ ENTITY_TYPE_ID: 4 })).toMatchObject({ status: 200 });
  });

  it('widen by a name nobody knows, and count although they are told not to', async () => {
    const owner = company('1');
    company('2');
    const typo = await rest('crm.requisite.list', { filter: { ENTITY_TYPE_ID: 4, '@ENTITY_IDS': [owner] } });
    expect(typo['result']).toHaveLength(2);
    expect(await rest('crm.requisite.list', { filter: { ENTITY_TYPE_ID: 4 }, start: -1 })).toHaveProperty(
      'total',
      2,
    );
    const legacy = await rest('crm.company.list', { filter: { '@COMPANY': [owner] }, start: -1 });
    expect(legacy['result']).toHaveLength(2);
    expect(legacy).not.toHaveProperty('total');
  });

  it('show rows of companies hidden from the user, where get refuses', async () => {
    const id = company('1');
    const clerk = portal.addUser({ NAME: 'Пётр' });
    portal.rights.hide(clerk, 4, id);
    const listed = await rest('crm.requisite.list', { filter: { ENTITY_TYPE_ID: 4, ENTITY_ID: id } }, clerk);
    expect(listed['result']).toHaveLength(1);
    expect(await rest('crm.requisite.get', { id: listed['result'][0].ID }, clerk)).toMatchObject(denied);
    const details = { filter: { '@ENTITY_ID': [listed['result'][0].ID] } };
    expect((await rest('crm.requisite.bankdetail.list', details, clerk))['result']).toHaveLength(1);
    portal.rights.closeType(clerk, 4);
    expect(await rest('crm.requisite.bankdetail.list', details, clerk)).toMatchObject(denied);
  });

  it('ask for the rights of deal 1 when a link list names deals without @', async () => {
    const deals = [portal.addItem(2, {}), portal.addItem(2, {})];
    for (const deal of deals) portal.setRequisiteLink(2, deal, { REQUISITE_ID: 5 });
    const list = (filter: object) =>
      rest('crm.requisite.link.list', { filter: { ENTITY_TYPE_ID: 2, ...filter } });
    expect((await list({ '@ENTITY_ID': deals }))['result']).toHaveLength(2);
    expect(await list({ ENTITY_ID: deals })).toMatchObject(denied);
    portal.addItem(2, { id: 1 });
    expect((await list({ ENTITY_ID: deals }))['result']).toHaveLength(2);
  });

  it('find addresses by requisite, by anchor, and by what is turned into the anchor', async () => {
    const id = company('1');
    company('2');
    const list = async (filter: object) =>
      (await rest('crm.address.list', { filter }))['result'].map((row: Json) => row['ADDRESS_1']);
    const requisite = portal.world.requisites.find((row) => row['ENTITY_ID'] === String(id))?.['ID'];
    expect(await list({ ENTITY_TYPE_ID: 8, '@ENTITY_ID': [requisite] })).toEqual(['1']);
    expect(await list({ ANCHOR_TYPE_ID: 4, '@ANCHOR_ID': [id] })).toEqual(['1']);
    expect(await list({ ENTITY_TYPE_ID: 4, '@ENTITY_ID': [id] })).toEqual(['1']);
    portal.rights.closeType(1, 1);
    expect(await rest('crm.address.list', { filter: { ENTITY_TYPE_ID: 8 } })).toMatchObject(denied);
  });

  it('of addresses can be told to say 50 for every longer one', async () => {
    for (let at = 0; at < 60; at++) company(`${at}`);
    portal.misbehave.addressTotalStuck = true;
    const first = await rest('crm.address.list', { filter: { ENTITY_TYPE_ID: 8 } });
    expect(first['total']).toBe(50);
    expect(first).not.toHaveProperty('next');
    const second = await rest('crm.address.list', { filter: { ENTITY_TYPE_ID: 8 }, start: 50 });
    expect(second['result']).toHaveLength(10);
  });
});

describe('people', () => {
  it('are listed with those who left unless ACTIVE is asked, and without a count when there are none', async () => {
    const gone = portal.addUser({ NAME: 'Ушедший', ACTIVE: false });
    const list = (FILTER: object, more: object = {}) =>
      rest('user.get', { FILTER, sort: 'ID', order: 'ASC', ...more });
    expect(idsOf((await list({ '@ID': [1, gone] }))['result'])).toEqual([1, gone]);
    expect(idsOf((await list({ ID: [1, gone], ACTIVE: true }))['result'])).toEqual([1]);
    expect(await list({ ID: [1, gone] }, { start: -1 })).toMatchObject({ total: 0 });
    expect(await list({ ID: [12_345] })).not.toHaveProperty('total');
  });

  it('drop keys the scope does not know, prefixes of three signs and what stands beside FILTER', async () => {
    await portal.stop();
    ({ portal, rest, pass } = await openPortal({ scopes: ['user_brief'] }));
    portal.addUser({ NAME: 'Пётр', EMAIL: 'petr@portal.example' });
    const count = async (params: object) => (await rest('user.get', params))['result'].length;
    expect(await count({ FILTER: { EMAIL: 'petr@portal.example' } })).toBe(2);
    expect(await count({ FILTER: { '!=%NAME': 'Пётр' } })).toBe(2);
    expect(await count({ FILTER: { NAME: 'Пётр' } })).toBe(1);
    expect(await count({ FILTER: { ACTIVE: 'Y' }, ID: 1 })).toBe(2);
    const { result } = await rest('user.current');
    expect(result).toMatchObject({ ID: '1', UF_DEPARTMENT: [1] });
    expect(result).not.toHaveProperty('EMAIL');
    expect(result).not.toHaveProperty('ADMIN');
  });

  it('without a department are hidden from employees, everybody from guests', async () => {
    const robot = portal.addUser({ NAME: 'Служба', UF_DEPARTMENT: [] });
    const clerk = portal.addUser({ NAME: 'Пётр' });
    const guest = portal.addUser({ NAME: 'Гость', USER_TYPE: 'extranet', UF_DEPARTMENT: [] });
    portal.addUser({ NAME: 'Бот', USER_TYPE: 'bot' });
    const seenBy = async (user: number, more: object = {}) =>
      idsOf((await rest('user.get', { sort: 'ID', order: 'ASC', ...more }, user))['result']);
    expect(await seenBy(1)).toEqual([1, clerk]);
    expect(await seenBy(1, { ADMIN_MODE: true })).toEqual([1, robot, clerk, guest]);
    expect(await seenBy(clerk, { ADMIN_MODE: true })).toEqual([1, clerk]);
    expect(await seenBy(guest)).toEqual([guest]);
    expect((await rest('user.admin', {}, clerk))['result']).toBe(false);
  });

  it('work in departments, told as a tree by upper-case keys', async () => {
    const sales = portal.addDepartment({ NAME: 'Продажи', PARENT: 1, UF_HEAD: 1 });
    const north = portal.addDepartment({ NAME: 'Север', PARENT: sales });
    const list = async (params: object) => idsOf((await rest('department.get', params))['result']);
    expect(await list({})).toEqual([1, sales, north]);
    expect(await list({ PARENT: [1, sales] })).toEqual([sales, north]);
    expect(await list({ FILTER: { NAME: 'Север' } })).toEqual([north]);
    expect(await list({ parent: sales })).toHaveLength(3);
  });
});

describe('refusals', () => {
  it('of a method hold alone and in a batch, of a batch for the whole hit', async () => {
    portal.misbehave.refused.set('crm.item.list', { status: 403, error: 'ACCESS_DENIED' });
    expect(await rest('crm.item.list', { entityTypeId: 2 })).toMatchObject({ status: 403 });
    const cmd = { list: 'crm.item.list?entityTypeId=2', me: 'profile' };
    const { result } = await rest('batch', { cmd });
    expect(result.result_error.list).toMatchObject({ error: 'ACCESS_DENIED' });
    expect(result.result.me.ID).toBe('1');
    portal.misbehave.refused.set('batch', { error: 'ERROR_CORE' });
    expect(await rest('batch', { cmd })).toMatchObject({ status: 400, error: 'ERROR_CORE' });
    portal.misbehave.reset();
    expect((await rest('batch', { cmd }))['result'].result_error).toEqual([]);
  });

  it('meet the 51st command of a batch alone', async () => {
    const cmd = Object.fromEntries(Array.from({ length: 51 }, (_, at) => [`c${at}`, 'profile']));
    const { status, result } = await rest('batch', { cmd });
    expect(status).toBe(200);
    expect(Object.keys(result.result)).toHaveLength(50);
    expect(result.result_error).toMatchObject({ c50: { error: 'ERROR_BATCH_LENGTH_EXCEEDED' } });
  });

  it('come with used-up operating time, counted a method and dropped minute by minute', async () => {
    portal.misbehave.operatingCost.set('crm.item.list', 200);
    const list = () => rest('crm.item.list', { entityTypeId: 2 });
    expect((await list())['time'].operating).toBe(200);
    pass(60_000);
    await list();
    const { result, time } = await rest('batch', { cmd: { a: 'crm.item.list?entityTypeId=2' } });
    expect(time.operating).toBe(0);
    expect(result.result_time.a.operating).toBe(600);
    const blocked = await list();
    expect(blocked).toMatchObject({ status: 429, error: 'OPERATION_TIME_LIMIT' });
    expect(blocked['time'].operating_reset_at - blocked['time'].finish).toBeLessThanOrEqual(540);
    expect(await rest('crm.item.get', { entityTypeId: 2, id: 5 })).toMatchObject({ error: 'NOT_FOUND' });
    pass(9 * 60_000 + 60_000);
    expect(await list()).toMatchObject({ status: 200 });
  });
});

describe('a portal that refuses every write', () => {
  it('counts them, alone and in a batch, and goes on telling and taking answers', async () => {
    portal.misbehave.refuseWrites = true;
    const deal = portal.addItem(2, { title: 'Смета' });
    const fields = { title: 'Иначе' };
    const refusal = { status: 403, error: 'ACCESS_DENIED' };
    expect(await rest('crm.item.update', { entityTypeId: 2, id: deal, fields })).toMatchObject(refusal);
    const cmd = {
      bind: 'event.bind?event=ONAPPUPDATE&handler=https://service.example/',
      notice: 'im.notify.system.add?USER_ID=1&MESSAGE=a',
      log: 'bizproc.activity.log?EVENT_TOKEN=a|b|c&LOG_MESSAGE=a',
      proof: 'bizproc.activity.log?EVENT_TOKEN=a|b|c&LOG_MESSAGE=',
      answer: 'bizproc.event.send?EVENT_TOKEN=a|b|c',
      item: `crm.item.get?entityTypeId=2&id=${deal}`,
      me: 'profile',
    };
    const { result } = await rest('batch', { cmd });
    expect(Object.keys(result.result)).toEqual(['item', 'me']);
    expect(portal.misbehave.refusedWrites).toBe(4);
    expect(portal.item(2, deal)['title']).toBe('Смета');
    portal.misbehave.reset();
    expect(portal.misbehave.refusedWrites).toBe(0);
    expect(await rest('crm.item.update', { entityTypeId: 2, id: deal, fields })).toMatchObject({
      status: 200,
    });
  });
});

describe('references of a batch', () => {
  it('rewrite texts of people too, and take a whole level where the path breaks off', async () => {
    const deal = portal.addItem(2, { title: 'Смета' });
    const TITLE = 'Скидка по $result[deal][item][title] и $total[none]';
    const cmd = {
      deal: `crm.item.get?entityTypeId=2&id=${deal}`,
      write: `crm.item.update?${new URLSearchParams({ entityTypeId: '2', id: `${deal}`, 'fields[title]': TITLE })}`,
      lost: 'crm.company.get?id=$result[nothing][ID]',
    };
    portal.addCompany({ id: 1, title: 'Первая' });
    const { result } = await rest('batch', { cmd });
    expect(result.result.write.item.title).toBe('Скидка по Смета и Array');
    expect(result.result.lost).toMatchObject({ ID: '1' });
  });
});
