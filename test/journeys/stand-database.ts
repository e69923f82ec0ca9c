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

/**
 * Questions to Directum that are urgent to nobody, such as those of a full rescan, no longer keep their pace of three a second,
 * for tests that are about what they find.
 */
export function withoutDirectumRate(stand: Stand): Promise<unknown> {
  return inDatabase(stand, (database) =>
    database.query(`
      CREATE FUNCTION test_no_rate() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.next_question_at = clock_timestamp();
        RETURN NEW;
      END $$;
      CREATE TRIGGER test_no_rate BEFORE UPDATE OF next_question_at ON watch FOR EACH ROW EXECUTE FUNCTION test_no_rate()`),
  );
}
