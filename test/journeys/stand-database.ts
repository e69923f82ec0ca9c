import pg from 'pg';
import { startEmbedded } from '../../src/store/postgres/embedded.ts';
import { quietLog } from '../directum/stand.ts';
import type { Stand } from './stand.ts';

/** The database of a stand, for what no route shows; it outlives the processes that a test kills. */
export async function openDatabase({ dataDir }: Pick<Stand, 'dataDir'>) {
  const server = await startEmbedded({ dataDir, log: quietLog });
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  return {
    query: client.query.bind(client) as pg.Client['query'],
    async close() {
      await client.end();
      await server.stop();
    },
  };
}

export type Database = Awaited<ReturnType<typeof openDatabase>>;
