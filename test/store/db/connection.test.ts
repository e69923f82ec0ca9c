import { readdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { createPool } from '../../../src/store/db/connection.ts';
import { createLockSession } from '../../../src/store/locks/lock-session.ts';
import { loadSecretKeys } from '../../../src/store/secrets/secrets.ts';
import { openStore, type Store } from '../../../src/store/store.ts';
import { memoryLog, openFolder, type StoreBench } from '../bench.ts';
import { HOSTILE, type HostileDatabase, startHostileDatabase } from '../hostile-database.ts';

let database: HostileDatabase;
const opened: { close(): Promise<void> }[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  await database.stop();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function open(url: string, lines: StoreBench['lines'] = []): Promise<Store> {
  const dataDir = await openFolder();
  folders.push(dataDir);
  const keys = await loadSecretKeys({ dataDir });
  const store = await openStore({
    databaseUrl: url,
    dataDir,
    keys,
    log: memoryLog(lines),
    now: () => new Date(),
  });
  opened.push(store);
  return store;
}

const settingsOf = async (db: Pick<pg.ClientBase, 'query'>, names: string[]) => {
  const { rows } = await db.query<{ name: string; value: string }>(
    'SELECT lower(name) AS name, current_setting(name) AS value FROM pg_settings WHERE lower(name) = ANY($1)',
    [names],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
};

const OURS = {
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '3',
  array_nulls: 'on',
  standard_conforming_strings: 'on',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '1min',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
};

describe('every connection has our settings, not those of role, database or address', () => {
  it('in both pools and in the session of claims', async () => {
    database = await startHostileDatabase();
    const names = Object.keys(HOSTILE);
    const url = `${database.url}?options=-c%20datestyle%3DSQL&application_name=other&statement_timeout=900`;
    const store = await open(url);
    // A lease: so long a process that stands still may hold up others.
    const ours = { ...OURS, idle_in_transaction_session_timeout: '12s' };
    expect(await settingsOf(store.pool, names)).toEqual({ ...ours, synchronous_commit: 'on' });
    expect(await settingsOf(store.asyncCommitPool, names)).toEqual({ ...ours, synchronous_commit: 'off' });
    const session = createLockSession({ databaseUrl: url, leaseMs: 12_000, log: memoryLog([]) });
    opened.push(session);
    expect(await settingsOf(await session.current(), names)).toEqual({ ...OURS, synchronous_commit: 'on' });
    const { rows } = await store.pool.query(
      `SELECT DISTINCT application_name AS name FROM pg_stat_activity WHERE application_name LIKE 'directum-%' AND datname = current_database()`,
    );
    // By these names a restore knows that somebody is at work.
    expect(rows.map(({ name }) => name).toSorted()).toEqual([
      'directum-claims',
      'directum-robots v3',
      'directum-robots-relaxed v3',
    ]);
  });

  it('a role that waits for more than our disk goes on doing so', async () => {
    database = await startHostileDatabase({ synchronous_commit: 'remote_apply' });
    const store = await open(database.url);
    expect(await settingsOf(store.pool, ['synchronous_commit'])).toEqual({
      synchronous_commit: 'remote_apply',
    });
  });

  it('a name that the server does not know breaks nothing', async () => {
    database = await startHostileDatabase({});
    const pool = createPool({
      url: database.url,
      name: 'directum-test',
      size: 1,
      settings: { timeout_of_a_later_version: '1s' },
      onLost: () => undefined,
    });
    opened.push({ close: () => pool.end() });
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('a quiet connection stays, and so do its locks', async () => {
    database = await startHostileDatabase();
    const lines: StoreBench['lines'] = [];
    const store = await open(database.url, lines);
    const place = store.concurrencySlots('ordinary', 1);
    await place.share(() => 0);
    await sleep(1_500);
    await place.share(() => 0);
    expect(place.held()).toBe(1);
    expect(lines.filter(({ event }) => event.endsWith('connection_lost'))).toEqual([]);
  });
});

describe('the tables are where the first start put them', () => {
  const MIGRATIONS = new URL('../../../src/store/migrations/', import.meta.url);
  const schemasOf = async (table: string) =>
    (
      await database.ask<{ nspname: string }>(
        `SELECT nspname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = '${table}' ORDER BY 1`,
      )
    ).map(({ nspname }) => nspname);

  it('and a role that may make none there is told what it lacks, until they are made', async () => {
    database = await startHostileDatabase({});
    await database.ask(`CREATE ROLE guest LOGIN PASSWORD 'guest'`);
    await database.ask('CREATE SCHEMA theirs');
    await database.ask('ALTER ROLE guest SET search_path = theirs');
    await database.ask('GRANT USAGE ON SCHEMA theirs TO guest');
    const url = new URL(database.url);
    [url.username, url.password] = ['guest', 'guest'];
    await expect(open(url.href)).rejects.toThrow(
      'DATABASE_URL: the role guest may make no tables in the schema theirs. As its owner run: GRANT CREATE, USAGE ON SCHEMA theirs TO guest;',
    );
    await database.ask('GRANT CREATE ON SCHEMA theirs TO guest');
    await open(url.href);
    await database.ask('REVOKE CREATE ON SCHEMA theirs FROM guest');
    await open(url.href);
    for (const each of opened.splice(0)) await each.close();
    // A role is the server's, which other databases share.
    await database.ask('DROP OWNED BY guest CASCADE');
    await database.ask('DROP ROLE guest');
  });

  it('whatever stands before their schema on the path later', async () => {
    database = await startHostileDatabase({});
    await database.ask('CREATE SCHEMA earlier');
    await database.ask('CREATE TABLE earlier.clock (x int)');
    await database.setDefault('search_path', 'earlier, public');
    const store = await open(database.url);
    await store.clock.look();
    expect(await schemasOf('run')).toEqual(['public']);
    expect((await store.pool.query('SHOW search_path')).rows).toEqual([{ search_path: 'public' }]);
  });

  it.each([
    ['a schema of its own', 'own', 'own'],
    ['no path at all', "''", 'public'],
  ])('%s', async (_what, path, schema) => {
    database = await startHostileDatabase({});
    await database.ask('DROP SCHEMA public CASCADE');
    await database.ask(`CREATE SCHEMA ${schema}`);
    await database.setDefault('search_path', path);
    const store = await open(database.url);
    for (const table of ['run', 'clock', 'schema_migration'])
      expect(await schemasOf(table)).toEqual([schema]);
    expect((await store.pool.query('SELECT name FROM schema_migration')).rowCount).toBe(
      (await readdir(MIGRATIONS)).length,
    );
  });

  it('also with the list of migrations where an earlier version kept it', async () => {
    database = await startHostileDatabase({});
    await database.ask('CREATE SCHEMA own');
    const tables = await database.ask<{ tablename: string }>(
      `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migration'`,
    );
    for (const { tablename } of tables) await database.ask(`ALTER TABLE public.${tablename} SET SCHEMA own`);
    await database.setDefault('search_path', 'own');
    const store = await open(database.url);
    expect(await schemasOf('schema_migration')).toEqual(['public']);
    expect((await store.pool.query('SELECT 1 FROM schema_migration')).rowCount).toBeGreaterThan(10);
    expect((await store.pool.query('SELECT 1 FROM clock')).rowCount).toBe(1);
  });
});

it('a clock that was set back between two versions does not stop the start', async () => {
  database = await startHostileDatabase({});
  await database.ask(
    `UPDATE schema_migration SET run_on = run_on - interval '3 hours' WHERE name LIKE '015%'`,
  );
  const store = await open(database.url);
  expect((await store.pool.query('SELECT 1 FROM clock')).rowCount).toBe(1);
});
