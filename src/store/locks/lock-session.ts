import pg from 'pg';
import { SIGNS_OF_LIFE } from '../../lib/work/leases.ts';
import type { Log } from '../../robot/ports/log.ts';
import { pin } from '../db/connection.ts';

/** A living server answers at once; after so long the session is given up, with its locks. */
const ANSWER_MS = 15_000;
/** The server notices within half a minute that the machine of a session is gone, and frees what it held. */
const LIVELY = {
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '25000',
};
const NAME = 'directum-claims';

/**
 * Sessions of other processes on this database, and when each asked something last. Asking this is itself a sign of life.
 * A server that does not track activities shows no times, and then no session is ended.
 */
const OTHERS = `
  SELECT pid || ' ' || backend_start AS session, state_change::text AS moved FROM pg_stat_activity
  WHERE application_name = '${NAME}' AND datname = current_database() AND usename = current_user
    AND pid <> pg_backend_pid() AND state_change IS NOT NULL`;

/** Ends a session, unless it has asked something since it was checked. */
const END = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid || ' ' || backend_start = $1 AND state_change::text = $2`;

/** The connection of this process whose advisory locks last as long as itself. */
export interface LockSession {
  /** Connects where it must. Another client than before has none of the locks. */
  current(): Promise<pg.Client>;
  /** One question at a time: a connection of pg does not take a second one before the first is answered. */
  ask(client: pg.Client, sql: string, values: unknown[]): Promise<pg.QueryResult>;
  /** The client is still the session, and asked so lately that no process can have ended it for standing still. */
  holds(client: pg.Client): boolean;
  /** Ends a session whose locks are unknown. */
  drop(client: pg.Client): void;
  close(): Promise<void>;
}

/**
 * A killed process loses its session at once. Of a process that stands still the server sees nothing, because its kernel
 * still answers: so each session gives signs of life several times in a lease, and every process ends sessions that do not.
 * Checks are counted instead of time, so that neither a clock that jumps nor a machine that slept ends a healthy session.
 */
export function createLockSession({
  databaseUrl,
  leaseMs,
  log,
}: {
  databaseUrl: string;
  leaseMs: number;
  log: Log;
}): LockSession {
  let session: Promise<pg.Client> | null = null;
  let connected: pg.Client | null = null;
  let asked: Promise<unknown> = Promise.resolve();
  let closed = false;
  let still = new Map<string, { moved: string; checks: number }>();
  let checking = false;
  /** When the last question was sent that was answered; this clock goes on while the process stands still. */
  let movedAt = Number.NEGATIVE_INFINITY;

  function ask(client: pg.Client, sql: string, values: unknown[] = []): Promise<pg.QueryResult> {
    const answer = asked.then(async () => {
      const sentAt = performance.now();
      const result = await client.query(sql, values);
      movedAt = sentAt;
      return result;
    });
    asked = answer.catch(() => undefined);
    return answer;
  }

  async function endStill(client: pg.Client): Promise<void> {
    const { rows } = await ask(client, OTHERS);
    const seen = rows.map(({ session: other, moved }) => {
      const before = still.get(other);
      const checks = before !== undefined && before.moved === moved ? before.checks + 1 : 0;
      return [other, { moved, checks }] as const;
    });
    still = new Map(seen);
    for (const [other, { moved, checks }] of seen) {
      if (checks < SIGNS_OF_LIFE) continue;
      const { rowCount } = await ask(client, END, [other, moved]);
      if (rowCount)
        log.warn('session.ended', { reason: 'its process stood still', pid: Number.parseInt(other, 10) });
    }
  }

  const timer = setInterval(() => {
    const client = connected;
    if (client === null || checking) return;
    checking = true;
    endStill(client)
      .catch((error) => log.warn('session.not_looked', { reason: String(error) }))
      .finally(() => {
        checking = false;
      });
  }, leaseMs / SIGNS_OF_LIFE);
  timer.unref();

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: databaseUrl,
      application_name: NAME,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      connectionTimeoutMillis: 5_000,
      query_timeout: ANSWER_MS,
    });
    const lose = (error?: unknown) => {
      if (forget(client)) log.warn('claims.connection_lost', { reason: error ? String(error) : 'closed' });
    };
    client.on('error', lose);
    client.on('end', () => lose());
    const sentAt = performance.now();
    await client.connect();
    try {
      await pin(client, NAME, LIVELY);
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
    movedAt = sentAt;
    connected = client;
    return client;
  }

  /** True when the client was the session's. */
  function forget(client: pg.Client): boolean {
    if (client !== connected) return false;
    connected = null;
    session = null;
    return true;
  }

  return {
    current() {
      if (closed) return Promise.reject(new Error('the store is closed'));
      session ??= connect().catch((error) => {
        session = null;
        throw error;
      });
      return session;
    },
    ask,
    holds: (client) => client === connected && performance.now() - movedAt < leaseMs,
    drop(client) {
      forget(client);
      client.end().catch(() => undefined);
    },
    async close() {
      closed = true;
      clearInterval(timer);
      const client = await session?.catch(() => null);
      if (!client) return;
      forget(client);
      await client.end().catch(() => undefined);
    },
  };
}
