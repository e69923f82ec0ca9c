import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createDateChecks } from '../../../src/store/documents/date-checks.ts';
import { createDealProjection } from '../../../src/store/documents/deal-projection.ts';
import { createDocumentStore } from '../../../src/store/documents/watched-documents.ts';
import { createRunHistory } from '../../../src/store/runs/run-history.ts';
import { createRunStore } from '../../../src/store/runs/runs.ts';
import { createWaits } from '../../../src/store/runs/waits.ts';
import { createFormerContent } from '../../../src/store/secrets/former-content.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';

let bench: StoreBench;
let store: Store;
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
}, 20_000);
afterAll(() => bench.close());
beforeEach(() =>
  store.pool.query(
    'TRUNCATE run, run_attempt, wait, failure, outbox, document, document_slot, watched_document, document_task, assignment CASCADE',
  ),
);

const NOW = new Date('2026-03-02T10:00:00Z');
const TEXT = { ru: 'Нет прав у Иванова.', en: 'No rights.' };

/** Rows as the version before migration 035 wrote them; `n` of each table. */
async function former(n: number): Promise<void> {
  const rows = 'FROM generate_series(1, $1::int) AS n';
  const write = (sql: string, ...values: unknown[]) => store.pool.query(sql, [n, ...values.map(toText)]);
  const toText = (value: unknown) => (value instanceof Date ? value : JSON.stringify(value));
  await write(
    `INSERT INTO document (id, observed, dates, status, status_since) SELECT n, $2::jsonb, $3::jsonb, 'created', '2026-03-01T10:00:00Z' ${rows}`,
    { id: 1, name: 'Договор Ромашки' },
    { id: 1, validTill: '2026-05-01', milestones: [] },
  );
  await write(
    `INSERT INTO watched_document (portal, item_code, document_id, created_at, shown) SELECT 'p', 'DEAL_' || n, n, $3, $2 ${rows}`,
    { name: 'Договор Ромашки' },
    NOW,
  );
  await write(
    `INSERT INTO document_slot (portal, item_code, slot, document_id, url, shown) SELECT 'p', 'DEAL_' || n, 'contract', n, 'u', $2 ${rows}`,
    { status: 'created' },
  );
  await write(`INSERT INTO document_task (task_id, document_id) SELECT n, n ${rows}`);
  await write(`INSERT INTO assignment (id, task_id, seen) SELECT n, n, $2 ${rows}`, { subject: 'Ромашка' });
  await write(
    `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, received_at, deadline_at, next_at, last_text, outcome)
     SELECT 'r' || n, 'm', 'p', 'robot', 'DEAL_' || n, 'x', true, 'ended', $4, $4, $4, $2, CASE WHEN n = 1 THEN 'null' ELSE $3::jsonb END ${rows}`,
    TEXT,
    { document_name: 'Договор Ромашки' },
    NOW,
  );
  await write(
    `INSERT INTO run_attempt (run_id, number, started_at, finished_at, ending, text) SELECT 'r' || n, 1, $3, $3, 'done', $2 ${rows}`,
    TEXT,
    NOW,
  );
  await write(
    `INSERT INTO failure (run_id, portal, robot, item_code, code, text, wants_answer, quiet, failed_at)
     SELECT 'r' || n, 'p', 'robot', 'DEAL_' || n, 'access', $2, true, false, $3 ${rows}`,
    TEXT,
    NOW,
  );
  await write(
    `INSERT INTO wait (run_id, document_id, wait_for, deadline_at, facts, seen, created_at) SELECT 'r' || n, n, 'us', $3, $2, '', $3 ${rows}`,
    { document: { id: 1, name: 'Договор Ромашки' }, task: null },
    NOW,
  );
}

const OPEN = `SELECT count(*)::int AS count FROM (
  SELECT observed AS kept FROM document UNION ALL SELECT dates FROM document UNION ALL SELECT shown FROM watched_document
  UNION ALL SELECT shown FROM document_slot UNION ALL SELECT seen FROM assignment UNION ALL SELECT last_text FROM run
  UNION ALL SELECT outcome FROM run UNION ALL SELECT text FROM run_attempt UNION ALL SELECT text FROM failure
  UNION ALL SELECT facts FROM wait) AS one WHERE jsonb_typeof(kept) = 'object'`;
const openCount = async () => (await store.pool.query(OPEN)).rows[0].count as number;

/** Everything as the stores give it, of the second of the rows. */
async function read() {
  const { pool, content } = store;
  const [due] = await createDealProjection(pool, content).shownOf('p', [2]);
  const history = await createRunHistory(pool, content).find('r2');
  const dated: unknown[] = [];
  await createDateChecks(pool, content).step(0, 10, async (documents) => void dated.push(documents[1]));
  return {
    due,
    dated,
    states: await createDocumentStore(pool, content).statesOf([2]),
    run: await createRunStore(pool, pool, content).get('r2'),
    history: [history?.outcome, history?.tries],
    wait: await createWaits(pool, content).last('r2'),
  };
}

it('is sealed step by step, and the stores read the same before, amid and after it', async () => {
  await former(450);
  const before = await read();
  expect(JSON.stringify(before)).toContain('Договор Ромашки');
  const { seal } = createFormerContent({ pool: store.pool, content: store.content });
  expect([await seal(), await openCount()]).toEqual([true, 10 * 250]);
  expect(await read()).toEqual(before);
  expect([await seal(), await openCount()]).toEqual([true, 10 * 50]);
  expect([await seal(), await openCount()]).toEqual([true, 0]);
  expect(await seal()).toBe(false);
  expect(await read()).toEqual(before);
  const { rows } = await store.pool.query("SELECT string_agg(document::text, E'\\n') AS text FROM document");
  expect(rows[0].text).not.toContain('Ромашк');
});

it('is sealed once by several processes at a time, which pass over what somebody works with', async () => {
  await former(300);
  const before = await read();
  const client = new pg.Client({ connectionString: bench.url });
  await client.connect();
  await client.query('BEGIN');
  await client.query('UPDATE document SET asked_at = now() WHERE id = 3');
  const processes = [1, 2].map(() => createFormerContent({ pool: store.pool, content: store.content }));
  for (let more = true; more; )
    more = (await Promise.all(processes.map(({ seal }) => seal()))).includes(true);
  expect(await openCount()).toBe(2);
  await client.query('COMMIT');
  await client.end();
  await processes[0]?.seal();
  expect(await openCount()).toBe(0);
  expect(await read()).toEqual(before);
});

it('waits for the end of processes of an earlier version, and what those wrote is sealed too', async () => {
  await former(3);
  const older = new pg.Client({ connectionString: bench.url, application_name: 'directum-robots v2' });
  await older.connect();
  const beside = await bench.open();
  const { seal } = createFormerContent({ pool: beside.pool, content: beside.content });
  expect([await seal(), await openCount()]).toEqual([false, 29]);
  await createDocumentStore(beside.pool, beside.content).change([1], NOW, async (known) => {
    const snapshot = known.get(1)?.snapshot;
    return new Map(snapshot ? [[1, { ...snapshot, askedAt: NOW }]] : []);
  });
  expect(await openCount()).toBe(29);
  await older.end();
  await expect
    .poll(async () => {
      await beside.content.look();
      return beside.content.isOn();
    })
    .toBe(true);
  await seal();
  expect(await openCount()).toBe(0);
  // Whatever wrote it: it is found whenever the step is made again.
  await store.pool.query(`UPDATE document SET observed = '{"id": 1}' WHERE id = 1`);
  await seal();
  expect(await openCount()).toBe(0);
});

it('costs an index that is empty, however many rows are sealed', async () => {
  await former(2_000);
  const { seal } = createFormerContent({ pool: store.pool, content: store.content });
  while (await seal());
  await store.pool.query('VACUUM ANALYZE document, run, assignment');
  const { rows } = await store.pool.query(
    `EXPLAIN SELECT id, last_text, outcome FROM run WHERE jsonb_typeof(last_text) = 'object' OR jsonb_typeof(outcome) = 'object'
     ORDER BY id LIMIT 200 FOR NO KEY UPDATE SKIP LOCKED`,
  );
  expect(JSON.stringify(rows)).toContain('run_unsealed');
}, 30_000);
