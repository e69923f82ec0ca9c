import pg from 'pg';
import type { Log } from '../robot/ports.ts';
import { pin } from './connection.ts';

/** A question to a living server is answered at once; after so long the session is given up, with its locks. */
const ANSWER_MS = 15_000;
/** The server notices within half a minute that the machine of a session is gone, and frees what it held. */
const LIVELY = {
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '25000',
};
const NAME = 'directum-claims';

/** The connection of this process whose advisory locks last as long as itself. */
export interface LockSession {
  /** Connects where it must. Another client than before has none of the locks. */
  current(): Promise<pg.Client>;
  /** One question at a time: a connection of pg does not take a second one before the first is answered. */
  ask(client: pg.Client, sql: string, values: unknown[]): Promise<pg.QueryResult>;
  /** Ends a session of whose locks nothing is known any more. */
  drop(client: pg.Client): void;
  close(): Promise<void>;
}

export function createLockSession({ databaseUrl, log }: { databaseUrl: string; log: Log }): LockSession {
  let session: Promise<pg.Client> | null = null;
  let connected: pg.Client | null = null;
  let asked: Promise<unknown> = Promise.resolve();
  let closed = false;

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
    await client.connect();
    try {
      await pin(client, NAME, LIVELY);
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
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
    ask(client, sql, values) {
      const answer = asked.then(() => client.query(sql, values));
      asked = answer.catch(() => undefined);
      return answer;
    },
    drop(client) {
      forget(client);
      client.end().catch(() => undefined);
    },
    async close() {
      closed = true;
      const client = await session?.catch(() => null);
      if (!client) return;
      forget(client);
      await client.end().catch(() => undefined);
    },
  };
}
