import pg from 'pg';
import { pin } from '../db/connection.ts';
import { listTables, quoted } from './tables.ts';

/** Tables with many and long rows, which hold nothing about documents. */
const LEFT_OUT = new Set(['keyv', 'cache_entry', 'run', 'past_run', 'run_attempt', 'former_crowd']);

/** Tables that may be written and are not read, and may have many rows. */
const WITHOUT_ROWS = new Set(['journal']);
/** Rows that are enough of a table. */
const ONLY = new Map([['outbox', `kind <> 'answer'`]]);

/**
 * A pool whose one connection has copies of our tables as they are now, and may write nothing else: what is done with it
 * is done to the copies and forgotten with them; no other connection sees it.
 */
export async function openShadow(databaseUrl: string): Promise<pg.Pool> {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 1,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: 5_000,
    // Tables of the session may be written all the same.
    onConnect: (client) => pin(client, 'directum-robots-shadow', { default_transaction_read_only: 'on' }),
  });
  pool.on('error', () => undefined);
  let broken: Error | undefined;
  const client = await pool.connect();
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE');
    const { rows } = await client.query<{ schema: string }>('SELECT current_schema() AS schema');
    for (const { name, columns } of await listTables(client)) {
      if (LEFT_OUT.has(name)) continue;
      const list = columns.map(quoted).join(', ');
      await client.query(`CREATE TEMP TABLE ${quoted(name)} (LIKE ${quoted(name)} INCLUDING ALL)`);
      if (WITHOUT_ROWS.has(name)) continue;
      await client.query(
        `INSERT INTO pg_temp.${quoted(name)} (${list}) OVERRIDING SYSTEM VALUE
         SELECT ${list} FROM ${quoted(rows[0]?.schema ?? 'public')}.${quoted(name)} WHERE ${ONLY.get(name) ?? 'true'}`,
      );
    }
    await client.query('COMMIT');
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
    if (broken) await pool.end();
  }
  return pool;
}
