import { fileURLToPath } from 'node:url';
import type Keyv from 'keyv';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import type { CachePort, ClaimsPort, Log, PairsPort, SlotsPort } from '../robot/ports.ts';
import { type Budget, createBudget } from './budget.ts';
import { createCache } from './cache.ts';
import { createClaims } from './claims.ts';
import { type Clock, createClock } from './clock.ts';
import { createPool, pin } from './connection.ts';
import { startEmbedded } from './embedded.ts';
import { createDocuments, createEncryptedKv, type Documents } from './encrypted-kv.ts';
import { createLockSession } from './lock-session.ts';
import { createPairs } from './pairs.ts';
import { createPlaces, type PlaceKind, type Places } from './places.ts';
import type { SecretKeys } from './secrets.ts';
import { createSlots, forgetPortal } from './slots.ts';

const MIGRATIONS = fileURLToPath(new URL('./migrations', import.meta.url));
const POOL_SIZE = 20;
const RELAXED_POOL_SIZE = 6;
/** Of connections whose commits may be lost by a crash of the database, never by one of ours. */
const RELAXED = { synchronous_commit: 'off' };

export interface StoreOptions {
  /** Absent: embedded PostgreSQL in `dataDir`. */
  databaseUrl?: string | undefined;
  dataDir: string;
  keys: SecretKeys;
  log: Log;
  now: () => Date;
  /** REST rate of the portals (`BITRIX24_RATE`). */
  rate?: { perSecond: number; bucket: number } | undefined;
}

/** Everything the package remembers. Migrations are done when it is open. */
export interface Store {
  pool: pg.Pool;
  /** For leases and budgets: a commit that a database crash loses is repeated without harm. */
  relaxed: pg.Pool;
  url: string;
  kv(namespace: string): Keyv;
  claims: ClaimsPort;
  /** `total` of a kind in all processes, which must mean the same number. */
  places(kind: PlaceKind, total: number): Places;
  cache: CachePort;
  budget: Budget;
  /** Looked at before anything else, and once a second (clock.ts). */
  clock: Clock;
  pairs(portalKey: string): PairsPort;
  slots(portalKey: string, itemCode: string, runId: string): SlotsPort;
  installations<T>(): Documents<T>;
  /** Drops what links CRM records of the portal to Directum (uninstallation with CLEAN=1). */
  forgetPortal(portalKey: string): Promise<void>;
  close(): Promise<void>;
}

export async function openStore(options: StoreOptions): Promise<Store> {
  const { dataDir, keys, log, now } = options;
  const embedded = options.databaseUrl ? null : await startEmbedded({ dataDir, log });
  const url = options.databaseUrl ?? embedded!.url;
  try {
    await migrate(url, log);
  } catch (error) {
    await embedded?.stop();
    throw error;
  }

  const onLost = (error: Error) => log.warn('database.connection_lost', { reason: error.message });
  const pool = createPool({ url, name: 'directum-robots', size: POOL_SIZE, onLost });
  // Commits here are not waited for: what a crash of the database may lose is only done again.
  const relaxed = createPool({
    url,
    name: 'directum-robots-relaxed',
    size: RELAXED_POOL_SIZE,
    settings: RELAXED,
    onLost,
  });

  const session = createLockSession({ databaseUrl: url, log });
  const claims = createClaims({ session, log });
  const budget = createBudget({ pool: relaxed, ...(options.rate ?? { perSecond: 2, bucket: 50 }) });
  const spaces = new Map<string, Keyv>();
  const kv = (namespace: string) => {
    let space = spaces.get(namespace);
    if (!space) {
      space = createEncryptedKv({ pool, keys, namespace });
      spaces.set(namespace, space);
    }
    return space;
  };
  let closing: Promise<void> | null = null;

  return {
    pool,
    relaxed,
    url,
    kv,
    claims,
    places: (kind, total) => createPlaces(session, kind, total),
    cache: createCache({ pool, log, now }),
    budget,
    clock: createClock({ pool: relaxed, now, log }),
    pairs: (portalKey) => createPairs(pool, portalKey),
    slots: (portalKey, itemCode, runId) =>
      createSlots({ pool, relaxed, claims, now }, portalKey, itemCode, runId),
    installations: <T>() => createDocuments<T>({ pool, kv: kv('installation'), namespace: 'installation' }),
    forgetPortal: (portalKey) => forgetPortal(pool, portalKey),
    close() {
      closing ??= (async () => {
        try {
          budget.close();
          await session.close();
          await relaxed.end();
          await pool.end();
        } finally {
          await embedded?.stop();
        }
      })();
      return closing;
    },
  };
}

/** Replicas that start together wait for one another on the runner's advisory lock. */
async function migrate(databaseUrl: string, log: Log): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  client.on('error', (error) => log.warn('database.connection_lost', { reason: error.message }));
  await client.connect();
  try {
    await pin(client, 'directum-migrations');
    const { rows } = await client.query<{ schema: string }>(
      `SELECT coalesce((SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE pg_class.oid = to_regclass('schema_migration')), current_schema()) AS schema`,
    );
    const done = await runner({
      dbClient: client,
      dir: MIGRATIONS,
      direction: 'up',
      migrationsTable: 'schema_migration',
      migrationsSchema: rows[0]!.schema,
      // By when they were done, which a clock that was set back since turns round. Those that are missing are made by name.
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
  } finally {
    await client.end();
  }
}
