import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createClock } from '../../../src/store/db/clock.ts';
import { DATABASE_MARKS, HISTORY, PROCESS_MARKS } from '../../../src/store/db/clock-marks.ts';
import { createDealProjection } from '../../../src/store/documents/deal-projection.ts';
import { createDocumentStore } from '../../../src/store/documents/watched-documents.ts';
import { createFeeds } from '../../../src/store/feeds/feeds.ts';
import { createNotices } from '../../../src/store/outbox/notices.ts';
import { createOutbox, type Lane } from '../../../src/store/outbox/outbox.ts';
import { createClaimedRuns } from '../../../src/store/runs/claimed-runs.ts';
import { createIncomingCalls } from '../../../src/store/runs/incoming-calls.ts';
import { createWaits } from '../../../src/store/runs/waits.ts';
import { createSecretKeys, parseSecretKeys } from '../../../src/store/secrets/secrets.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';

const HOUR_MS = 3_600_000;
let bench: StoreBench;
let store: Store;
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
});
afterAll(() => bench.close());
beforeEach(async () => {
  bench.lines.length = 0;
  await store.pool.query('TRUNCATE run, document, watched_document, outbox, feed, cache_entry CASCADE');
  await store.pool.query(`UPDATE clock SET process_at = '-infinity', database_at = '-infinity'`);
});

const ask = async (sql: string, values: unknown[] = []) => (await store.pool.query(sql, values)).rows;
const told = (event: string) => bench.lines.filter((line) => line.event === event).map(({ facts }) => facts);

/** A process whose clock stands at `at`. */
function processAt(at: number) {
  const time = { at };
  const clock = createClock({ pool: store.pool, now: () => new Date(time.at), log: bench.log });
  return { time, look: () => clock.look() };
}

/** Nobody looked for as long as a process takes to be known as gone. */
const fallSilent = () =>
  store.pool.query(`UPDATE clock SET database_at = database_at - interval '4 seconds'`);

const addRun = (id: string, nextAt: number, state = 'accepted') =>
  store.pool.query(
    `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, received_at, deadline_at, next_at, state)
     VALUES ($1, 'm', 'p', 'r', $1, '', true, $2, $3, $4, $5)`,
    [id, new Date(nextAt - 1_000), new Date(nextAt + 24 * HOUR_MS), new Date(nextAt), state],
  );
const nextOf = async (id: string) =>
  (await ask('SELECT next_at FROM run WHERE id = $1', [id]))[0].next_at.getTime();

it('each moment of each table is moved with the clock, or is known as history', async () => {
  const columns = await ask(
    `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
     WHERE table_schema = current_schema() AND data_type = 'timestamp with time zone'`,
  );
  const marked = new Set(
    [...PROCESS_MARKS, ...DATABASE_MARKS].flatMap(({ table, columns: of, limit }) =>
      [...of, ...(limit ? [limit.column] : [])].map((name) => `${table}.${name}`),
    ),
  );
  // Rows of a table that are locked apart have marks apart.
  const known = [...marked, ...Object.keys(HISTORY)];
  expect(known.toSorted()).toEqual(columns.map(({ name }) => name).toSorted());
  expect(new Set(known).size).toBe(known.length);
});

it('moves what is to come by as much as the clock was set back, and keeps its order', async () => {
  const before = Date.now() + 3 * HOUR_MS;
  const service = processAt(before);
  await service.look();
  await addRun('soon', before + 5_000);
  await addRun('later', before + 60_000);
  await addRun('ended', before + 60_000, 'ended');
  await addRun('old', before - 4 * HOUR_MS);
  await store.pool.query(`INSERT INTO document (id, look_at, asked_at) VALUES (1, 'infinity', $1)`, [
    new Date(before),
  ]);
  const [document, task] = [new Date(before), new Date(before - 4 * HOUR_MS)];
  await store.pool.query(
    `INSERT INTO feed (name, due_at, cursor) VALUES ('dates', 'infinity', '{"day": "2099-01-01"}'), ('night', 'infinity', '{"after": 0}'), ('poll', now(), $1)`,
    [JSON.stringify({ documents: document, tasks: task, assignments: null })],
  );
  service.time.at -= 3 * HOUR_MS;
  await service.look();
  expect(await nextOf('soon')).toBe(before + 5_000);
  await fallSilent();
  await service.look();
  expect(await nextOf('soon')).toBe(before + 5_000 - 3 * HOUR_MS);
  expect(await nextOf('later')).toBe(before + 60_000 - 3 * HOUR_MS);
  expect(await nextOf('ended')).toBe(before + 60_000);
  expect(await nextOf('old')).toBe(before - 4 * HOUR_MS);
  expect(await ask(`SELECT look_at = 'infinity' AS never, asked_at FROM document`)).toEqual([
    { never: true, asked_at: new Date(before - 3 * HOUR_MS) },
  ]);
  const cursors = Object.fromEntries(
    (await ask('SELECT name, cursor FROM feed')).map((row) => [row.name, row.cursor]),
  );
  expect(cursors).toMatchObject({
    dates: {},
    night: {},
    poll: { tasks: task.toISOString(), assignments: null },
  });
  expect([cursors.dates, cursors.night]).toEqual([{}, {}]);
  expect(Date.parse(cursors.poll.documents)).toBe(before - 3 * HOUR_MS);
  expect(told('clock.set_back')).toEqual([{ whose: 'process', seconds: 3 * 3600 }]);
  await fallSilent();
  await service.look();
  expect(await nextOf('soon')).toBe(before + 5_000 - 3 * HOUR_MS);
});

it('a process that starts finds that the clock was set back while none was there', async () => {
  const before = Date.now() + HOUR_MS;
  await processAt(before).look();
  await addRun('soon', before + 5_000);
  await fallSilent();
  await processAt(before - HOUR_MS).look();
  expect(await nextOf('soon')).toBe(before + 5_000 - HOUR_MS);
});

it('two processes whose clocks differ do not move anything to and fro', async () => {
  const before = Date.now();
  const right = processAt(before);
  const behind = processAt(before - HOUR_MS);
  await right.look();
  await addRun('soon', before + 5_000);
  for (let second = 0; second < 5; second += 1) {
    await behind.look();
    await store.pool.query(`UPDATE clock SET database_at = database_at - interval '1 second'`);
    await right.look();
  }
  expect(await nextOf('soon')).toBe(before + 5_000);
  expect(told('clock.behind')).toEqual([{ seconds: 3600 }]);
  // The one with the later clock is gone: the other's is the clock now.
  await fallSilent();
  await behind.look();
  expect(await nextOf('soon')).toBe(before + 5_000 - HOUR_MS);
  expect(told('clock.set_back')).toHaveLength(1);
});

it('of several processes on one machine one moves, once', async () => {
  const before = Date.now();
  const all = [1, 2, 3].map(() => processAt(before));
  await Promise.all(all.map(({ look }) => look()));
  await addRun('soon', before + 5_000);
  for (const { time } of all) time.at -= HOUR_MS;
  await fallSilent();
  await Promise.all(all.map(({ look }) => look()));
  await Promise.all(all.map(({ look }) => look()));
  expect(await nextOf('soon')).toBe(before + 5_000 - HOUR_MS);
  expect(told('clock.set_back')).toHaveLength(1);
});

it('a clock that runs ahead and is set right again shortens no limit', async () => {
  const before = Date.now();
  const service = processAt(before);
  await service.look();
  await addRun('begun before', before - 5_000);
  service.time.at += 3 * HOUR_MS;
  await service.look();
  await addRun('made meanwhile', before + 3 * HOUR_MS + 5_000);
  service.time.at -= 3 * HOUR_MS;
  await fallSilent();
  await service.look();
  expect(await nextOf('made meanwhile')).toBe(before + 5_000);
  expect(await ask('SELECT id, deadline_at FROM run ORDER BY id')).toEqual([
    { id: 'begun before', deadline_at: new Date(before - 5_000 + 24 * HOUR_MS) },
    { id: 'made meanwhile', deadline_at: new Date(before + 5_000 + 24 * HOUR_MS) },
  ]);
});

it('a run that ended while the clock ran ahead is no younger than others when it is set right', async () => {
  const before = Date.now();
  const service = processAt(before + 3 * HOUR_MS);
  await service.look();
  await addRun('ended', before, 'ended');
  const ended = (at: number) =>
    store.pool.query('UPDATE run SET ended_at = $1 WHERE id = $2', [new Date(at), 'ended']);
  await ended(before + 3 * HOUR_MS - 5_000);
  service.time.at -= 3 * HOUR_MS;
  await fallSilent();
  await service.look();
  expect(await ask('SELECT ended_at FROM run')).toEqual([{ ended_at: new Date(before - 5_000) }]);
});

it('moves leases and budgets when the clock of the database was set back', async () => {
  const service = processAt(Date.now());
  await service.look();
  await addRun('held', Date.now(), 'running');
  await store.pool.query(`UPDATE run SET lease_until = clock_timestamp() + interval '3 hours 5 seconds'`);
  await store.pool.query(`UPDATE clock SET database_at = clock_timestamp() + interval '3 hours'`);
  await service.look();
  const [{ seconds }] = await ask(
    'SELECT extract(epoch FROM lease_until - clock_timestamp())::float AS seconds FROM run',
  );
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(5);
  expect(told('clock.set_back')).toEqual([{ whose: 'database', seconds: 3 * 3600 }]);
});

const RUN = `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, received_at, deadline_at, next_at, state)
  VALUES ('1', 'm', 'p', 'r', 'DEAL_1', '', true, $1, $1, $1,`;
const ROW = `INSERT INTO outbox (recipient, portal, document_id, item_code, dedupe_key, kind, lane, created_at, due_at, locked_until, user_id)
  VALUES ('p', 'p', 1, 'DEAL_1', '',`;
const takeFeed = async (name: string, now: Date) =>
  (await createFeeds(store.pool).take([{ name, leaseMs: 1_000 }], now)).length === 1;
const takeOf = async (lane: Lane, recipient: string, now: Date) => {
  const wanted = [{ lane, recipient, most: 10, lockedUntil: now }];
  return (await createOutbox(store.asyncCommitPool).take(wanted, now)).length === 1;
};

/** What is due at `$1`, and whether it is there to be taken at a moment. */
const DUE: Record<string, { sql: string; take: (now: Date) => Promise<boolean> }> = {
  'a poll': {
    sql: `INSERT INTO feed (name, due_at) VALUES ('poll', $1)`,
    take: (now) => takeFeed('poll', now),
  },
  'a step of the hourly reading': {
    sql: `INSERT INTO feed (name, due_at, cursor) VALUES ('rescan', $1, jsonb_build_object('startedAt', $1::timestamptz, 'round', 3, 'after', NULL))`,
    take: (now) => takeFeed('rescan', now),
  },
  'a look at a document': {
    sql: 'INSERT INTO document (id, look_at) VALUES (1, $1)',
    take: async (now) =>
      (await createDocumentStore(store.pool, store.content).takeRefreshes(now, 1_000, 10)).length === 1,
  },
  'a showing that another process took': {
    sql: `WITH d AS (INSERT INTO document (id) VALUES (1) RETURNING id)
      INSERT INTO watched_document (portal, item_code, document_id, created_at, show_at, taken_until)
      SELECT 'p', 'DEAL_1', id, $1, $1, $1 FROM d`,
    take: async (now) =>
      (await createDealProjection(store.pool, store.content).takeDue('p', now, 1_000, 10)).length === 1,
  },
  'a trigger': {
    sql: `${ROW} 'trigger', 'trigger', $1, $1, NULL, NULL)`,
    take: (now) => takeOf('trigger', 'p', now),
  },
  'a comment that another process took': {
    sql: `WITH r AS (${RUN} 'ended') RETURNING id),
        f AS (INSERT INTO failure (run_id, portal, robot, item_code, code, wants_answer, quiet, failed_at)
          SELECT id, 'p', 'r', 'DEAL_1', 'c', true, false, $1 FROM r RETURNING id)
      INSERT INTO outbox (recipient, portal, failure_id, item_code, dedupe_key, kind, lane, created_at, due_at, locked_until)
      SELECT 'p', 'p', id, 'DEAL_1', '', 'comment', 'comment', $1, $1::timestamptz - interval '4 hours', $1 FROM f`,
    take: (now) => takeOf('comment', 'p', now),
  },
  'a notice that has waited for company': {
    sql: `${ROW} 'notice', 'gather', $1::timestamptz - interval '5 seconds', $1, NULL, 7)`,
    take: async (now) => (await createNotices(store.pool).takeMessages(['p'], now, now, 10)).length === 1,
  },
  'a task': {
    sql: `${ROW} 'task', 'task', $1, $1, NULL, NULL)`,
    take: (now) => takeOf('task', 'p', now),
  },
  'the look at dates': {
    sql: `INSERT INTO feed (name, held_until, cursor) VALUES ('dates', $1, '{"day": "2099-01-01"}')`,
    take: (now) => takeFeed('dates', now),
  },
  'a step of the nightly comparison': {
    sql: `INSERT INTO feed (name, due_at, held_until, cursor) VALUES ('night', $1, $1, '{"after": 5}')`,
    take: (now) => takeFeed('night', now),
  },
  'an answer': {
    sql: `WITH r AS (${RUN} 'ended') RETURNING id)
      INSERT INTO outbox (recipient, portal, run_id, item_code, dedupe_key, kind, lane, payload, created_at, due_at)
      SELECT 'm', 'p', id, 'DEAL_1', '', 'answer', 'first', '', $1, $1 FROM r`,
    take: (now) => takeOf('first', 'm', now),
  },
  'a run': {
    sql: `${RUN} 'accepted')`,
    take: async (now) => {
      const lines = [{ memberId: 'm', robot: 'r', running: 0, free: 1 }];
      return (
        (await createClaimedRuns(store.asyncCommitPool, store.content, 'test').claim(now, 1, lines))
          .length === 1
      );
    },
  },
  'a wait whose time is over': {
    sql: `WITH r AS (${RUN} 'waiting') RETURNING id)
      INSERT INTO wait (run_id, document_id, wait_for, deadline_at, facts, seen, created_at) SELECT id, 1, 'us', $1, '{}', '', $1 FROM r`,
    take: async (now) => (await createWaits(store.pool, store.content).wakeExpired(now)) === 1,
  },
};

it.each(Object.entries(DUE))(
  '%s is due in its time although the clock was set back',
  async (_what, { sql, take }) => {
    const service = processAt(Date.now() + 3 * HOUR_MS);
    await service.look();
    await store.pool.query(sql, [new Date(service.time.at + 1_000)]);
    service.time.at -= 3 * HOUR_MS;
    const soon = new Date(service.time.at + 1_000);
    expect(await take(soon)).toBe(false);
    await fallSilent();
    await service.look();
    expect(await take(soon)).toBe(true);
  },
);

it('moves all when the clock of a machine with both was set back', async () => {
  const before = Date.now() + 3 * HOUR_MS;
  const service = processAt(before);
  await service.look();
  await addRun('soon', before + 5_000);
  await store.pool.query(
    `INSERT INTO portal_budget VALUES ('both', 9, clock_timestamp() + interval '3 hours')`,
  );
  await store.pool.query(`UPDATE clock SET database_at = clock_timestamp() + interval '3 hours'`);
  service.time.at -= 3 * HOUR_MS;
  await service.look();
  await fallSilent();
  await service.look();
  expect(await nextOf('soon')).toBe(before + 5_000 - 3 * HOUR_MS);
  expect(await store.portalRate.left('both')).toBeGreaterThan(0);
  expect(
    await ask(`SELECT updated_at <= clock_timestamp() AS past FROM portal_budget WHERE member_id = 'both'`),
  ).toEqual([{ past: true }]);
});

it('a call that was kept before the clock was set back is due at once, and has its whole time', async () => {
  const keys = createSecretKeys(parseSecretKeys(`k1:${Buffer.alloc(32, 1).toString('base64')}`));
  let time = Date.now() + 3 * HOUR_MS;
  const calls = createIncomingCalls({ pool: store.pool, keys, now: () => new Date(time) });
  const run = (id: string) => ({
    id,
    memberId: 'm',
    portal: 'p',
    robot: 'r',
    itemCode: id,
    call: '{}',
    wantsAnswer: true,
    receivedAt: new Date(time),
    deadlineAt: new Date(time + 24 * HOUR_MS),
  });
  const spooled = run('spooled');
  time -= 3 * HOUR_MS;
  await calls.accept([spooled]);
  expect(await ask('SELECT next_at, received_at, deadline_at FROM run')).toEqual([
    { next_at: new Date(time), received_at: new Date(time), deadline_at: new Date(time + 24 * HOUR_MS) },
  ]);
});
