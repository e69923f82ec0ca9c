import { afterEach, describe, expect, it } from 'vitest';
import { passingTime } from '../../../passing-time.ts';
import { addUserField, fieldsOf } from '../../../sandbox/portal/user-fields.ts';
import { CARD, deal, dealStand, FIELDS } from '../../deal-stand.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function start(options: Parameters<typeof dealStand>[0] = {}) {
  const stand = await dealStand(options);
  stops.push(() => stand.portal.stop());
  const statusId = (code: string) =>
    stand.portal.world.userFields
      .find(({ fieldName }) => fieldName.endsWith('DIRECTUM_STATUS'))
      ?.list.find(({ xmlId }) => xmlId === code)?.id;
  return { ...stand, statusId };
}

describe('fields of a deal', () => {
  it('are made at the first write, hold the values, and cost one hit from then on', async () => {
    const { portal, deals, hits, statusId, restart } = await start();
    const ids = [1, 2].map((n) => portal.addItem(2, { title: `Сделка ${n}`, stageId: 'NEW' }));
    const writes = ids.map((id) => ({ item: deal(id), fields: FIELDS }));
    expect(await deals.writeFields(writes)).toEqual([{ ok: true }, { ok: true }]);
    expect(portal.item(2, ids[0] as number)).toMatchObject({
      UF_CRM_DIRECTUM_STATUS: statusId('on_approval'),
      UF_CRM_DIRECTUM_ID: 4711,
      UF_CRM_DIRECTUM_URL: FIELDS.url,
      UF_CRM_DIRECTUM_NUMBER: 'Д-17',
      UF_CRM_DIRECTUM_SINCE: FIELDS.since,
      stageId: 'NEW',
    });
    const status = portal.world.userFields.find(({ fieldName }) => fieldName === 'UF_CRM_DIRECTUM_STATUS');
    expect(status?.list.map(({ value }) => value)).toContain('На согласовании');
    expect(status?.raw['editFormLabel']).toEqual({ ru: 'Directum: состояние', en: 'Directum: status' });

    hits();
    await deals.writeFields(writes);
    await (await restart()).deals.writeFields(writes);
    expect(hits()).toEqual(['batch', 'batch']);
  });

  it('are emptied by null', async () => {
    const { portal, deals } = await start();
    const id = portal.addItem(2, { title: 'Сделка' });
    await deals.writeFields([{ item: deal(id), fields: FIELDS }]);
    const empty = { status: null, documentId: null, url: null, number: null, since: null };
    expect(await deals.writeFields([{ item: deal(id), fields: empty }])).toEqual([{ ok: true }]);
    expect(portal.item(2, id)).toMatchObject({ UF_CRM_DIRECTUM_STATUS: '', UF_CRM_DIRECTUM_ID: '' });
  });

  it('of other types are named as the type wants it', async () => {
    const { portal, deals } = await start({ language: 'en' });
    portal.addType(1030);
    const type = portal.addType(177);
    const refs = [1, 7, 31, 177].map((typeId) => {
      const id = portal.addItem(typeId, { title: 'Item' });
      return { typeId, id, code: `X_${id}` };
    });
    const results = await deals.writeFields(refs.map((item) => ({ item, fields: FIELDS })));
    expect(results).toEqual(refs.map(() => ({ ok: true })));
    expect(portal.item(177, refs[3]?.id as number)).toMatchObject({
      [`UF_CRM_${type.id}_DIRECTUM_ID`]: 4711,
    });
    const entities = new Set(portal.world.userFields.map(({ entityId }) => entityId));
    expect([...entities]).toEqual(['CRM_LEAD', 'CRM_QUOTE', 'CRM_SMART_INVOICE', `CRM_${type.id}`]);
    expect(portal.world.userFields[0]?.list[1]).toMatchObject({ value: 'On approval', xmlId: 'on_approval' });
  });

  it('are made otherwise where the portal takes only names that begin with the whole entity', async () => {
    const { portal, deals, hits, restart } = await start();
    portal.misbehave.wholeFieldNames = true;
    const names: Record<number, string> = { 1: 'CRM', 2: 'CRM', 7: 'CRM', 31: 'CRM_SMART_INVOICE' };
    const writes = Object.keys(names).map((typeId) => {
      const id = portal.addItem(Number(typeId), { title: 'Элемент' });
      return { item: { typeId: Number(typeId), id, code: `X_${id}` }, fields: FIELDS };
    });
    expect(await deals.writeFields(writes)).toEqual(writes.map(() => ({ ok: true })));
    for (const { item } of writes) {
      const prefix = `UF_${names[item.typeId]}_DIRECTUM`;
      const status = fieldsOf(portal.world, item.typeId).find(
        ({ fieldName }) => fieldName === `${prefix}_STATUS`,
      );
      expect(status?.raw['editFormLabel']).toEqual({ ru: 'Directum: состояние', en: 'Directum: status' });
      expect(portal.item(item.typeId, item.id)).toMatchObject({
        [`${prefix}_STATUS`]: status?.list.find(({ xmlId }) => xmlId === 'on_approval')?.id,
        [`${prefix}_NUMBER`]: FIELDS.number,
      });
    }
    hits();
    expect(await (await restart()).deals.writeFields(writes)).toEqual(writes.map(() => ({ ok: true })));
    expect(hits()).toEqual(['batch']);
  });

  it('come back when an administrator deletes one, and the value with it', async () => {
    const { portal, deals, statusId } = await start();
    const id = portal.addItem(2, { title: 'Сделка' });
    const write = { item: deal(id), fields: FIELDS };
    await deals.writeFields([write]);
    for (const name of ['UF_CRM_DIRECTUM_NUMBER', 'UF_CRM_DIRECTUM_STATUS']) {
      portal.world.userFields = portal.world.userFields.filter(({ fieldName }) => fieldName !== name);
      delete portal.item(2, id)[name];
      expect(await deals.writeFields([write])).toEqual([{ ok: true }]);
      expect(portal.item(2, id)[name]).toBeTruthy();
    }
    expect(portal.item(2, id)['UF_CRM_DIRECTUM_STATUS']).toBe(statusId('on_approval'));
  });

  it('take the new item of the status list when the known one is gone', async () => {
    const { portal, deals, statusId } = await start();
    const id = portal.addItem(2, { title: 'Сделка' });
    const write = { item: deal(id), fields: FIELDS };
    await deals.writeFields([write]);
    for (const item of portal.world.userFields[0]?.list ?? []) item.id += 1_000;
    expect(await deals.writeFields([write])).toEqual([{ ok: true }]);
    expect(portal.item(2, id)['UF_CRM_DIRECTUM_STATUS']).toBe(statusId('on_approval'));
  });

  it('are recognised by code where an administrator has other lists like ours and has renamed items', async () => {
    const { portal, deals, restart, statusId } = await start();
    const id = portal.addItem(2, { title: 'Сделка' });
    await deals.writeFields([{ item: deal(id), fields: FIELDS }]);
    const own = portal.world.userFields[0];
    for (const item of own?.list ?? []) item.value = `Мой ${item.value}`;
    const items = [{ value: 'На согласовании', xmlId: 'on_approval' }];
    addUserField(portal.world, 'CRM_DEAL', 'UF_CRM_OWN', 'enumeration', { items });
    for (const item of own?.list ?? []) item.id += 1_000;
    const { deals: later } = await restart();
    expect(await later.writeFields([{ item: deal(id), fields: FIELDS }])).toEqual([{ ok: true }]);
    expect(portal.item(2, id)['UF_CRM_DIRECTUM_STATUS']).toBe(statusId('on_approval'));
  });

  it('a portal that does not let us make fields is told of once, and other things work', async () => {
    const { portal, deals, logged, restart } = await start();
    const passing = passingTime();
    portal.misbehave.removeScopes('userfieldconfig');
    portal.misbehave.expireAccessTokens();
    const id = portal.addItem(2, { title: 'Сделка' });
    const write = { item: deal(id), fields: FIELDS };
    const refused = [{ ok: false, why: 'refused', said: true }];
    for (let n = 0; n < 2; n += 1) expect(await deals.writeFields([write])).toEqual(refused);
    passing.pass(3_600_001);
    expect(await deals.writeFields([write])).toEqual(refused);
    expect(await (await restart()).deals.writeFields([write])).toEqual(refused);
    expect(logged('fields.not_added')).toHaveLength(1);
    expect(portal.journal.filter(({ method }) => method === 'crm.item.update')).toEqual([]);
    expect(await deals.putActivities([{ item: deal(id), activityId: null, card: CARD }])).toMatchObject([
      { ok: true },
    ]);
    // The right is given later: without a restart within the hour.
    portal.world.scopes.add('userfieldconfig');
    portal.misbehave.expireAccessTokens();
    passing.pass(3_600_001);
    expect(await deals.writeFields([write])).toEqual([{ ok: true }]);
  });

  it('each write has its own answer: gone, to be tried again, done', async () => {
    const { portal, deals } = await start();
    const ids = [1, 2, 3].map(() => portal.addItem(2, { title: 'Сделка' }));
    await deals.writeFields([{ item: deal(ids[0] as number), fields: FIELDS }]);
    portal.removeItem(2, ids[0] as number);
    portal.misbehave.next({
      method: 'crm.item.update',
      status: 429,
      body: { error: 'OPERATION_TIME_LIMIT', error_description: 'blocked' },
    });
    const [limited, gone, done] = [ids[1], ids[0], ids[2]].map((id) => ({
      item: deal(id as number),
      fields: FIELDS,
    }));
    expect(await deals.writeFields([limited!, gone!, done!])).toEqual([
      { ok: false, why: 'retry' },
      { ok: false, why: 'gone' },
      { ok: true },
    ]);
  });

  it('are written one by one where the method is not taken inside a batch, and 120 in three hits where it is', async () => {
    const { portal, deals, hits } = await start();
    const writes = Array.from({ length: 120 }, () => ({
      item: deal(portal.addItem(2, { title: 'Сделка' })),
      fields: FIELDS,
    }));
    await deals.writeFields(writes.slice(0, 1));
    hits();
    expect((await deals.writeFields(writes)).every(({ ok }) => ok)).toBe(true);
    expect(hits()).toEqual(['batch', 'batch', 'batch']);
    portal.misbehave.refuseInBatch.add('crm.item.update');
    const changed = writes.slice(0, 2).map((write) => ({ ...write, fields: { ...FIELDS, number: '2' } }));
    expect(await deals.writeFields(changed)).toEqual([{ ok: true }, { ok: true }]);
    expect(hits()).toEqual(['batch', 'crm.item.update', 'crm.item.update']);
  });

  it('a portal that cannot be reached throws', async () => {
    const { portal, deals } = await start();
    const id = portal.addItem(2, { title: 'Сделка' });
    await deals.writeFields([{ item: deal(id), fields: FIELDS }]);
    portal.misbehave.next({ status: 502, body: '<html>Bad gateway</html>' });
    await expect(deals.writeFields([{ item: deal(id), fields: FIELDS }])).rejects.toMatchObject({
      name: 'PortalError',
      retry: true,
    });
  });
});
