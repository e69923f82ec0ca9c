import { readdir, readFile, rm } from 'node:fs/promises';
import type { ClientBase } from 'pg';
import { expect, it } from 'vitest';
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
    const answers = await client.query('SELECT run_id, state FROM answer');
    expect(answers.rows).toEqual([{ run_id: 'r3', state: 'sent' }]);
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
  const { pool } = await bench.open();
  const client = await pool.connect();
  try {
    await update(client, '013', async () => {
      await client.query(
        `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, holder, lease_until, received_at, deadline_at, next_at)
           VALUES ('r', 'm', 'm', 'robot', 'DEAL_1', 'x', true, 'running', 'earlier', now() - interval '1 s', now(), now(), now())`,
      );
    });
    const claimed = createClaimedRuns(client as never, 'later');
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
