import pg from 'pg';
import type { Stand } from './stand.ts';

/** The database of a stand, for what no route shows; it outlives the processes that a test kills. */
export async function openDatabase({ databaseUrl }: Pick<Stand, 'databaseUrl'>) {
  if (databaseUrl === null) throw new Error('the stand has no database of the shared server');
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  return { query: client.query.bind(client) as pg.Client['query'], close: () => client.end() };
}

export type Database = Awaited<ReturnType<typeof openDatabase>>;

/** One look at it, or one change. */
export async function inDatabase<T>(stand: Stand, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await openDatabase(stand);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
