import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLockSession, type LockSession } from '../../../src/store/locks/lock-session.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';

const LEASE_MS = 400;
let bench: StoreBench;
let store: Store;
const sessions: LockSession[] = [];
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
}, 20_000);
afterAll(async () => {
  await Promise.all(sessions.map((session) => session.close()));
  await bench.close();
});

function join(): LockSession {
  const session = createLockSession({ databaseUrl: store.url, leaseMs: LEASE_MS, log: bench.log });
  sessions.push(session);
  return session;
}

/** The session of a process that stands still: nothing of ours moves it. */
async function frozen(application_name = 'directum-claims') {
  const client = new pg.Client({ connectionString: store.url, application_name });
  const lost = new Promise<number>((resolve) => client.on('error', () => resolve(performance.now())));
  await client.connect();
  await client.query('SELECT pg_advisory_lock(77)');
  return { client, lost, since: performance.now() };
}

it('ends the session of a process that stands still, not before a lease, and with it its locks', async () => {
  const { lost, since } = await frozen();
  const session = join();
  await session.current();
  expect((await lost) - since).toBeGreaterThan(LEASE_MS * 0.9);
  const { rows } = await session.ask(await session.current(), 'SELECT pg_try_advisory_lock(77) AS mine', []);
  expect(rows).toEqual([{ mine: true }]);
  await session.ask(await session.current(), 'SELECT pg_advisory_unlock(77)', []);
  expect(bench.lines.filter(({ event }) => event === 'session.ended')).toHaveLength(1);
});

it('leaves alone who is there, though he asks nothing himself, and who is none of ours', async () => {
  const [one, two, three] = [join(), join(), join()];
  const clients = await Promise.all([one, two, three].map((session) => session.current()));
  const other = await frozen('another program');
  await sleep(4 * LEASE_MS);
  expect([one, two, three].map((session, index) => session.holds(clients[index] as pg.Client))).toEqual([
    true,
    true,
    true,
  ]);
  await other.client.end();
});

it('is not held for as long as it was not heard of, for another process may have ended it meanwhile', async () => {
  const session = join();
  const client = await session.current();
  // This process stands still for longer than a lease.
  for (const until = performance.now() + LEASE_MS + 50; performance.now() < until; );
  expect(session.holds(client)).toBe(false);
  await session.ask(client, 'SELECT 1', []);
  expect(session.holds(client)).toBe(true);
});
