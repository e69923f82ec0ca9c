import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type ConcurrencySlots, createConcurrencySlots } from '../../../src/store/locks/concurrency-slots.ts';
import { createLockSession, type LockSession } from '../../../src/store/locks/lock-session.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';

let bench: StoreBench;
let store: Store;
let sessions: LockSession[] = [];
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
}, 20_000);
afterAll(() => bench.close());
beforeEach(() => leave(...sessions));

interface Process {
  session: LockSession;
  slots: ConcurrencySlots;
  /** Runs at work. */
  inUse: number;
}

/** A process with a session of its own. */
function join(): Process {
  const session = createLockSession({ databaseUrl: store.url, leaseMs: 12_000, log: bench.log });
  sessions.push(session);
  return { session, slots: createConcurrencySlots(session, 'ordinary', 20), inUse: 0 };
}

/** Sessions end, as those of killed processes do; the server has noticed when it is over. */
async function leave(...gone: LockSession[]): Promise<void> {
  await Promise.all(gone.map((session) => session.close()));
  sessions = sessions.filter((session) => !gone.includes(session));
  const there = async () => {
    const { rows } = await store.pool.query(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'directum-claims' AND datname = current_database()`,
    );
    return rows[0].count;
  };
  await expect.poll(there).toBe(sessions.length);
}

async function tick(...processes: Process[]): Promise<number[]> {
  for (const each of processes) await each.slots.share(() => each.inUse);
  return processes.map(({ slots }) => slots.held());
}

it('one process has all places, and each that joins its part', async () => {
  const [a, b, c] = [join(), join(), join()];
  expect(await tick(a)).toEqual([20]);
  expect(await tick(b, a, b)).toEqual([10, 10, 10]);
  await tick(c, a, b, c);
  expect((await tick(a, b, c)).sort()).toEqual([6, 7, 7]);
});

it('a part is given over when the work in it has ended, never before', async () => {
  const [a, b] = [join(), join()];
  await tick(a);
  a.inUse = 18;
  expect(await tick(b, a, b, a)).toEqual([2, 18, 2, 18]);
  a.inUse = 5;
  expect(await tick(a, b)).toEqual([10, 10]);
});

it('places of a process that is gone are free at once, whatever it worked on', async () => {
  const [a, b] = [join(), join()];
  await tick(a, b, a, b);
  expect(await tick(a, b)).toEqual([10, 10]);
  b.inUse = 10;
  await leave(b.session);
  expect(await tick(a)).toEqual([20]);
});

it('are never more than there are, though many processes share them at the same moment', async () => {
  const many = Array.from({ length: 25 }, join);
  for (let round = 0; round < 4; round += 1) {
    await Promise.all(many.map(({ slots, inUse }) => slots.share(() => inUse)));
    const held = many.map(({ slots }) => slots.held());
    expect(held.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(20);
    const { rows } = await store.pool.query(
      `SELECT count(*)::int AS count FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database() AND locktype = 'advisory' AND mode = 'ExclusiveLock'`,
    );
    expect(rows[0].count).toBe(held.reduce((sum, one) => sum + one, 0));
  }
  expect(many.map(({ slots }) => slots.held()).sort()).toEqual([
    ...Array.from({ length: 5 }, () => 0),
    ...Array.from({ length: 20 }, () => 1),
  ]);
}, 30_000);

it('a process whose session was lost begins anew', async () => {
  const a = join();
  await tick(a);
  await store.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'directum-claims' AND datname = current_database()`,
  );
  await expect.poll(() => tick(a).catch(() => 'lost')).toEqual([20]);
  const { rows } = await store.pool.query(
    `SELECT count(*)::int AS count FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database() AND locktype = 'advisory' AND mode = 'ExclusiveLock'`,
  );
  expect(rows[0].count).toBe(20);
});
