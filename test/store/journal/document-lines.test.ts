import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';
import { written } from './written.ts';

const NOW = new Date('2026-03-02T10:00:00Z');
let bench: StoreBench;
let store: Store;
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open(undefined, () => NOW);
});
afterAll(() => bench?.close());
beforeEach(async () => {
  await store.pool.query('TRUNCATE run, journal, document, document_slot, counterparty_pair CASCADE');
  await store.pool.query(
    `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, received_at, deadline_at, next_at)
     SELECT id, 'm', 'p', 'r', 'DEAL_1', '', true, $1, $1, $1 FROM unnest('{a,b}'::text[]) AS id`,
    [NOW],
  );
});

const slots = (runId: string, itemCode = 'DEAL_1') => store.slots('p', itemCode, runId);
const links = (runId: string) => store.counterpartyLinks('p', 'DEAL_1', runId);
const card = (id: number) => ({ id, url: `https://rx/${id}` });
const made = { type: 'contract', made: true, kindId: 12 };
const found = { type: 'contract', made: false, kindId: null };
const lines = async () =>
  (await written(store.pool)).map(([type, , documentId, actor, data]) => [type, documentId, actor, data]);

it('a document is made and bound once, though the attempt is repeated', async () => {
  await slots('a').bind('Contract', card(5001), made);
  await slots('a').bind('contract', { ...card(5001), file: { size: 1, sha256: 'x' } });
  await slots('a').bind('contract', card(5001), made);
  expect(await lines()).toEqual([
    ['document.made', 5001, 'run a', { type: 'contract', kind: 12, slot: 'contract' }],
    ['document.bound', 5001, 'run a', { type: 'contract', slot: 'contract', created: true }],
  ]);
});

it('a document that was there is only bound, and another one in its place is bound too', async () => {
  await slots('a').bind('contract', card(5001), found);
  await slots('b').bind('contract', card(5002), found);
  const data = { type: 'contract', slot: 'contract', created: false };
  expect(await lines()).toEqual([
    ['document.bound', 5001, 'run a', data],
    ['document.bound', 5002, 'run b', data],
  ]);
});

it('a document given by its id is bound to no slot, once an item', async () => {
  await slots('a').give(5001);
  await slots('b').give(5001);
  await slots('b', 'DEAL_2').give(5001);
  expect((await written(store.pool)).map(([type, item, id, actor]) => [type, item, id, actor])).toEqual([
    ['document.bound', 'DEAL_1', 5001, 'run a'],
    ['document.bound', 'DEAL_2', 5001, 'run b'],
  ]);
});

it('a change has a line by the names of its fields, also when the attempt that wrote it had no time to say so', async () => {
  await slots('a').bind('contract', card(5001), found);
  await slots('b').changing(5001, ['Subject', 'TotalAmount']);
  await slots('b').changing(5001, ['Note', 'Subject']);
  await slots('a').bind('contract', card(5001), found);
  await slots('b').bind('contract', card(5001), found);
  await slots('b').bind('contract', card(5001), found);
  expect((await lines()).slice(1)).toEqual([
    ['document.changed', 5001, 'run b', { fields: ['Note', 'Subject', 'TotalAmount'] }],
  ]);
});

it('a counterparty is made once, by the run that was about to', async () => {
  const company = { id: 17, type: 'company' as const };
  await links('b').bind('COMPANY_9', { ...company, made: true });
  await links('a').making('COMPANY_44');
  await links('a').making('COMPANY_44');
  await links('b').bind('COMPANY_44', { ...company, made: true });
  await links('a').bind('COMPANY_44:7', { ...company, made: true });
  await links('a').bind('COMPANY_44', { ...company, made: true });
  expect(await lines()).toEqual([
    ['counterparty.made', null, 'run a', { counterparty: 17, type: 'company', of: 'COMPANY_44:7' }],
  ]);
});

it('a counterparty that somebody else made meanwhile was not made', async () => {
  await links('a').making('COMPANY_44');
  await links('a').bind('COMPANY_44', { id: 17, type: 'company' });
  expect(await lines()).toEqual([]);
});

it('a change of a counterparty has one line', async () => {
  await links('a').changing(17, ['TRRC']);
  await links('a').changed(18);
  await links('b').changed(17);
  expect(await lines()).toEqual([]);
  await links('a').changed(17);
  await links('a').changed(17);
  expect(await lines()).toEqual([
    ['counterparty.changed', null, 'run a', { counterparty: 17, fields: ['TRRC'] }],
  ]);
});
