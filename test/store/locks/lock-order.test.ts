import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createComparisons } from '../../../src/store/documents/comparisons.ts';
import { createDealProjection } from '../../../src/store/documents/deal-projection.ts';
import type { KeptSnapshot, OpenSnapshot } from '../../../src/store/documents/kept-snapshots.ts';
import { createDocumentStore } from '../../../src/store/documents/watched-documents.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';
import { blocked, holding } from '../row-locks.ts';

const IDS = [901, 902];
/** The other way round, in tables and in what is asked: rows that are only updated are locked as they come. */
const ITEMS = [902, 901].map((documentId) => ({ itemCode: `DEAL_${documentId}`, documentId }));
const now = () => new Date();
let bench: StoreBench;
let store: Store;
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
}, 20_000);
afterAll(() => bench.close());
beforeEach(async () => {
  await store.pool.query('TRUNCATE document CASCADE');
  for (const { itemCode, documentId } of ITEMS) {
    await store.pool.query(
      `INSERT INTO document (id, status, status_since) VALUES ($1, 'executed', '2026-01-01')`,
      [documentId],
    );
    await store.slots('p', itemCode, 'run').give(documentId);
  }
});

const keepAll = async (known: Map<number, OpenSnapshot>): Promise<Map<number, KeptSnapshot>> =>
  new Map([...known].map(([id, { snapshot }]) => [id, snapshot]));
const settle = (result: 'shown' | 'gone') =>
  createDealProjection(store.pool, store.content).settle(
    'p',
    ITEMS.map((item) => ({ ...item, changes: 0, result, retryMs: 0 })),
    now(),
  );
const change = () => createDocumentStore(store.pool, store.content).change(IDS, now(), keepAll);

/** Two that want both rows, one after the other, while somebody holds the first row; and then he does not. */
async function meet(
  table: 'document' | 'watched_document',
  one: () => Promise<unknown>,
  other: () => Promise<unknown>,
) {
  const key = table === 'document' ? 'id' : 'document_id';
  const both: Promise<unknown>[] = [];
  await holding(store, `SELECT 1 FROM ${table} WHERE ${key} = 901 FOR UPDATE`, async () => {
    both.push(one());
    await blocked(store, 1);
    both.push(other());
    await blocked(store, 2);
  });
  await Promise.all(both);
}

it.each([
  ['are kept as asked', () => createDocumentStore(store.pool, store.content).keepAsked(IDS, now())],
  ['are all to be read', () => createDocumentStore(store.pool, store.content).refreshAll(now())],
  ['are let go', () => createComparisons(store.pool).letGo(now(), now())],
])('documents that are changed and %s at that moment are locked in one order', async (_, other) => {
  await meet('document', change, other);
});

it.each([
  ['shown', () => settle('shown')],
  ['gone', () => settle('gone')],
  [
    'written to',
    () =>
      createDealProjection(store.pool, store.content).keepCards(
        'p',
        ITEMS.map((item) => ({ ...item, activityId: 7, shownCard: { title: 't' } as never, changed: [] })),
        now(),
      ),
  ],
  [
    'found otherwise',
    () =>
      createDealProjection(store.pool, store.content).forget(
        'p',
        ITEMS.map((item) => ({ ...item, fields: true, activity: true })),
        now(),
      ),
  ],
  ['of a portal that is forgotten', () => store.forgetPortal('p')],
])(
  'items whose documents change and that are %s at that moment are locked in one order',
  async (_, other) => {
    await meet('watched_document', change, other);
  },
);

it('an item that is given a document waits for who changes the document, and holds nothing that he wants', async () => {
  const giving: Promise<unknown>[] = [];
  await holding(store, 'SELECT 1 FROM document WHERE id = 901 FOR UPDATE', async (query) => {
    giving.push(store.slots('p', 'DEAL_901', 'run').give(901));
    await blocked(store, 1);
    await query('UPDATE watched_document SET changes = changes + 1 WHERE document_id = 901');
  });
  await Promise.all(giving);
});

it.each([
  [
    'ended because nothing showed it',
    () => settle('shown').then(() => createComparisons(store.pool).letGo(new Date(0), now())),
  ],
  ['forgotten with a portal', () => store.forgetPortal('another')],
])('a document that is given to an item at that moment is not %s', async (_, other) => {
  await store.pool.query('DELETE FROM watched_document WHERE document_id = 901');
  const ending: Promise<unknown>[] = [];
  await holding(store, 'SELECT 1 FROM document WHERE id = 901 FOR UPDATE', async (query) => {
    ending.push(other());
    await blocked(store, 1);
    await query(
      `INSERT INTO watched_document (portal, item_code, document_id, created_at) VALUES ('p', 'DEAL_1', 901, now())`,
    );
  });
  await Promise.all(ending);
  const { rows } = await store.pool.query(
    'SELECT d.ended_at, w.item_code FROM document d JOIN watched_document w ON w.document_id = d.id WHERE d.id = 901',
  );
  expect(rows).toEqual([{ ended_at: null, item_code: 'DEAL_1' }]);
});
