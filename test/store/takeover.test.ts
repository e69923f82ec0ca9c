import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { loadSecretKeys } from '../../src/store/secrets.ts';
import { openStore } from '../../src/store/store.ts';
import { storeBench } from './bench.ts';

const FOLDER = new URL('../../src/store/migrations/', import.meta.url);

it('documents that an earlier version bound to slots are watched after the update', async () => {
  const bench = await storeBench();
  const { pool } = await bench.open();
  const client = await pool.connect();
  try {
    await client.query('CREATE SCHEMA earlier; SET search_path TO earlier');
    for (const name of (await readdir(FOLDER)).sort()) {
      if (name.startsWith('004')) {
        await client.query(
          `INSERT INTO document_slot (portal, item_code, slot, document_id, url)
           VALUES ('p', 'DEAL_1', 'contract', 1, 'u'), ('p', 'DEAL_1', 'nda', 2, 'u'),
             ('p', 'DEAL_1', 'copy', 1, 'u'), ('p', 'DEAL_2', 'contract', 2, 'u')`,
        );
      }
      const [up = ''] = (await readFile(new URL(name, FOLDER), 'utf8')).split('-- Down Migration');
      await client.query(up);
    }
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

it('processes that start together on an empty database make its tables once', async () => {
  const bench = await storeBench();
  const { pool, url } = await bench.open();
  await pool.query('CREATE DATABASE fresh');
  const databaseUrl = new URL(url);
  databaseUrl.pathname = '/fresh';
  const keys = await loadSecretKeys({ dataDir: bench.dataDir });
  const started = await Promise.all(
    Array.from({ length: 3 }, () =>
      openStore({
        databaseUrl: databaseUrl.href,
        dataDir: bench.dataDir,
        keys,
        log: bench.log,
        now: () => new Date(),
      }),
    ),
  );
  const migrated = bench.lines.filter(({ event }) => event === 'database.migrated');
  expect(migrated).toEqual([
    expect.objectContaining({ facts: { steps: expect.arrayContaining(['001_store']) } }),
  ]);
  const [first, , last] = started;
  await first?.installations().set('m', { refreshToken: 'canary' });
  expect(await last?.installations().get('m')).toEqual({ refreshToken: 'canary' });
  for (const store of started) await store.close();
  await bench.close();
}, 30_000);
