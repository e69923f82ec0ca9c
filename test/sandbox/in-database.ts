import pg from 'pg';
import { startEmbedded } from '../../src/store/postgres/embedded.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** Works in the embedded database of a service that runs on `dataDir`, beside it. */
export async function inDatabase<T>(dataDir: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const postgres = await startEmbedded({ dataDir, log: quiet });
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
    await postgres.stop();
  }
}
