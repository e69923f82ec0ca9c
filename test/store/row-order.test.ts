import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { WantedTask } from '../../src/documents/facts/assignment-tasks.ts';
import type { Assignment } from '../../src/documents/ports/document.ts';
import { inTransaction } from '../../src/store/db/transaction.ts';
import { createDealProjection } from '../../src/store/documents/deal-projection.ts';
import type { DocumentClient } from '../../src/store/documents/kept-snapshots.ts';
import { createSyncedTasks } from '../../src/store/documents/synced-tasks.ts';
import { createDocumentStore } from '../../src/store/documents/watched-documents.ts';
import { writePeople } from '../../src/store/journal/write-journal.ts';
import { createNotices } from '../../src/store/outbox/notices.ts';
import { createOutbox } from '../../src/store/outbox/outbox.ts';
import { createToldFacts, type OutboxClient } from '../../src/store/outbox/told-facts.ts';
import { createClaimedRuns } from '../../src/store/runs/claimed-runs.ts';
import { createIncomingCalls } from '../../src/store/runs/incoming-calls.ts';
import { createPastRuns } from '../../src/store/runs/past-runs.ts';
import { createRunStore } from '../../src/store/runs/runs.ts';
import { createWaits } from '../../src/store/runs/waits.ts';
import { loadSecretKeys } from '../../src/store/secrets/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import { type StoreBench, storeBench } from './bench.ts';
import { blocked, holding } from './row-locks.ts';

const NOW = new Date('2026-03-02T10:00:00Z');
/** As they lie in their tables, and as they come with what is asked. */
const BACKWARDS = [2, 1];
const ITEMS = BACKWARDS.map((documentId) => ({ itemCode: `DEAL_${documentId}`, documentId }));
let bench: StoreBench;
let store: Store;
beforeAll(async () => {
  bench = await storeBench();
  const first = await bench.open();
  // Rows are found as they lie, as in a table of which many rows are wanted.
  const database = new URL(bench.url).pathname.slice(1);
  for (const way of ['indexscan', 'bitmapscan'])
    await first.pool.query(`ALTER DATABASE ${database} SET enable_${way} = off`);
  store = await bench.open();
}, 20_000);
afterAll(() => bench.close());
beforeEach(async () => {
  const { pool } = store;
  await pool.query('TRUNCATE run, document, document_slot, document_task, outbox, mirrored_task CASCADE');
  for (const id of BACKWARDS) {
    await pool.query(`
      INSERT INTO document (id) VALUES (${id});
      INSERT INTO document_slot (portal, item_code, slot, document_id, url) VALUES ('p', 'DEAL_${id}', 'contract', ${id}, '');
      INSERT INTO outbox (id, recipient, portal, document_id, item_code, kind, lane, dedupe_key, code, key, created_at, due_at, user_id)
        OVERRIDING SYSTEM VALUE SELECT ${id} + n, 'p', 'p', 1, 'DEAL_1', kind, lane, concat_ws('/', 'DEAL_1', 1, 'due', ${id} + n), 'due',
          ${id} + n, '2026-03-01', '2026-03-01', person
        FROM (VALUES (0, 'notice', 'gather', 7), (10, 'notice', 'address', NULL), (30, 'task', 'task', NULL)) AS rows (n, kind, lane, person);
      UPDATE outbox SET dedupe_key = '${id}' WHERE id = ${id} + 30;
      INSERT INTO mirrored_task (portal, assignment_id, item_code, document_id, wanted, wanted_hash)
        VALUES ('p', ${id}, 'DEAL_1', 1, '', '');
      INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, holder, last_code, received_at, deadline_at, next_at)
        SELECT state || '${id}', 'm', 'p', 'r', state || '${id}', '', true, state, 'me', 'down', '2026-03-02', '2026-03-02', '2026-04-01'
        FROM unnest('{accepted,running,waiting}'::text[]) AS state;
      INSERT INTO wait (run_id, document_id, wait_for, deadline_at, facts, seen, created_at)
        VALUES ('waiting${id}', ${id}, 'signed', '2026-03-02', '{}', '', '2026-03-02');
      INSERT INTO outbox (id, recipient, portal, run_id, item_code, kind, lane, dedupe_key, payload, created_at, due_at)
        OVERRIDING SYSTEM VALUE VALUES (${id} + 20, 'm', 'p', 'running${id}', '', 'answer', 'first', '${id}', '', '2026-03-02', '2026-03-02')`);
  }
});

const outbox = () => createOutbox(store.pool);
const notices = () => createNotices(store.pool);
const toldFacts = () => createToldFacts(store.pool);
const seal = { encrypt: (text: string) => text, decrypt: (text: string) => text };
const syncedTasks = () => createSyncedTasks({ pool: store.pool, seal, on: true, log: bench.log });
const projection = () => createDealProjection(store.pool, store.content);
const waits = () => createWaits(store.pool, store.content);
const runs = () => createRunStore(store.pool, store.pool, store.content);
const within = (work: (client: OutboxClient) => Promise<void>) => inTransaction(store.pool, work);
const task = (assignmentId: number) => ({ portal: 'p', assignmentId });

/** Documents whose tasks change in one transaction. */
const wanted = [1, 2].map((documentId) => ({
  documentId,
  items: [],
  tasks: [{ assignmentId: documentId, open: true, hash: 'new', shown: {} } as unknown as WantedTask],
}));

/** Somebody has what `first` takes; whoever waits for that must hold nothing that comes after it. */
async function waitsForFirst(
  { first, second }: { first: string; second: string },
  work: () => Promise<unknown>,
): Promise<void> {
  const waiting: Promise<unknown>[] = [];
  await holding(store, first, async (query) => {
    waiting.push(work());
    await blocked(store, 1);
    expect((await query(second)).rowCount).toBe(1);
  });
  await Promise.all(waiting);
}

const rowsOf = (table: string, key: string, prefix = '') => ({
  first: `SELECT 1 FROM ${table} WHERE ${key} = '${prefix}1' FOR UPDATE`,
  second: `SELECT 1 FROM ${table} WHERE ${key} = '${prefix}2' FOR UPDATE`,
});
const settled = { state: 'sent' as const, takes: 0, dueAt: NOW, error: null };
const addressed = BACKWARDS.map((id) => ({ id: String(id + 10), takes: 0, userId: 7, payload: '' }));

it.each([
  ['put off', '', () => within((client) => toldFacts().cancelDates(client, 1, []))],
  ['addressed', '1', () => notices().address(addressed, NOW)],
  ['made messages', '', () => notices().takeMessages(['p'], NOW, NOW, 50)],
  [
    'settled',
    '',
    () =>
      outbox().settle(
        BACKWARDS.map((id) => ({ ...settled, id: String(id) })),
        NOW,
      ),
  ],
  ['forgotten', '', () => toldFacts().forget('p')],
])('facts that are %s are locked in one order', async (_, prefix, work) => {
  await waitsForFirst(rowsOf('outbox', 'id', prefix), work);
});

it('a fact that was told before is not waited for while it is settled', async () => {
  const known = { portal: 'p', documentId: 1, itemCode: 'DEAL_1', code: 'due', key: '1', payload: null };
  await holding(store, 'UPDATE outbox SET attempts = 1 WHERE id = 1', () =>
    within(async (client) => {
      await client.query('SET LOCAL lock_timeout = 300');
      await toldFacts().add(client, [{ ...known, kind: 'notice' }], NOW);
    }),
  );
  expect((await store.pool.query('SELECT 1 FROM outbox')).rowCount).toBe(8);
});

it.each([
  ['tried', () => syncedTasks().trying(BACKWARDS.map(task))],
  [
    'settled',
    () =>
      syncedTasks().keep(
        BACKWARDS.map((id) => ({ ...task(id), taskId: id, ended: false, again: false })),
        NOW,
      ),
  ],
  [
    'written again',
    () =>
      syncedTasks().again(
        'p',
        BACKWARDS.map((assignmentId) => ({ assignmentId, reopen: false })),
        NOW,
      ),
  ],
  ['recorded', () => within((client) => syncedTasks().record(client, wanted, NOW))],
  ['forgotten', () => syncedTasks().forget('p')],
])('tasks that are %s are locked in one order', async (_, work) => {
  await waitsForFirst(rowsOf('mirrored_task', 'assignment_id'), work);
});

it.each([
  ['recorded', () => within((client) => syncedTasks().record(client, wanted, NOW))],
  ['forgotten', () => syncedTasks().forget('p')],
  [
    'settled',
    () =>
      outbox().settle(
        BACKWARDS.map((id) => ({ ...settled, id: String(id + 30) })),
        NOW,
      ),
  ],
])('rows of the outbox for tasks that are %s are locked in one order', async (_, work) => {
  await waitsForFirst(rowsOf('outbox', 'id', '3'), work);
});

it.each([
  [
    'written to',
    () =>
      projection().keepFields(
        'p',
        ITEMS.map((item) => ({ ...item, shownFields: {} as never, changed: [] })),
        NOW,
      ),
  ],
  [
    'found otherwise',
    () =>
      projection().forget(
        'p',
        ITEMS.map((item) => ({ ...item, fields: true, activity: false })),
        NOW,
      ),
  ],
  ['of a portal that is forgotten', () => store.forgetPortal('p')],
])('slots that are %s are locked in one order', async (_, work) => {
  await waitsForFirst(rowsOf('document_slot', 'item_code', 'DEAL_'), work);
});

it.each([
  ['woken at their limit', 'waiting', () => waits().wakeExpired(NOW)],
  [
    'woken by their documents',
    'waiting',
    () =>
      waits().wakeChanged(
        BACKWARDS.map((id) => ({ id, seen: 'new' })),
        NOW,
      ),
  ],
  ['hastened', 'accepted', () => runs().hasten('down', NOW)],
  ['cancelled', 'accepted', () => runs().cancelOf('m', NOW)],
  [
    'released',
    'running',
    () =>
      createClaimedRuns(store.pool, store.content, 'me').release(
        ITEMS.map(({ documentId }) => ({ id: `running${documentId}`, holder: 'me', takes: 0 })),
      ),
  ],
])('runs that are %s are locked in one order', async (_, prefix, work) => {
  await waitsForFirst(rowsOf('run', 'id', prefix), work);
});

it.each([
  [
    'settled',
    () =>
      outbox().settle(
        BACKWARDS.map((id) => ({ ...settled, id: String(id + 20) })),
        NOW,
      ),
  ],
  ['of a portal that left', () => runs().cancelOf('m', NOW)],
])('answers that are %s are locked in one order', async (_, work) => {
  await waitsForFirst(rowsOf('outbox', 'id', '2'), work);
});

it.each([
  ['failures', 'failure'],
  ['what was told of failures', 'outbox'],
])('%s of runs that are deleted for their age are locked in one order', async (_, table) => {
  await store.pool.query('TRUNCATE outbox');
  for (const id of BACKWARDS)
    await store.pool.query(`
      INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, received_at, deadline_at, next_at, ended_at)
        VALUES ('ended${id}', 'm', 'p', 'r', 'DEAL_1', '', true, 'ended', '2020-01-01', '2020-01-01', '2020-01-01', '2020-01-0${3 - id}');
      INSERT INTO failure (id, run_id, portal, robot, item_code, code, wants_answer, quiet, failed_at, told)
        OVERRIDING SYSTEM VALUE VALUES (${id}, 'ended${id}', 'p', 'r', 'DEAL_1', 'down', true, false, '2020-01-01', 'item');
      INSERT INTO outbox (id, recipient, portal, failure_id, item_code, kind, lane, dedupe_key, code, key, state, created_at, due_at)
        OVERRIDING SYSTEM VALUE VALUES (${id}, 'p', 'p', ${id}, 'DEAL_1', 'comment', 'comment', '${id}', 'down', '${id}', 'sent', '2020-01-01', '2020-01-01')`);
  await waitsForFirst(rowsOf(table, 'id'), () => createPastRuns(store.pool).deleteEnded(NOW, 365, null, 200));
});

it('documents of tasks are pointed to in one order', async () => {
  const tasks = [1, 2].map((id) => ({ id, documentIds: [3 - id] }));
  await waitsForFirst(rowsOf('document', 'id'), () =>
    createDocumentStore(store.pool, store.content).keepTasks(tasks),
  );
});

it('assignments that several documents show are written in one order', async () => {
  const assignments = BACKWARDS.map((id) => ({ id, taskId: 70 }) as Assignment);
  const keep = (client: DocumentClient) =>
    createDocumentStore(store.pool, store.content).keepAssignments(client, assignments);
  await inTransaction(store.pool, keep);
  await waitsForFirst(rowsOf('assignment', 'id'), () => inTransaction(store.pool, keep));
});

it('calls that come twice become runs in one order', async () => {
  const calls = createIncomingCalls({
    pool: store.pool,
    keys: await loadSecretKeys({ dataDir: bench.dataDir }),
    now: () => new Date(),
  });
  const again = BACKWARDS.map((id) => ({
    id: `new${id}`,
    memberId: 'm',
    portal: 'p',
    robot: 'r',
    itemCode: `DEAL_${id}`,
    call: '{}',
    wantsAnswer: true,
    receivedAt: NOW,
    deadlineAt: NOW,
  }));
  const insert = (id: string) =>
    `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, received_at, deadline_at, next_at)
     VALUES ('${id}', 'm', 'p', 'r', 'DEAL_1', '', true, now(), now(), now())`;
  await waitsForFirst({ first: insert('new1'), second: insert('new2') }, () => calls.accept(again));
});

it('people that are remembered are locked in one order, and those known so are not waited for', async () => {
  const people = (name: string) => BACKWARDS.map((id) => ({ key: `directum ${id}`, name, email: null }));
  await store.pool.query('TRUNCATE journal_person');
  await within((client) => writePeople(client, people('Анна')));
  await waitsForFirst(rowsOf('journal_person', 'key', 'directum '), () =>
    within((client) => writePeople(client, people('Пётр'))),
  );
  await holding(store, rowsOf('journal_person', 'key', 'directum ').first, () =>
    within(async (client) => {
      await client.query('SET LOCAL lock_timeout = 300');
      await writePeople(client, people('Пётр'));
    }),
  );
});
