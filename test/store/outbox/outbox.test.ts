import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createOutbox, type Lane, type SettledRow } from '../../../src/store/outbox/outbox.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';

const NOW = new Date('2026-03-02T10:00:00Z');
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1_000);
let bench: StoreBench;
let store: Store;
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
}, 20_000);
afterAll(() => bench.close());
beforeEach(() => store.pool.query('TRUNCATE run, outbox, journal CASCADE'));

const outbox = () => createOutbox(store.pool);
const take = (at: Date, lane: Lane = 'trigger', most = 10) =>
  outbox().take([{ lane, recipient: 'p', most, lockedUntil: new Date(at.getTime() + 60_000) }], at);
const settle = async (row: { id: string; takes: number } | undefined, more: Partial<SettledRow>) => {
  if (row === undefined) throw new Error('nothing was taken');
  const { id, takes } = row;
  await outbox().settle([{ id, takes, state: 'sent', dueAt: later(300), error: null, ...more }], NOW);
};
const add = (key: string, { lane = 'trigger', item = key }: { lane?: string; item?: string } = {}) =>
  store.pool.query(
    `INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, document_id, item_code, key, series, created_at, due_at)
     VALUES ('p', 'p', $2, $2, $1, 1, $3, $1, CASE $2 WHEN 'trigger' THEN $3 END, $4, $4)`,
    [key, lane, item, NOW],
  );
const rows = async () =>
  (await store.pool.query('SELECT key, state, last_error AS error FROM outbox ORDER BY id')).rows;

it('a row is taken by one, and by another when its lease is over', async () => {
  await add('a');
  const [first] = await take(NOW);
  expect(first).toMatchObject({ key: 'a', attempts: 1, unsure: null });
  expect(await take(later(59))).toEqual([]);
  expect(await take(later(60))).toMatchObject([{ key: 'a', attempts: 2, unsure: 'lost' }]);
});

it('who stood still puts off nothing that another holds, but what he sent is sent', async () => {
  await add('a');
  const [frozen] = await take(NOW);
  await take(later(61));
  await settle(frozen, { state: 'refused', error: 'x' });
  await settle(frozen, { state: 'due' });
  expect(await rows()).toEqual([{ key: 'a', state: 'due', error: null }]);
  expect(await take(later(62))).toEqual([]);
  await settle(frozen, { state: 'sent' });
  expect(await rows()).toEqual([{ key: 'a', state: 'sent', error: null }]);
});

it('a task that changed while it was written is written again', async () => {
  await add('7', { lane: 'task' });
  const [before] = await take(NOW, 'task');
  await store.pool.query('UPDATE outbox SET takes = takes + 1, locked_until = NULL');
  await settle(before, { state: 'sent' });
  expect(await take(NOW, 'task')).toMatchObject([{ key: '7' }]);
});

it('rows of a series leave one after the other; one that was refused holds up none', async () => {
  await add('a1', { item: 'DEAL_1' });
  await add('a2', { item: 'DEAL_1' });
  await add('b1', { item: 'DEAL_2' });
  const [first, other] = await take(NOW);
  expect([first?.key, other?.key]).toEqual(['a1', 'b1']);
  expect(await take(NOW)).toEqual([]);
  await settle(first, { state: 'due', error: 'retry' });
  expect(await take(NOW)).toEqual([]);
  const [again] = await take(later(301));
  expect(again).toMatchObject({ key: 'a1', unsure: null });
  await settle(again, { state: 'due', dueAt: later(3_600), error: 'refused' });
  expect((await take(later(302))).map(({ key }) => key)).toEqual(['a2']);
});

it('what a sender said of a try is known at the next', async () => {
  await add('a', { lane: 'comment' });
  const [first] = await take(NOW, 'comment');
  await settle(first, { state: 'due', error: 'failed' });
  expect(await take(later(301), 'comment')).toMatchObject([{ unsure: 'failed' }]);
});
