import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { portalKeyOf } from '../../../src/store/documents/document-slots.ts';
import { createIncomingCalls, type IncomingCalls } from '../../../src/store/runs/incoming-calls.ts';
import { createPastRuns, type PastRuns, type Stopped } from '../../../src/store/runs/past-runs.ts';
import { createRunHistory } from '../../../src/store/runs/run-history.ts';
import { loadSecretKeys } from '../../../src/store/secrets/secrets.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';
import { blocked, holding } from '../row-locks.ts';

const NOW = new Date('2026-03-02T10:00:00Z');
const DAY_MS = 86_400_000;
const KEEP = 365;
let bench: StoreBench;
let store: Store;
let past: PastRuns;
let calls: IncomingCalls;
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open(undefined, () => NOW);
  past = createPastRuns(store.pool);
  const keys = await loadSecretKeys({ dataDir: bench.dataDir });
  calls = createIncomingCalls({ pool: store.pool, keys, now: () => NOW });
});
afterAll(() => bench?.close());
beforeEach(() => store.pool.query('TRUNCATE run, outbox, past_run, past_portal CASCADE'));

const ask = async (sql: string, values: unknown[] = []) => (await store.pool.query(sql, values)).rows;
const idsOf = async (table: string) => (await ask(`SELECT id FROM ${table} ORDER BY id`)).map(({ id }) => id);
const daysAgo = (days: number) => new Date(NOW.getTime() - days * DAY_MS);
const step = (limit = 200, from: Stopped | null = null) => past.deleteEnded(NOW, KEEP, from, limit);

/** A run with all that can belong to one, which ended when it is said. */
async function add(id: string, endedAt: Date | null, { state = 'ended', portal = 'p' } = {}): Promise<void> {
  await store.pool.query(
    `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, received_at, deadline_at, next_at, ended_at)
     VALUES ($1, 'm' || $5, $5, 'r', $1, 'x', true, $2, $3, $3, $3, $4)`,
    [id, state, daysAgo(400), endedAt, portal],
  );
  await store.pool.query(`INSERT INTO run_attempt VALUES ($1, 1, $2, $2, 'done')`, [id, NOW]);
  await store.pool.query(`INSERT INTO saved_file VALUES ($1, 'x')`, [id]);
  await store.pool.query(
    `INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, run_id, item_code, payload, state, created_at, due_at)
     VALUES ('m', 'p', 'answer', 'first', $1::text || '/1', $1, 'DEAL_1', '', 'sent', $2, $2)`,
    [id, NOW],
  );
}

/** It failed, and what was told of that. */
async function addFailure(
  runId: string,
  failedAt: Date,
  { told = 'item', comment = 'sent' }: { told?: string | null; comment?: string | null } = {},
): Promise<void> {
  const [{ id }] = await ask(
    `INSERT INTO failure (run_id, portal, robot, item_code, code, wants_answer, quiet, failed_at, told)
     SELECT id, portal, robot, item_code, 'input_invalid', true, false, $2, $3 FROM run WHERE id = $1 RETURNING id`,
    [runId, failedAt, told],
  );
  if (comment !== null)
    await store.pool.query(
      `INSERT INTO outbox (recipient, portal, failure_id, item_code, kind, lane, dedupe_key, code, key, state, created_at, due_at)
       VALUES ('p', 'p', $1::bigint, 'DEAL_1', 'comment', 'comment', 'failure ' || $1::text, 'input_invalid', $1::text, $2, $3, $3)`,
      [id, comment, NOW],
    );
}

it('deletes what ended so many days ago with all that belongs to it, and nothing younger or open', async () => {
  await add('old', daysAgo(KEEP + 1));
  await addFailure('old', daysAgo(KEEP + 1));
  await add('young', daysAgo(KEEP - 1));
  for (const state of ['accepted', 'running', 'waiting']) await add(state, null, { state });
  const past = daysAgo(500);
  await store.pool.query(
    `INSERT INTO wait (run_id, document_id, wait_for, deadline_at, facts, seen, created_at) VALUES ('waiting', 1, 'us', $1, '{}', '', $1)`,
    [past],
  );
  expect(await step()).toEqual({ deleted: 1, stopped: null });
  const left = ['accepted', 'running', 'waiting', 'young'];
  expect(await idsOf('run')).toEqual(left);
  for (const table of ['run_attempt', 'saved_file', 'outbox'])
    expect((await ask(`SELECT run_id FROM ${table} ORDER BY 1`)).map((row) => row.run_id)).toEqual(left);
  expect(await ask('SELECT FROM wait')).toHaveLength(1);
  for (const table of ['failure', `outbox WHERE kind = 'comment'`])
    expect(await ask(`SELECT FROM ${table}`)).toEqual([]);
  expect(await idsOf('past_run')).toEqual(['old']);
  expect(await createRunHistory(store.pool, store.content).wasDeleted('old')).toBe(true);
  expect(await createRunHistory(store.pool, store.content).wasDeleted('young')).toBe(false);
});

it('keeps a run as long as something of it is to be sent', async () => {
  for (const id of ['answer', 'undecided', 'untold']) await add(id, daysAgo(KEEP + 1), { portal: id });
  await store.pool.query(`UPDATE outbox SET state = 'due' WHERE run_id = 'answer'`);
  await addFailure('undecided', daysAgo(KEEP + 1), { told: null, comment: null });
  await addFailure('untold', daysAgo(KEEP + 1), { comment: 'due' });
  expect(await step()).toEqual({ deleted: 0, stopped: null });
  await store.pool.query(`UPDATE failure SET told = 'nothing'; UPDATE outbox SET state = 'refused'`);
  expect((await step()).deleted).toBe(3);
});

it('keeps failures by which one that is still to be told is measured', async () => {
  const failed = async (id: string, hoursBefore: number, portal = 'p', told: string | null = 'item') => {
    const at = new Date(daysAgo(KEEP + 1).getTime() - hoursBefore * 3_600_000);
    await add(id, at, { portal });
    await addFailure(id, at, { told, comment: null });
  };
  await failed('new', 0, 'p', null);
  await failed('same', 23);
  await failed('same, long before', 25);
  await failed('of another portal', 23, 'q');
  expect((await step()).deleted).toBe(2);
  expect(await idsOf('run')).toEqual(['new', 'same']);
  await store.pool.query(`UPDATE failure SET told = 'nothing'`);
  expect((await step()).deleted).toBe(2);
});

it('leaves slots, documents, told facts and who made a document as they are', async () => {
  await add('maker', daysAgo(KEEP + 1));
  const slots = store.slots('p', 'DEAL_1', 'maker');
  await slots.begin('contract');
  await slots.bind('contract', { id: 5, url: 'https://rx/5' });
  await store.pool.query(
    `INSERT INTO outbox (recipient, portal, document_id, item_code, kind, lane, dedupe_key, code, key, state, created_at, due_at)
     VALUES ('p', 'p', 5, 'DEAL_1', 'trigger', 'trigger', 'x', 'directum_approved', 'k', 'sent', $1, $1)`,
    [daysAgo(400)],
  );
  const tables = [
    'document_slot',
    'document',
    'watched_document',
    'outbox WHERE run_id IS NULL',
    'document_intent',
  ];
  const all = () => Promise.all(tables.map((table) => ask(`SELECT * FROM ${table}`)));
  const before = await all();
  expect((await step()).deleted).toBe(1);
  expect(await all()).toEqual(before);
  expect(before.map((rows) => rows.length)).toEqual([1, 1, 1, 1, 1]);
  expect(await slots.begunByThisRun('contract')).toBe(true);
  expect(await store.slots('p', 'DEAL_1', 'other').begunByAnyRun('contract')).toBe(true);
});

it('the key of a portal is known though all its runs were deleted', async () => {
  await add('old', daysAgo(KEEP + 1), { portal: 'first' });
  await store.pool.query(`UPDATE run SET member_id = 'second'`);
  await step();
  expect(await portalKeyOf(store.pool, 'second')).toBe('first');
  await add('new', NOW, { portal: 'third' });
  await store.pool.query(`UPDATE run SET member_id = 'second'`);
  expect(await portalKeyOf(store.pool, 'second')).toBe('third');
});

describe('a call whose run was deleted', () => {
  const call = (id: string) => ({
    id,
    memberId: 'm',
    portal: 'p',
    robot: 'r',
    itemCode: 'DEAL_1',
    call: '{}',
    wantsAnswer: true,
    receivedAt: NOW,
    deadlineAt: NOW,
  });

  it('is known when it comes again, and takes no other with it', async () => {
    await add('old', daysAgo(KEEP + 1));
    await step();
    expect(await calls.accept([call('old'), call('new')])).toEqual(new Set(['new']));
    expect(await calls.accept([call('old')])).toEqual(new Set());
    expect(await idsOf('run')).toEqual(['new']);
  });

  it('is known also when it comes while its run is being deleted', async () => {
    await add('old', daysAgo(KEEP + 1));
    const client = await store.pool.connect();
    await client.query('BEGIN');
    // Its statements in one transaction that goes on.
    const done = await createPastRuns(client as unknown as pg.Pool).deleteEnded(NOW, KEEP, null, 200);
    expect(done.deleted).toBe(1);
    const accepted = calls.accept([call('old')]);
    await blocked(store, 1);
    await client.query('COMMIT');
    client.release();
    expect(await accepted).toEqual(new Set());
    expect(await idsOf('run')).toEqual([]);
  });
});

it('goes on where it stopped, also among runs of one moment, and past those it must keep', async () => {
  const names = Array.from({ length: 7 }, (_, n) => `run${n}`);
  for (const name of names) await add(name, daysAgo(KEEP + 1));
  await store.pool.query(
    `UPDATE run SET ended_at = ended_at - interval '1.5 microseconds' WHERE id = 'run6'`,
  );
  await store.pool.query(`UPDATE outbox SET state = 'due' WHERE run_id IN ('run0', 'run1', 'run6')`);
  const left: string[][] = [];
  for (let from: Stopped | null = null; ; ) {
    const { stopped } = await step(2, from);
    left.push(await idsOf('run'));
    if (stopped === null) break;
    from = stopped;
  }
  expect(left).toEqual([
    ['run0', 'run1', 'run2', 'run3', 'run4', 'run5', 'run6'],
    ['run0', 'run1', 'run3', 'run4', 'run5', 'run6'],
    ['run0', 'run1', 'run5', 'run6'],
    ['run0', 'run1', 'run6'],
  ]);
});

it('several processes at once delete each run once', async () => {
  for (let n = 0; n < 60; n += 1) await add(`run${n}`, daysAgo(KEEP + 1));
  const others = [past, createPastRuns((await bench.open()).pool), createPastRuns((await bench.open()).pool)];
  const sums = await Promise.all(
    others.map(async (process) => {
      let sum = 0;
      for (let from: Stopped | null = null; ; ) {
        const { deleted, stopped } = await process.deleteEnded(NOW, KEEP, from, 10);
        sum += deleted;
        if (stopped === null) return sum;
        from = stopped;
      }
    }),
  );
  expect(sums.reduce((sum, deleted) => sum + deleted, 0)).toBe(60);
  expect(await idsOf('run')).toEqual([]);
  expect(await idsOf('past_run')).toHaveLength(60);
});

it('passes over a run that is being done again, and what is done again stays', async () => {
  await add('old', daysAgo(KEEP + 1));
  await store.pool.query(`UPDATE run SET ending = 'directum_unavailable'`);
  await holding(store, `SELECT 1 FROM run WHERE id = 'old' FOR NO KEY UPDATE`, async () => {
    expect((await step()).deleted).toBe(0);
  });
  await createRunHistory(store.pool, store.content).reopen('old', NOW, NOW);
  expect((await step()).deleted).toBe(0);
  expect(await idsOf('run')).toEqual(['old']);
});

it('a step that is held up ends soon, for calls wait for it, and leaves everything as it was', async () => {
  await add('old', daysAgo(KEEP + 1));
  await holding(store, 'SELECT 1 FROM run_attempt FOR UPDATE', async () => {
    await expect(step()).rejects.toMatchObject({ code: '55P03' });
  });
  expect(await idsOf('run')).toEqual(['old']);
  expect(await idsOf('past_run')).toEqual([]);
  // Other statements of the connection wait as long as they must.
  expect((await ask('SHOW lock_timeout'))[0]).toEqual({ lock_timeout: '0' });
  expect((await step()).deleted).toBe(1);
});

it('nothing is old by one clock alone: of the process or of the database', async () => {
  const really = new Date();
  await add('ended a moment ago', really);
  const ahead = new Date(really.getTime() + (KEEP + 9) * DAY_MS);
  expect((await past.deleteEnded(ahead, KEEP, null, 200)).deleted).toBe(0);
  // For a process that is behind, it has not even ended.
  expect((await past.deleteEnded(NOW, KEEP, null, 200)).deleted).toBe(0);
});
