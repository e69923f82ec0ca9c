import { afterEach, describe, expect, it } from 'vitest';
import type { Activity } from '../../sandbox/portal/portal.ts';
import { CARD, deal, dealStand } from '../deal-stand.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function start(options: Parameters<typeof dealStand>[0] = {}) {
  const stand = await dealStand(options);
  stops.push(() => stand.portal.stop());
  const id = stand.portal.addItem(2, { title: 'Станок', assignedById: 1, stageId: 'NEW' });
  return { ...stand, id, item: deal(id) };
}

/** Rows of a card as a person sees them. */
function shown(activity: Activity | undefined): Record<string, string> {
  // biome-ignore lint/suspicious/noExplicitAny: a layout is read by tests only
  const layout = (activity?.layout ?? {}) as any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const blocks = (layout.body?.blocks ?? {}) as Record<string, any>;
  return Object.fromEntries(
    Object.entries(blocks).map(([key, block]) => [key, block.properties.block.properties.value]),
  );
}

describe('the activity of a document', () => {
  it('is made once and updated in place', async () => {
    const { portal, deals, item, id } = await start();
    const [made] = await deals.putActivities([{ item, activityId: null, card: CARD }]);
    expect(made).toEqual({ ok: true, id: expect.any(Number) });
    expect(shown(portal.activities(2, id)[0])).toEqual({
      status: 'На согласовании с 30.08.2026',
      holders: 'Иванов И. И. (с 31.08.2026)',
      signer: 'Петров П. П.',
    });
    const card = { ...CARD, status: 'executed' as const, number: 'Д-17', holders: [], signer: ' ' };
    const activityId = made?.ok ? (made.id ?? null) : null;
    expect(await deals.putActivities([{ item, activityId, card }])).toEqual([made]);
    expect(portal.activities(2, id)).toHaveLength(1);
    expect(shown(portal.activities(2, id)[0])).toEqual({
      status: 'Исполнен с 30.08.2026',
      number: 'Д-17',
    });
    expect(portal.activities(2, id)[0]).toMatchObject({
      fields: { completed: 'Y', originId: '4711' },
      layout: { footer: { buttons: { open: { action: { type: 'redirect', uri: CARD.url } } } } },
    });
  });

  it('is found again when the answer was lost', async () => {
    const { portal, deals, item, id } = await start();
    portal.misbehave.refuseInBatch.add('crm.activity.configurable.add');
    portal.misbehave.next({ method: 'crm.activity.configurable.add', cutAfterEffect: true });
    const write = { item, activityId: null, card: CARD };
    expect(await deals.putActivities([write])).toEqual([{ ok: false, why: 'retry' }]);
    expect(portal.activities(2, id)).toHaveLength(1);
    const own = { ok: true, id: portal.activities(2, id)[0]?.id };
    expect(await deals.putActivities([write])).toEqual([own]);
    expect(portal.activities(2, id)).toHaveLength(1);
  });

  it('is not made by a process that lost its lock since it looked, for another may have made it', async () => {
    const { portal, deals, item, id, claim } = await start();
    const write = { item, activityId: null, card: CARD };
    claim.isHeld = false;
    expect(await deals.putActivities([write])).toEqual([{ ok: false, why: 'retry' }]);
    expect(portal.activities(2, id)).toEqual([]);
    claim.isHeld = true;
    expect(await deals.putActivities([write])).toMatchObject([{ ok: true }]);
  });

  it('is made once by two that want it at one time', async () => {
    const { portal, deals, item, id } = await start();
    const write = { item, activityId: null, card: CARD };
    const both = await Promise.all([deals.putActivities([write]), deals.putActivities([write])]);
    expect(portal.activities(2, id)).toHaveLength(1);
    expect(both[0]).toEqual(both[1]);
  });

  it('deleted by hand is made again; another application’s is left alone', async () => {
    const { portal, deals, item, id } = await start();
    const put = async (activityId: number | null) => {
      const [result] = await deals.putActivities([{ item, activityId, card: CARD }]);
      return result?.ok ? (result.id ?? null) : null;
    };
    const first = await put(null);
    portal.world.activities = [];
    const second = await put(first);
    expect(second).not.toBe(first);
    expect(portal.activities(2, id).map((one) => one.id)).toEqual([second]);

    (portal.activities(2, id)[0] as Activity).application = 'local.other';
    const third = await put(second);
    expect(await put(null)).toBe(third);
    expect(portal.activities(2, id).map(({ id: one, updates }) => [one, updates])).toEqual([
      [second, 0],
      [third, 1],
    ]);
  });

  it('of an item that is gone says so; a portal without such activities is told of once', async () => {
    const { portal, deals, item, logged } = await start();
    const write = { item, activityId: null, card: CARD };
    portal.removeItem(2, item.id);
    expect(await deals.putActivities([write])).toEqual([{ ok: false, why: 'gone' }]);
    portal.misbehave.missingMethods.add('crm.activity.configurable.add');
    for (let n = 0; n < 2; n += 1)
      expect(await deals.putActivities([write])).toEqual([{ ok: false, why: 'refused', said: true }]);
    expect(logged('activity.refused')).toHaveLength(1);
  });

  it('of a document whose name looks like a reference does not reach into the batch', async () => {
    const { portal, deals, item, id } = await start();
    const card = { ...CARD, name: 'Договор $result[w0][0][ID]' };
    expect(await deals.putActivities([{ item, activityId: null, card }])).toMatchObject([{ ok: true }]);
    expect(portal.activities(2, id)[0]?.layout).toMatchObject({ header: { title: card.name } });
  });
});

describe('triggers', () => {
  it('move the deal; one that is not registered is refused', async () => {
    const { portal, deals, item, id, logged } = await start();
    portal.world.triggers.set('directum_approved', 'Согласован');
    portal.placeTrigger('EXECUTING', 'directum_approved');
    expect(
      await deals.fireTriggers([
        { code: 'directum_approved', item },
        { code: 'directum_due', item },
      ]),
    ).toEqual([{ ok: true }, { ok: false, why: 'refused' }]);
    expect(portal.item(2, id)['stageId']).toBe('EXECUTING');
    expect(logged('trigger.not_fired')).toEqual([
      ['trigger.not_fired', expect.objectContaining({ trigger: 'directum_due' })],
    ]);
  });

  it('a timeout counts as fired, a limit does not', async () => {
    const { portal, deals, item } = await start({ timeoutMs: 300 });
    portal.world.triggers.set('directum_approved', 'Согласован');
    const fire = () => deals.fireTriggers([{ code: 'directum_approved', item }]);
    portal.misbehave.next({ method: 'crm.automation.trigger.execute', hang: true });
    expect(await fire()).toEqual([{ ok: true }]);
    portal.misbehave.next({
      method: 'crm.automation.trigger.execute',
      times: 3,
      status: 503,
      body: { error: 'QUERY_LIMIT_EXCEEDED', error_description: 'Too many requests' },
    });
    expect(await fire()).toEqual([{ ok: false, why: 'retry' }]);
  });
});

describe('tasks', () => {
  const task = {
    title: 'Согласовать договор',
    description: 'https://rx.example/Client/#/card/99',
    responsibleUserId: 1,
    deadline: '2026-09-03T18:00:00+03:00',
  };

  it('are bound to the item, follow the assignment and are closed', async () => {
    const { portal, deals, item, id } = await start();
    const second = portal.addUser({ NAME: 'Пётр', EMAIL: 'petr@portal.example' });
    const write = { mark: 'assignment-99', taskId: null, task: { ...task, item } };
    const [made] = await deals.putTasks([write]);
    const taskId = made?.ok ? (made.id ?? null) : null;
    expect(portal.tasks()).toEqual([
      expect.objectContaining({
        ID: taskId,
        TITLE: task.title,
        UF_CRM_TASK: [`D_${id}`],
        DEADLINE: task.deadline,
        DESCRIPTION: expect.stringContaining(task.description),
      }),
    ]);
    const moved = { ...task, item, responsibleUserId: second, deadline: null };
    expect(await deals.putTasks([{ ...write, taskId, task: moved }])).toEqual([{ ok: true, id: taskId }]);
    expect(portal.tasks()[0]).toMatchObject({ RESPONSIBLE_ID: String(second), DEADLINE: '' });
    const done = { taskId: taskId as number, note: 'Закрыто в Directum' };
    expect(await deals.completeTasks([done])).toEqual([{ ok: true }]);
    expect(portal.tasks()[0]).toMatchObject({ STATUS: 5 });
    expect(portal.world.taskComments.get(taskId as number)).toMatchObject([{ message: done.note }]);
    // A person was faster: the portal refuses, the task is closed all the same.
    expect(await deals.completeTasks([{ ...done, note: null }])).toEqual([{ ok: true }]);
  });

  it('are not made by a process that lost its lock since it looked', async () => {
    const { portal, deals, item, claim } = await start();
    const write = { mark: 'assignment-99', taskId: null, task: { ...task, item } };
    claim.isHeld = false;
    expect(await deals.putTasks([write])).toEqual([{ ok: false, why: 'retry' }]);
    expect(portal.tasks()).toEqual([]);
    claim.isHeld = true;
    expect(await deals.putTasks([write])).toMatchObject([{ ok: true }]);
  });

  it('are made once by two that want them at one time', async () => {
    const { portal, deals, item } = await start();
    const write = { mark: 'assignment-99', taskId: null, task: { ...task, item } };
    const both = await Promise.all([deals.putTasks([write]), deals.putTasks([write])]);
    expect(portal.tasks()).toHaveLength(1);
    expect(both[0]).toEqual(both[1]);
  });

  it('are found again behind more than a page of newer ones', async () => {
    const { portal, deals, item } = await start();
    const write = { mark: 'assignment-99', taskId: null, task: { ...task, item } };
    const [made] = await deals.putTasks([write]);
    for (let n = 0; n < 60; n += 1) await deals.putTasks([{ ...write, taskId: null, mark: `other-${n}` }]);
    expect(await deals.putTasks([write])).toEqual([made]);
    expect(portal.tasks()).toHaveLength(61);
  }, 60_000);

  it('are found again when the answer was lost', async () => {
    const { portal, deals, item } = await start();
    const write = { mark: 'assignment-99', taskId: null, task: { ...task, item } };
    const other = { ...write, mark: 'assignment-9' };
    await deals.putTasks([other]);
    portal.misbehave.refuseInBatch.add('tasks.task.add');
    portal.misbehave.next({ method: 'tasks.task.add', cutAfterEffect: true });
    expect(await deals.putTasks([write])).toEqual([{ ok: false, why: 'retry' }]);
    const [first, second] = portal.tasks().map(({ ID }) => ID);
    expect(await deals.putTasks([write, other])).toEqual([
      { ok: true, id: second },
      { ok: true, id: first },
    ]);
    expect(portal.tasks()).toHaveLength(2);
  });

  it('deleted by hand are gone; one the portal only refuses is not', async () => {
    const { portal, deals, item } = await start();
    const write = { mark: 'assignment-99', taskId: null, task: { ...task, item } };
    const [made] = await deals.putTasks([write]);
    const taskId = made?.ok ? (made.id ?? null) : null;
    const unknown = { ...task, item, responsibleUserId: 404 };
    expect(await deals.putTasks([{ ...write, taskId, task: unknown }])).toEqual([
      { ok: false, why: 'refused' },
    ]);
    portal.world.tasks.clear();
    expect(await deals.putTasks([{ ...write, taskId }])).toEqual([{ ok: false, why: 'gone' }]);
    expect(await deals.completeTasks([{ taskId: taskId as number, note: null }])).toEqual([
      { ok: false, why: 'gone' },
    ]);
  });

  it('are read back as they are, and opened again where a person closed them', async () => {
    const { portal, deals, item, hits } = await start();
    const write = { mark: 'assignment-99', taskId: null, task: { ...task, item } };
    const [made] = await deals.putTasks([write]);
    const taskId = (made?.ok && made.id) as number;
    const stored = portal.world.tasks.get(taskId)!;
    hits();
    expect(await deals.readTasks([taskId, 404])).toEqual([
      { responsibleUserId: 1, deadline: task.deadline, closed: false },
      'gone',
    ]);
    expect(hits()).toEqual(['batch']);
    Object.assign(stored, { STATUS: 5, DEADLINE: '' });
    expect(await deals.readTasks([taskId])).toEqual([{ responsibleUserId: 1, deadline: null, closed: true }]);
    expect(await deals.putTasks([{ ...write, taskId, reopen: true }])).toEqual([{ ok: true, id: taskId }]);
    expect(stored).toMatchObject({ STATUS: 2, DEADLINE: task.deadline });
    // A person was faster: the portal refuses to open it, and the rest is written all the same.
    Object.assign(stored, { DEADLINE: '' });
    expect(await deals.putTasks([{ ...write, taskId, reopen: true }])).toEqual([{ ok: true, id: taskId }]);
    expect(stored).toMatchObject({ STATUS: 2, DEADLINE: task.deadline });
  });

  it('a portal that will not show them says nothing of them, one that is busy is no answer', async () => {
    const { portal, deals } = await start();
    portal.misbehave.missingMethods.add('tasks.task.list');
    expect(await deals.readTasks([1])).toEqual([null]);
    portal.misbehave.missingMethods.clear();
    portal.misbehave.next({
      method: 'tasks.task.list',
      status: 429,
      body: { error: 'OPERATION_TIME_LIMIT', error_description: 'blocked' },
    });
    await expect(deals.readTasks([1])).rejects.toMatchObject({ name: 'PortalError', retry: true });
  });

  it('of a smart process and an invoice are bound by their letters', async () => {
    const { portal, deals } = await start();
    const refs = [
      { typeId: 177, id: 5, code: 'DYNAMIC_177_5' },
      { typeId: 31, id: 6, code: 'SMART_INVOICE_6' },
      { typeId: 7, id: 7, code: 'QUOTE_7' },
      { typeId: 1, id: 8, code: 'LEAD_8' },
    ];
    await deals.putTasks(refs.map((item) => ({ mark: item.code, taskId: null, task: { ...task, item } })));
    const bindings = portal.tasks().map(({ UF_CRM_TASK }) => UF_CRM_TASK);
    expect(bindings).toEqual([['Tb1_5'], ['SI_6'], ['Q_7'], ['L_8']]);
  });
});

describe('comments', () => {
  const comment = (item: ReturnType<typeof deal>, unsure: 'failed' | 'lost' | null = null) => ({
    item,
    text: 'Directum: не вышло (run1)',
    mark: 'run1',
    unsure,
  });

  it('go out in one hit, each with its own answer, to any type of item', async () => {
    const { portal, deals, item, id, hits } = await start();
    portal.addType(177);
    const five = portal.addItem(177, { title: 'Пять' });
    hits();
    expect(
      await deals.comment([
        comment(item),
        comment(deal(404)),
        comment({ typeId: 177, id: five, code: `DYNAMIC_177_${five}` }),
      ]),
    ).toEqual([{ ok: true }, { ok: false, why: 'gone' }, { ok: true }]);
    expect(hits()).toEqual(['batch']);
    const left = [portal.timeline(2, id), portal.timeline(177, five)].flat();
    expect(left.map((one) => one.comment)).toEqual(Array(2).fill('Directum: не вышло (run1)'));
  });

  it('that may have been left are looked for first', async () => {
    const { portal, deals, item, id, hits } = await start();
    const other = portal.addItem(2, { title: 'Другая' });
    await deals.comment([comment(item)]);
    hits();
    const results = await deals.comment([comment(item, 'lost'), comment(deal(other), 'lost')]);
    expect(results).toEqual([{ ok: true }, { ok: true }]);
    expect(hits()).toEqual(['batch', 'batch']);
    expect([portal.timeline(2, id).length, portal.timeline(2, other).length]).toEqual([1, 1]);
  });

  it.each([
    ['lost', 0],
    ['failed', 1],
  ] as const)('that cannot be looked for and were %s: %i more', async (unsure, more) => {
    const { portal, deals, item, id } = await start();
    portal.misbehave.missingMethods.add('crm.timeline.comment.list');
    expect(await deals.comment([comment(item, unsure)])).toEqual([{ ok: true }]);
    expect(portal.timeline(2, id)).toHaveLength(more);
  });

  it.each([
    [{ status: 500, body: { error: 'INTERNAL_SERVER_ERROR' } }, 'failed'],
    [{ status: 502, body: 'Bad Gateway' }, 'failed'],
    [{ status: 504, body: 'Gateway Time-out' }, 'lost'],
    [{ cutAfterEffect: true }, 'lost'],
    [{ status: 503, body: { error: 'QUERY_LIMIT_EXCEEDED' }, times: 3 }, undefined],
  ])('after %j are %s', async (rule, unsure) => {
    const { portal, deals, item } = await start();
    portal.misbehave.next({ method: 'batch', ...rule });
    const [result] = await deals.comment([comment(item)]);
    expect(result).toEqual({ ok: false, why: 'retry', ...(unsure && { unsure }) });
    // What is not known of the look-up leaves the doubt as it is.
    if (unsure === undefined) return;
    portal.misbehave.next({ method: 'batch', status: 502, body: 'Bad Gateway', times: 2 });
    expect(await deals.comment([comment(item, 'lost')])).toEqual([
      { ok: false, why: 'retry', unsure: 'lost' },
    ]);
    portal.misbehave.reset();
    expect(await deals.comment([comment(item, 'lost')])).toEqual([{ ok: true }]);
    expect(portal.timeline(2, item.id)).toHaveLength(1);
  });

  it('of a portal that does not listen were not left', async () => {
    const { portal, deals, item } = await start();
    await portal.stop();
    expect(await deals.comment([comment(item)])).toEqual([{ ok: false, why: 'retry' }]);
  });
});

describe('people and items', () => {
  it('who works in the portal: not the dismissed, not strangers; all where it does not say', async () => {
    const { portal, deals, hits } = await start();
    const left = portal.addUser({ NAME: 'В', EMAIL: 'left@portal.example', ACTIVE: false });
    hits();
    expect(await deals.activeUsers([1, left, 404, 1])).toEqual(new Set([1]));
    expect(hits()).toEqual(['batch']);
    portal.misbehave.missingMethods.add('user.get');
    expect(await deals.activeUsers([1, left])).toEqual(new Set([1, left]));
  });

  it('notices go out in one hit, each with its own answer', async () => {
    const { portal, deals, hits } = await start();
    hits();
    const results = await deals.notify([
      { userId: 1, text: 'Договор согласован', tag: 'directum:4711:approved' },
      { userId: 0, text: 'Никому', tag: 'x' },
    ]);
    expect(results).toEqual([{ ok: true }, { ok: false, why: 'refused' }]);
    expect(hits()).toEqual(['batch']);
    expect(portal.notices()).toMatchObject([{ userId: 1, tag: 'directum:4711:approved' }]);
    const sent = portal.journal.find(({ method }) => method === 'im.notify.system.add');
    expect(sent?.params).toMatchObject({ MESSAGE_OUT: 'Договор согласован' });
  });

  it('items tell title, page and responsible, and nothing of one that is gone', async () => {
    const { portal, deals, item, id, hits } = await start();
    hits();
    expect(await deals.items([item, deal(404)])).toEqual([
      { title: 'Станок', url: `${portal.url}/crm/deal/details/${id}/`, responsibleUserId: 1 },
      null,
    ]);
    expect(hits()).toEqual(['batch']);
  });

  it('users are found by e-mail: active, one only, whatever the case', async () => {
    const { portal, deals } = await start();
    const petr = portal.addUser({ NAME: 'Пётр', EMAIL: 'petr@portal.example' });
    portal.addUser({ NAME: 'Пётр', EMAIL: 'petr@portal.example', ACTIVE: false });
    portal.addUser({ NAME: 'А', EMAIL: 'twin@portal.example' });
    portal.addUser({ NAME: 'Б', EMAIL: 'twin@portal.example' });
    portal.addUser({ NAME: 'В', EMAIL: 'left@portal.example', ACTIVE: false });
    const users = await deals.usersByEmail([
      'petr@portal.example',
      'twin@portal.example',
      'left@portal.example',
      'nobody@portal.example',
      'admin@portal.example',
    ]);
    expect(Object.fromEntries(users)).toEqual({ 'petr@portal.example': petr, 'admin@portal.example': 1 });
  });

  it('speaks the portal’s language', async () => {
    expect((await start({ language: 'kz' })).deals.language()).toBe('ru');
    expect((await start({ language: 'de' })).deals.language()).toBe('en');
  });
});
