import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createFeedRunner, type Feed } from '../../../src/lib/work/feed-runner.ts';
import { createFeeds } from '../../../src/store/feeds/feeds.ts';
import type { Store } from '../../../src/store/store.ts';
import { memoryLog, type StoreBench, storeBench } from '../bench.ts';

const NOW = Date.parse('2026-03-02T10:00:00Z');
let bench: StoreBench;
let store: Store;
let time = NOW;
const now = () => new Date(time);
const at = (seconds: number) => new Date(NOW + seconds * 1_000);
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
}, 20_000);
afterAll(() => bench.close());
beforeEach(async () => {
  time = NOW;
  await store.pool.query('DELETE FROM feed');
  await feeds().begin(['a']);
});

const feeds = () => createFeeds(store.pool);
const A = { name: 'a', leaseMs: 60_000 };
const row = async () =>
  (await store.pool.query(`SELECT cursor, due_at AS due FROM feed WHERE name = 'a'`)).rows[0];

it('of several processes one makes a step, and another when the lease of a killed one is over', async () => {
  const turns = (await Promise.all([1, 2, 3].map(() => feeds().take([A], now())))).flat();
  expect(turns).toMatchObject([{ name: 'a', cursor: {} }]);
  expect(await feeds().take([A], at(59))).toEqual([]);
  expect(await feeds().take([A], at(60))).toHaveLength(1);
});

it('who stood still neither moves the cursor nor keeps the turn', async () => {
  const [frozen] = await feeds().take([A], now());
  const [next] = await feeds().take([A], at(60));
  if (!frozen || !next) throw new Error('nothing was taken');
  expect(await feeds().hold(frozen, 60_000, at(61))).toBe(false);
  expect(await feeds().keep(frozen, { after: 1 }, at(0))).toBe(false);
  expect(await feeds().take([A], at(61))).toEqual([]);
  expect(await feeds().keep(next, { after: 2 }, at(90))).toBe(true);
  expect(await row()).toEqual({ cursor: { after: 2 }, due: at(90) });
});

it('who goes on with a step keeps it', async () => {
  const [turn] = await feeds().take([A], now());
  if (!turn) throw new Error('nothing was taken');
  expect(await feeds().hold(turn, 60_000, at(30))).toBe(true);
  expect(await feeds().take([A], at(89))).toEqual([]);
});

it('a feed that begins anew keeps the rest of its cursor, and the step under way does not count', async () => {
  const [before] = await feeds().take([A], now());
  if (!before) throw new Error('nothing was taken');
  await feeds().keep(before, { round: 3, after: 70 }, at(3_600));
  const [turn] = await feeds().take([A], at(3_600));
  await feeds().restart('a', { after: null });
  if (!turn) throw new Error('nothing was taken');
  expect(await feeds().keep(turn, { round: 3, after: 80 }, at(3_600))).toBe(false);
  expect(await feeds().take([A], now())).toMatchObject([{ cursor: { round: 3, after: null } }]);
});

it('a feed that is hastened is due at once', async () => {
  const [turn] = await feeds().take([A], now());
  if (!turn) throw new Error('nothing was taken');
  await feeds().keep(turn, {}, at(3_600));
  await feeds().hasten(['a', 'unknown']);
  expect(await feeds().take([A], now())).toHaveLength(1);
});

it('a step goes on from the last one until nothing is due; one that fails is made again, and holds up no other feed', async () => {
  const made: string[] = [];
  const lines: StoreBench['lines'] = [];
  const feed = (name: string, step: Feed['step']): Feed => ({ ...A, name, retryMs: 5_000, step });
  const ports = {
    feeds: [
      feed('a', async (cursor) => {
        const { n = 0 } = cursor as { n?: number };
        made.push(`a${n}`);
        return { cursor: { n: n + 1 }, dueAt: n < 2 ? now() : at(60) };
      }),
      feed('b', async () => {
        made.push('b');
        throw new Error('down');
      }),
    ],
    store: feeds(),
    now,
    log: memoryLog(lines),
  };
  const runner = createFeedRunner(ports);
  runner.wake();
  await expect.poll(() => made.toSorted()).toEqual(['a0', 'a1', 'a2', 'b']);
  await runner.stop();
  expect(lines).toMatchObject([{ event: 'feed.failed', facts: { feed: 'b' } }]);
  time += 5_000;
  const later = createFeedRunner(ports);
  later.wake();
  await expect.poll(() => made.filter((one) => one === 'b')).toHaveLength(2);
  await later.stop();
  expect(await row()).toEqual({ cursor: { n: 3 }, due: at(60) });
});
