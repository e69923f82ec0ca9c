import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isOutage } from '../../src/store/db/outage.ts';
import { createCache } from '../../src/store/secrets/cache.ts';
import { createDocuments, createEncryptedKv } from '../../src/store/secrets/encrypted-kv.ts';
import { createSecretKeys, loadSecretKeys, parseSecretKeys } from '../../src/store/secrets/secrets.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { passingTime } from '../passing-time.ts';
import { type StoreBench, storeBench } from './bench.ts';

let bench: StoreBench;
let store: Store;
let other: Store;
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
  other = await bench.open();
}, 20_000);
afterAll(() => bench.close());

const CANARY = 'canary-token-5f2c';

describe('installations', () => {
  it('are read back by another process and listed', async () => {
    await store.installations().set('member-1', { refreshToken: CANARY });
    expect(await other.installations().get('member-1')).toEqual({ refreshToken: CANARY });
    expect(await other.installations().list()).toEqual([
      { key: 'member-1', value: { refreshToken: CANARY } },
    ]);
    expect(await other.installations().get('member-2')).toBeNull();
  });

  it('lie encrypted in the table', async () => {
    await store.installations().set('member-1', { refreshToken: CANARY });
    const { rows } = await store.pool.query('SELECT value FROM keyv');
    expect(rows.length).toBeGreaterThan(0);
    for (const { value } of rows) expect(value).toMatch(/^v1\.k1\.[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(JSON.stringify(rows)).not.toContain(CANARY);
  });

  it('are an error, not absent, when the key is missing', async () => {
    await store.installations().set('member-1', { refreshToken: CANARY });
    const keys = createSecretKeys(parseSecretKeys(`x:${Buffer.alloc(32).toString('base64')}`));
    const kv = createEncryptedKv({ pool: store.pool, keys, namespace: 'installation' });
    await expect(kv.get('member-1')).rejects.toThrow('no key with id k1');
  });

  it('whose key is gone take no other with them', async () => {
    await store.installations().set('member-1', { refreshToken: CANARY });
    const keys = createSecretKeys(parseSecretKeys(`x:${Buffer.alloc(32).toString('base64')}`));
    const documents = createDocuments({ pool: store.pool, keys, namespace: 'installation' });
    await documents.set('member-0', { known: true });
    expect(await documents.list()).toEqual([
      { key: 'member-0', value: { known: true } },
      { key: 'member-1', value: null },
    ]);
    await documents.delete('member-0');
  });

  it('are an error, not absent, when the database is away', async () => {
    const pool = new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' });
    const keys = await loadSecretKeys({ dataDir: bench.dataDir });
    const kv = createEncryptedKv({ pool, keys, namespace: 'installation' });
    await expect(kv.get('member-1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(kv.set('member-1', {})).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await pool.end();
  });

  it('are written together with what belongs to their change, or not at all', async () => {
    await store.installations().set('member-3', { state: 'active' });
    const also = (sql: string) => async (client: pg.ClientBase) => void (await client.query(sql));
    const refused = store.installations().set('member-3', { state: 'paused' }, also('SELECT 1 / 0'));
    await expect(refused).rejects.toMatchObject({ code: '22012' });
    expect(await other.installations().get('member-3')).toEqual({ state: 'active' });
    await store.installations().set('member-3', { state: 'paused' }, also('SELECT 1'));
    expect(await other.installations().get('member-3')).toEqual({ state: 'paused' });
    await store.installations().delete('member-3');
  });

  it('survive the loss of idle connections', async () => {
    await store.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'directum-robots' AND datname = current_database() AND pid <> pg_backend_pid()",
    );
    await sleep(50);
    await store.installations().set('member-1', { refreshToken: CANARY });
    expect(await other.installations().get('member-1')).toEqual({ refreshToken: CANARY });
  });
});

describe('slots', () => {
  it('bind a document whatever the case of the slot, and forget it when released', async () => {
    const slots = store.slots('p1', 'DEAL_915', 'run-1');
    expect(slots.externalId('Contract')).toBe('b24:p1:DEAL_915:contract');
    await slots.bind('Contract', { id: 5_000_000_001, url: 'https://rx/1', file: { size: 3, sha256: 'ab' } });
    await slots.bind('contract', { id: 5_000_000_001, url: 'https://rx/1' });
    expect(await other.slots('p1', 'DEAL_915', 'run-2').find('CONTRACT')).toBe(5_000_000_001);
    const { rows } = await store.pool.query('SELECT file_sha256 FROM document_slot');
    expect(rows).toEqual([{ file_sha256: 'ab' }]);
    expect(await store.slots('p2', 'DEAL_915', 'run-1').find('contract')).toBeNull();
    await slots.release('CONTRACT', 5_000_000_002);
    expect(await slots.find('contract')).toBe(5_000_000_001);
    await slots.release('CONTRACT', 5_000_000_001);
    expect(await slots.find('contract')).toBeNull();
  });

  it('know which run began to make the document', async () => {
    await store.slots('p1', 'DEAL_916', 'run-1').begin('contract');
    expect(await other.slots('p1', 'DEAL_916', 'run-1').begunByThisRun('Contract')).toBe(true);
    expect(await other.slots('p1', 'DEAL_916', 'run-2').begunByThisRun('contract')).toBe(false);
  });
});

it('pairs are bound, replaced and forgotten with their portal', async () => {
  const of = (portal: string, from = store) => from.counterpartyLinks(portal, 'DEAL_1', 'run-1');
  const counterpartyLinks = of('p3');
  expect(counterpartyLinks.externalId('COMPANY_44')).toBe('b24:p3:COMPANY_44');
  await counterpartyLinks.bind('COMPANY_44', { id: 1, type: 'company' });
  await counterpartyLinks.bind('COMPANY_44', { id: 2, type: 'bank' });
  await of('p30').bind('COMPANY_44', { id: 3, type: 'company' });
  expect(await of('p3', other).find('COMPANY_44')).toEqual({ id: 2, type: 'bank' });
  await store.forgetPortal('p3');
  expect(await counterpartyLinks.find('COMPANY_44')).toBeNull();
  expect(await of('p30').find('COMPANY_44')).toEqual({ id: 3, type: 'company' });
});

describe('cache', () => {
  it('keeps values for other processes until their time is over', async () => {
    let time = Date.now();
    const passing = passingTime();
    const cache = createCache({
      pool: store.pool,
      content: store.content,
      log: bench.log,
      now: () => new Date(time),
    });
    await cache.set('kinds', [{ id: 1, name: "'; DROP" }], 1_000);
    expect(await other.cache.get('kinds')).toEqual([{ id: 1, name: "'; DROP" }]);
    time += 1_001;
    passing.pass(1_001);
    expect(await cache.get('kinds')).toBeUndefined();
    await cache.set('near', 1, 1_000);
    // In memory it is over in its time though the wall clock was set back, and in the database clock.ts sees to it.
    time -= 3_600_000;
    await store.pool.query('DELETE FROM cache_entry');
    passing.pass(1_001);
    expect(await cache.get('near')).toBeUndefined();
  });

  it('holds at most 1000 entries in memory and finds the others in the database', async () => {
    const cache = createCache({
      pool: store.pool,
      content: store.content,
      log: bench.log,
      now: () => new Date(),
    });
    for (let n = 0; n < 1_010; n += 1) await cache.set(`entry-${n}`, n, 60_000);
    await store.pool.query('DELETE FROM cache_entry');
    expect(await cache.get('entry-5')).toBeUndefined();
    expect(await cache.get('entry-1009')).toBe(1009);
  });
});

it('a transaction of a process that stands still is ended after a lease, and with it its locks', async () => {
  const keys = await loadSecretKeys({ dataDir: bench.dataDir });
  const options = {
    databaseUrl: bench.url,
    dataDir: bench.dataDir,
    keys,
    log: bench.log,
    now: () => new Date(),
    leaseMs: 300,
  };
  const still = await openStore(options);
  for (const pool of [still.pool, still.asyncCommitPool]) {
    const client = await pool.connect();
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock(4711)');
    // Waits for the lock as other processes do.
    await store.pool.query('SELECT pg_advisory_xact_lock(4711)');
    const late = await client.query('SELECT 1').catch((error) => error);
    expect(isOutage(late)).toBe(true);
    client.release(true);
  }
  await still.close();
});
