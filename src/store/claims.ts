import pg from 'pg';
import type { ClaimsPort, Log } from '../robot/ports.ts';

/** A question to a living server is answered at once; after so long the session is given up, with its locks. */
const ANSWER_MS = 15_000;
const POLL_MS = [10, 20, 40, 80, 160] as const;
const HELD = 'claim held elsewhere';

export interface Claims extends ClaimsPort {
  close(): Promise<void>;
}

/**
 * Claims as PostgreSQL advisory locks. All claims of a process live on one connection: a claim inside a claim
 * then needs no second connection, so holders cannot starve each other. A queue per key stands in front, because
 * for PostgreSQL one session is one holder.
 *
 * When the connection is lost the locks are gone with it. The work goes on, its own result counts and this process
 * still lets nobody else in; against another process the look-up by ExternalId remains.
 */
export function createClaims(options: { databaseUrl: string; log: Log }): Claims {
  const { databaseUrl, log } = options;
  const tails = new Map<string, Promise<void>>();
  let session: Promise<pg.Client> | null = null;
  let held = 0;
  let closed = false;

  async function connect(isCurrent: () => boolean): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: databaseUrl,
      application_name: 'directum-claims',
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      connectionTimeoutMillis: 5_000,
      query_timeout: ANSWER_MS,
    });
    const drop = (error?: unknown) => {
      if (!isCurrent()) return;
      session = null;
      if (!closed) log.warn('claims.connection_lost', { held, reason: error ? String(error) : 'closed' });
    };
    client.on('error', drop);
    client.on('end', () => drop());
    await client.connect();
    return client;
  }

  function current(): Promise<pg.Client> {
    if (closed) return Promise.reject(new Error('claims are closed'));
    if (session) return session;
    const next: Promise<pg.Client> = connect(() => session === next);
    session = next;
    next.catch(() => {
      if (session === next) session = null;
    });
    return next;
  }

  /** One question at a time: a connection of pg does not take a second one before the first is answered. */
  let asked: Promise<unknown> = Promise.resolve();
  function ask(client: pg.Client, sql: string, key: string): Promise<pg.QueryResult> {
    const answer = asked.then(() => client.query(sql, [key]));
    asked = answer.catch(() => undefined);
    return answer;
  }

  async function lock(key: string, until: number): Promise<pg.Client> {
    for (let attempt = 0; ; attempt += 1) {
      const client = await current();
      const asked = session;
      try {
        const { rows } = await ask(
          client,
          'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS mine',
          key,
        );
        if (rows[0].mine) return client;
      } catch (error) {
        // Whether the lock was given is unknown: the session ends, so that it is nobody's.
        if (session === asked) session = null;
        client.end().catch(() => undefined);
        throw error;
      }
      if (performance.now() > until) throw new Error(HELD);
      const pause = POLL_MS[Math.min(attempt, POLL_MS.length - 1)]!;
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
    }
  }

  async function unlock(client: pg.Client, key: string): Promise<void> {
    try {
      await ask(client, 'SELECT pg_advisory_unlock(hashtextextended($1, 0))', key);
    } catch (error) {
      // A session that cannot unlock is ended: that releases the lock for certain.
      log.warn('claim.release_failed', { reason: String(error) });
      await client.end().catch(() => undefined);
    }
  }

  return {
    async hold(key, work, patienceMs = Number.POSITIVE_INFINITY) {
      const until = performance.now() + patienceMs;
      const before = tails.get(key) ?? Promise.resolve();
      const gate = Promise.withResolvers<void>();
      const tail = before.then(() => gate.promise);
      tails.set(key, tail);
      await before;
      try {
        const client = await lock(key, until);
        held += 1;
        try {
          return await work();
        } finally {
          held -= 1;
          await unlock(client, key);
        }
      } finally {
        gate.resolve();
        if (tails.get(key) === tail) tails.delete(key);
      }
    },

    async close() {
      closed = true;
      const client = await session?.catch(() => null);
      session = null;
      await client?.end().catch(() => undefined);
    },
  };
}
