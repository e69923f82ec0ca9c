import { readdir, readFile, rm } from 'node:fs/promises';
import type { ClientBase } from 'pg';
import { expect, it } from 'vitest';
import { createToldFacts } from '../../src/store/outbox/told-facts.ts';
import { createClaimedRuns } from '../../src/store/runs/claimed-runs.ts';
import { loadSecretKeys } from '../../src/store/secrets/secrets.ts';
import { openStore } from '../../src/store/store.ts';
import { memoryLog, openFolder, type StoreBench, storeBench } from './bench.ts';

const FOLDER = new URL('../../src/store/migrations/', import.meta.url);

/** Makes the tables in a schema of their own, and fills those of the version before `migration` on the way. */
async function update(client: ClientBase, migration: string, fill: () => Promise<unknown>): Promise<void> {
  await client.query('CREATE SCHEMA earlier; SET search_path TO earlier');
  for (const name of (await readdir(FOLDER)).sort()) {
    if (name.startsWith(migration)) await fill();
    const [up = ''] = (await readFile(new URL(name, FOLDER), 'utf8')).split('-- Down Migration');
    await client.query(up);
  }
}

const downOf = async (name: string) =>
  (await readFile(new URL(name, FOLDER), 'utf8')).split('-- Down Migration')[1] ?? '';

it('documents that an earlier version bound to slots are watched after the update', async () => {
  const bench = await storeBench();
  const { pool } = await bench.open();
  const client = await pool.connect();
  try {
    await update(client, '004', async () => {
      await client.query(
        `INSERT INTO document_slot (portal, item_code, slot, document_id, url)
           VALUES ('p', 'DEAL_1', 'contract', 1, 'u'), ('p', 'DEAL_1', 'nda', 2, 'u'),
             ('p', 'DEAL_1', 'copy', 1, 'u'), ('p', 'DEAL_2', 'contract', 2, 'u')`,
      );
    });
    const { rows } = await client.query(
      `SELECT item_code, document_id::int, made, look_at <= now() AS looked, show_at IS NOT NULL AS due
       FROM watched_document JOIN document ON document.id = document_id ORDER BY 1, 2`,
    );
    const watched = { made: false, looked: true, due: true };
    expect(rows).toEqual([
      { item_code: 'DEAL_1', document_id: 1, ...watched },
      { item_code: 'DEAL_1', document_id: 2, ...watched },
      { item_code: 'DEAL_2', document_id: 2, ...watched },
    ]);
  } finally {
    client.release(true);
    await bench.close();
  }
}, 30_000);

it('comments that an earlier version had still to leave are left after the update', async () => {
  const bench = await storeBench();
  const { pool } = await bench.open();
  const client = await pool.connect();
  try {
    await update(client, '019', async () => {
      for (const [id, ending, state] of [
        ['r1', 'input_invalid', 'due'],
        ['r2', 'expired', 'due'],
        ['r3', 'input_invalid', 'sent'],
      ])
        await client.query(
          `WITH ended AS (INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, received_at, deadline_at,
                 next_at, ending, last_text, ended_at)
               VALUES ($1, 'm', 'p', 'robot', 'DEAL_1', 'sealed', false, 'ended', now(), now(), now(), $2, '{"ru": "т", "en": "t"}', now()) RETURNING id)
             INSERT INTO answer (run_id, member_id, kind, number, payload, state, due_at) SELECT id, 'm', 'comment', 1, 'sealed', $3, now() FROM ended`,
          [id, ending, state],
        );
    });
    const { rows } = await client.query(
      `SELECT run_id, portal, robot, item_code, code, text, wants_answer, quiet, told FROM failure ORDER BY id`,
    );
    const taken = { portal: 'p', robot: 'robot', item_code: 'DEAL_1', text: { ru: 'т', en: 't' } };
    const open = { ...taken, wants_answer: false, told: null };
    expect(rows).toEqual([
      { ...open, run_id: 'r1', code: 'input_invalid', quiet: false },
      { ...open, run_id: 'r2', code: 'expired', quiet: true },
    ]);
    const answers = await client.query('SELECT run_id, kind, state FROM outbox');
    expect(answers.rows).toEqual([{ run_id: 'r3', kind: 'comment', state: 'sent' }]);
  } finally {
    client.release(true);
    await bench.close();
  }
}, 30_000);

it('processes that start together on an empty database make its tables once', async () => {
  const dataDir = await openFolder();
  const keys = await loadSecretKeys({ dataDir });
  const lines: StoreBench['lines'] = [];
  const log = memoryLog(lines);
  const started = await Promise.all(
    [1, 2, 3].map(() => openStore({ dataDir, keys, log, now: () => new Date() })),
  );
  expect(lines.filter(({ event }) => event === 'database.migrated')).toEqual([
    expect.objectContaining({ facts: { steps: expect.arrayContaining(['001_store']) } }),
  ]);
  const [first, , last] = started;
  await first?.installations().set('m', { refreshToken: 'canary' });
  expect(await last?.installations().get('m')).toEqual({ refreshToken: 'canary' });
  for (const store of started) await store.close();
  await rm(dataDir, { recursive: true, force: true });
}, 30_000);

it('a run that an earlier version was at is taken up and counted from the beginning', async () => {
  const bench = await storeBench();
  const { pool, content } = await bench.open();
  const client = await pool.connect();
  try {
    await update(client, '013', async () => {
      await client.query(
        `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, holder, lease_until, received_at, deadline_at, next_at)
           VALUES ('r', 'm', 'm', 'robot', 'DEAL_1', 'x', true, 'running', 'earlier', now() - interval '1 s', now(), now(), now())`,
      );
    });
    const claimed = createClaimedRuns(client as never, content, 'later');
    expect(await claimed.reclaim(new Date())).toBe(1);
    const line = { memberId: 'm', robot: 'robot', running: 0, free: 1 };
    expect(await claimed.claim(new Date(Date.now() + 1_000), 1, [line])).toMatchObject([
      { id: 'r', holder: 'later', takes: 1, lost: 0, abandoned: 1 },
    ]);
  } finally {
    client.release(true);
    await bench.close();
  }
}, 30_000);

it('what an earlier version had to send is sent after the update, and what it told stays told', async () => {
  const bench = await storeBench();
  const { pool } = await bench.open();
  const client = await pool.connect();
  try {
    await update(client, '026', async () => {
      await client.query(`
        INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, received_at, deadline_at, next_at, ended_at)
          VALUES ('r', 'm', 'p', 'robot', 'DEAL_1', 'x', true, 'ended', now(), now(), now(), '2026-03-01');
        INSERT INTO answer (run_id, member_id, kind, number, payload, state, due_at, attempts, sent_at)
          VALUES ('r', 'm', 'result', 1, 'sealed', 'sent', '2026-03-01', 1, '2026-03-02'), ('r', 'm', 'result', 2, 'sealed', 'due', '2026-03-03', 0, NULL);
        INSERT INTO failure (id, run_id, portal, robot, item_code, code, wants_answer, quiet, failed_at, told)
          OVERRIDING SYSTEM VALUE VALUES (4, 'r', 'p', 'robot', 'DEAL_1', 'c', true, false, '2026-03-01', 'item');
        INSERT INTO telling (id, portal, document_id, failure_id, item_code, kind, code, key, payload, state, created_at, due_at, attempts, user_id, message)
          OVERRIDING SYSTEM VALUE VALUES (7, 'p', 5, NULL, 'DEAL_1', 'trigger', 'directum_approved', '', NULL, 'sent', '2026-03-01', '2026-03-01', 1, NULL, NULL),
            (8, 'p', 5, NULL, 'DEAL_1', 'trigger', 'directum_signed_us', '', NULL, 'due', '2026-03-01', '2026-03-01', 0, NULL, NULL),
            (9, 'p', 5, NULL, 'DEAL_1', 'notice', 'approved', '', 'sealed', 'due', '2026-03-01', '2026-03-01', 0, NULL, NULL),
            (10, 'p', 5, NULL, 'DEAL_1', 'notice', 'signed', '', 'sealed', 'due', '2026-03-01', '2026-03-01', 0, 3, NULL),
            (11, 'p', 5, NULL, 'DEAL_1', 'notice', 'rework', '1', 'sealed', 'due', '2026-03-01', '2026-03-01', 1, 3, 'digest/11'),
            (12, 'p', NULL, 4, 'DEAL_1', 'comment', 'c', '4', 'sealed', 'due', '2026-03-01', '2026-03-02', 1, NULL, NULL);
        INSERT INTO mirrored_task (portal, assignment_id, item_code, document_id, wanted, wanted_hash, due_at, attempts)
          VALUES ('p', 21, 'DEAL_1', 5, 'x', 'x', '2026-03-01', 2), ('p', 22, 'DEAL_1', 5, 'x', 'x', NULL, 0)`);
    });
    const { rows } = await client.query(
      `SELECT lane, recipient, dedupe_key, state, due_at::date::text AS due, locked_until IS NOT NULL AS lost, message FROM outbox ORDER BY id`,
    );
    const row = { recipient: 'p', state: 'due', due: '2026-03-01', lost: false, message: null };
    const digest = { message: 'digest/11' };
    expect(rows).toEqual([
      { ...row, lane: 'trigger', dedupe_key: 'DEAL_1/5/directum_approved/', state: 'sent' },
      { ...row, lane: 'trigger', dedupe_key: 'DEAL_1/5/directum_signed_us/' },
      { ...row, lane: 'address', dedupe_key: 'DEAL_1/5/approved/' },
      { ...row, lane: 'gather', dedupe_key: 'DEAL_1/5/signed/' },
      { ...row, lane: 'message', dedupe_key: 'DEAL_1/5/rework/1', ...digest },
      { ...row, lane: 'comment', dedupe_key: 'failure 4', due: '2026-03-02', lost: true },
      { ...row, lane: 'first', recipient: 'm', dedupe_key: 'r/1', state: 'sent' },
      { ...row, lane: 'second', recipient: 'm', dedupe_key: 'r/2', due: '2026-03-03' },
      { ...row, lane: 'task', dedupe_key: '21' },
    ]);
    // A fact that was told is known by its key.
    const fact = { portal: 'p', documentId: 5, itemCode: 'DEAL_1', key: '', payload: null };
    await createToldFacts(pool).add(
      client,
      ['directum_approved', 'directum_executed'].map((code) => ({ ...fact, kind: 'trigger', code })),
      new Date(),
    );
    const facts = await client.query(`SELECT code FROM outbox WHERE kind = 'trigger' ORDER BY id`);
    expect(facts.rows.map(({ code }) => code)).toEqual([
      'directum_approved',
      'directum_signed_us',
      'directum_executed',
    ]);
  } finally {
    client.release(true);
    await bench.close();
  }
}, 30_000);

it('the update can be taken back', async () => {
  const bench = await storeBench();
  const { pool } = await bench.open();
  const client = await pool.connect();
  try {
    await update(client, 'none', async () => undefined);
    const down = await downOf('026_outbox.sql');
    await client.query(`
      INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, received_at, deadline_at, next_at)
        VALUES ('r', 'm', 'p', 'robot', 'DEAL_1', 'x', true, 'ended', now(), now(), now());
      INSERT INTO mirrored_task (portal, assignment_id, item_code, document_id, wanted, wanted_hash) VALUES ('p', 21, 'DEAL_1', 5, 'x', 'x');
      INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, run_id, document_id, item_code, key, payload, created_at, due_at)
        VALUES ('m', 'p', 'answer', 'second', 'r/2', 'r', NULL, 'DEAL_1', '', 'sealed', now(), now()),
          ('p', 'p', 'trigger', 'trigger', 'x', NULL, 5, 'DEAL_1', '', NULL, now(), now()),
          ('p', 'p', 'task', 'task', '21', NULL, 5, 'DEAL_1', '21', NULL, now(), now())`);
    await client.query(down);
    const { rows } = await client.query(
      `SELECT number, (SELECT kind FROM telling), (SELECT due_at IS NOT NULL AS due FROM mirrored_task) FROM answer`,
    );
    expect(rows).toEqual([{ number: 2, kind: 'trigger', due: true }]);
  } finally {
    client.release(true);
    await bench.close();
  }
}, 30_000);
