import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '../../src/store/postgres/embedded.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the server that all test files share. */
    sharedServer: string;
  }
}

const TEMPLATE = 'ready';
/** Four workers, each with up to four services that keep some thirty connections. */
const CONNECTIONS = 500;
/** Nothing here has to survive a crash of the server; a test of such a crash starts a server of its own. */
const SETTINGS = {
  max_connections: CONNECTIONS,
  shared_buffers: "'128MB'",
  fsync: 'off',
  full_page_writes: 'off',
};

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** Starts the server for the whole test run on a DATA_DIR whose cluster is migrated; answers how to stop it. */
export async function startSharedServer(dataDir: string, project: TestProject): Promise<() => Promise<void>> {
  // The settings of the first start count from the second on.
  const first = await startEmbedded({ dataDir, log: quiet });
  await ask(first.url, [
    ...Object.entries(SETTINGS).map(([name, value]) => `ALTER SYSTEM SET ${name} = ${value}`),
    `CREATE DATABASE ${TEMPLATE} TEMPLATE postgres`,
    `ALTER DATABASE ${TEMPLATE} ALLOW_CONNECTIONS false`,
  ]);
  await first.stop();
  const server = await startEmbedded({ dataDir, log: quiet });
  project.provide('sharedServer', server.url);
  return server.stop;
}

export interface TestDatabase {
  url: string;
  /** Ends the connections that are left, too. */
  drop(): Promise<void>;
}

/** A database with all tables and no rows, for one test file or a part of it, on the server that all share. */
export async function createDatabase(): Promise<TestDatabase> {
  const server = inject('sharedServer');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await ask(server, [`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`]);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => ask(server, [`DROP DATABASE ${name} WITH (FORCE)`]) };
}

async function ask(url: string, statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
