import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { LEASE_MS } from '../lib/work/leases.ts';
import type { CounterpartyLinksPort } from '../robot/ports/counterparty-links.ts';
import type { DocumentSlotsPort } from '../robot/ports/document-slots.ts';
import type { AttemptLocks, LocksPort } from '../robot/ports/locks.ts';
import type { Log } from '../robot/ports/log.ts';
import { readSchema } from './backup/tables.ts';
import { type Clock, createClock } from './db/clock.ts';
import { createPool, pin } from './db/connection.ts';
import { isOlderConnected, poolName } from './db/process-versions.ts';
import { NotThere, ToldError } from './db/told-error.ts';
import { createCounterpartyLinks } from './documents/counterparty-links.ts';
import { createDocumentSlots, forgetPortal } from './documents/document-slots.ts';
import { createPortalRate, type PortalRate } from './limits/portal-rate.ts';
import { createAdvisoryLocks } from './locks/advisory-locks.ts';
import { type ConcurrencySlots, createConcurrencySlots, type SlotKind } from './locks/concurrency-slots.ts';
import { createLockSession } from './locks/lock-session.ts';
import { startEmbedded } from './postgres/embedded.ts';
import { createRuleTables, type RuleTables } from './rules/rule-tables.ts';
import { type Cache, createCache } from './secrets/cache.ts';
import { type ContentSeal, createContentSeal } from './secrets/content-seal.ts';
import { createDocuments, type Documents } from './secrets/encrypted-kv.ts';
import type { SecretKeys } from './secrets/secrets.ts';

const MIGRATIONS = fileURLToPath(new URL('./migrations', import.meta.url));
const POOL_SIZE = 20;
const ASYNC_COMMIT_POOL_SIZE = 6;
/** Commits that a crash of the database may lose, and a crash of our process does not. */
const ASYNC_COMMIT = { synchronous_commit: 'off' };

interface StoreOptions {
  /** Absent: embedded PostgreSQL in `dataDir`. */
  databaseUrl?: string | undefined;
  dataDir: string;
  keys: SecretKeys;
  log: Log;
  now: () => Date;
  /** REST rate of the portals (`BITRIX24_RATE`). */
  rate?: { perSecond: number; bucket: number } | undefined;
  /** After so long a process that says nothing more has lost its locks and slots; 12 s unless a test is in a hurry. */
  leaseMs?: number | undefined;
  /** Neither a database nor a table is made or changed: for commands that run while the service works. */
  onlyOpen?: boolean | undefined;
}

/** Everything the package remembers. Migrations are done when it is open. */
export interface Store {
  pool: pg.Pool;
  /** For leases and rate limits: work whose commit a crash of the database loses is only done again. */
  asyncCommitPool: pg.Pool;
  url: string;
  locks: LocksPort;
  /** `total` of a kind in all processes, which must mean the same number. */
  concurrencySlots(kind: SlotKind, total: number): ConcurrencySlots;
  /** Seals what people wrote or are called. */
  content: ContentSeal;
  cache: Cache;
  portalRate: PortalRate;
  /** To be checked before anything else, and once a second (clock.ts). */
  clock: Clock;
  counterpartyLinks(portalKey: string, itemCode: string, runId: string): CounterpartyLinksPort;
  /** Without `attempt` nobody can take the run over. */
  slots(portalKey: string, itemCode: string, runId: string, attempt?: AttemptLocks): DocumentSlotsPort;
  /** A process of an earlier release works on this database. */
  isOlderConnected(): Promise<boolean>;
  /** Decision tables of the portals. */
  ruleTables: RuleTables;
  installations<T>(): Documents<T>;
  /** Drops what links CRM records of the portal to Directum (uninstallation with CLEAN=1). */
  forgetPortal(portalKey: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * @throws ToldError of a database that cannot be this package's, NotThere when there is none of this version to open, with
 * `onlyOpen`, or what the database answers
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { dataDir, keys, log, now, onlyOpen } = options;
  const embedded = options.databaseUrl ? null : await startEmbedded({ dataDir, log, onlyOpen });
  const url = options.databaseUrl ?? embedded!.url;
  const leaseMs = options.leaseMs ?? LEASE_MS.process;
  try {
    await (onlyOpen ? requireTables(url, log) : migrate(url, log));
  } catch (error) {
    await embedded?.stop();
    throw error;
  }

  // Our transactions wait for nothing but their statements: an idle one is of a process that stands still, and its locks must
  // not stop the others.
  const settings = { idle_in_transaction_session_timeout: String(leaseMs) };
  const onLost = (error: Error) => log.warn('database.connection_lost', { reason: error.message });
  const pool = createPool({ url, name: poolName('directum-robots'), size: POOL_SIZE, settings, onLost });
  const asyncCommitPool = createPool({
    url,
    name: poolName('directum-robots-relaxed'),
    size: ASYNC_COMMIT_POOL_SIZE,
    settings: { ...settings, ...ASYNC_COMMIT },
    onLost,
  });

  const session = createLockSession({ databaseUrl: url, leaseMs, log });
  const locks = createAdvisoryLocks({ session, log });
  const portalRate = createPortalRate({
    pool: asyncCommitPool,
    ...(options.rate ?? { perSecond: 2, bucket: 50 }),
  });
  const content = createContentSeal({ keys, isOlderConnected: () => isOlderConnected(pool), log });
  let closing: Promise<void> | null = null;

  const store: Store = {
    pool,
    asyncCommitPool,
    url,
    isOlderConnected: () => isOlderConnected(pool),
    locks,
    concurrencySlots: (kind, total) => createConcurrencySlots(session, kind, total),
    content,
    cache: createCache({ pool, content, log, now }),
    portalRate,
    clock: createClock({ pool: asyncCommitPool, now, log }),
    counterpartyLinks: (...of) => createCounterpartyLinks({ pool, now }, ...of),
    slots: (portalKey, itemCode, runId, attempt = { ...locks, check: () => undefined }) =>
      createDocumentSlots({ pool, asyncCommitPool, locks: attempt, now }, portalKey, itemCode, runId),
    ruleTables: createRuleTables({ pool, keys, now }),
    installations: <T>() => createDocuments<T>({ pool, keys, namespace: 'installation' }),
    forgetPortal: (portalKey) => forgetPortal(pool, portalKey),
    close() {
      closing ??= (async () => {
        try {
          portalRate.close();
          await session.close();
          await asyncCommitPool.end();
          await pool.end();
        } finally {
          await embedded?.stop();
        }
      })();
      return closing;
    },
  };
  try {
    await content.look();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

/** Checked before anything is made: what another encoding cannot hold would be refused much later, text by text. */
async function demandUtf8(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ encoding: string; name: string }>(
    `SELECT current_setting('server_encoding') AS encoding, current_database() AS name`,
  );
  const { encoding, name } = rows[0] as (typeof rows)[number];
  if (encoding === 'UTF8') return;
  throw new ToldError({
    en: `DATABASE_URL: the database ${name} has the encoding ${encoding}, which cannot hold every text; UTF8 is expected. Make another with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0 and name it there.`,
    ru: `DATABASE_URL: у базы ${name} кодировка ${encoding}, в ней хранится не всякий текст; нужна UTF8. Создайте другую (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0) и укажите её.`,
  });
}

async function withClient<T>(
  databaseUrl: string,
  log: Log,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  client.on('error', (error) => log.warn('database.connection_lost', { reason: error.message }));
  await client.connect();
  try {
    await pin(client, 'directum-migrations');
    await demandUtf8(client);
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Which tables there are: none, those of an earlier version, or ours. */
async function stateOf(client: pg.Client): Promise<'none' | 'earlier' | 'ours'> {
  const { rows } = await client.query(`SELECT to_regclass('schema_migration') IS NOT NULL AS made`);
  if (!rows[0].made) return 'none';
  const done = new Set(await readSchema(client));
  const wanted = (await readdir(MIGRATIONS)).map((name) => name.replace(/\.sql$/, ''));
  return wanted.every((name) => done.has(name)) ? 'ours' : 'earlier';
}

/** @throws NotThere when the tables are not those of this version */
function requireTables(databaseUrl: string, log: Log): Promise<void> {
  return withClient(databaseUrl, log, async (client) => {
    const state = await stateOf(client);
    if (state === 'none')
      throw new NotThere({
        en: 'There are no tables yet in the database of DATABASE_URL. Start the service once: npm start.',
        ru: 'В базе DATABASE_URL ещё нет таблиц. Запустите сервис: npm start.',
      });
    if (state === 'earlier')
      throw new NotThere({
        en: 'The tables are of an earlier version. Start the service of this version once (npm start), or give this command in the version that made them.',
        ru: 'Таблицы созданы более ранней версией. Запустите сервис этой версии (npm start) или выполните команду в той версии, что их создала.',
      });
  });
}

/** Since PostgreSQL 15 a role may make nothing in `public` unless it is told so. */
async function demandCreate(client: pg.Client, schema: string | null): Promise<void> {
  const { rows } = await client.query<{ may: boolean; role: string }>(
    `SELECT coalesce(has_schema_privilege($1, 'CREATE'), false) AS may, current_user AS role`,
    [schema],
  );
  const [answer] = rows;
  if (answer === undefined || answer.may) return;
  const { role } = answer;
  const name = schema ?? 'public';
  throw new ToldError({
    en: `DATABASE_URL: the role ${role} may make no tables in the schema ${name}. As its owner run: GRANT CREATE, USAGE ON SCHEMA ${name} TO ${role};`,
    ru: `DATABASE_URL: роли ${role} нельзя создавать таблицы в схеме ${name}. Выполните от имени владельца: GRANT CREATE, USAGE ON SCHEMA ${name} TO ${role};`,
  });
}

/** Replicas that start together wait for one another on the runner's advisory lock. */
function migrate(databaseUrl: string, log: Log): Promise<void> {
  return withClient(databaseUrl, log, async (client) => {
    const { rows } = await client.query<{ schema: string }>(
      `SELECT coalesce((SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE pg_class.oid = to_regclass('schema_migration')), current_schema()) AS schema`,
    );
    const schema = rows[0]?.schema ?? 'public';
    if ((await stateOf(client)) !== 'ours') await demandCreate(client, rows[0]?.schema ?? null);
    const done = await runner({
      dbClient: client,
      dir: MIGRATIONS,
      direction: 'up',
      migrationsTable: 'schema_migration',
      migrationsSchema: schema,
      // The order is checked by moments, which are wrong after a clock was set back. Missing ones are found by name.
      checkOrder: false,
      advisoryLockMode: 'wait',
      logger: {
        debug: () => undefined,
        info: () => undefined,
        warn: (message) => log.warn('migration.warned', { message: String(message) }),
        error: (message) => log.error('migration.failed', { message: String(message) }),
      },
    });
    if (done.length > 0) log.info('database.migrated', { steps: done.map((step) => step.name) });
  });
}
