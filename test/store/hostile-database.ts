import pg from 'pg';
import { createDatabase } from './shared-server.ts';

/** What an administrator of PostgreSQL may set by default for other applications of his, and against ours. */
export const HOSTILE = {
  datestyle: 'German, DMY',
  intervalstyle: 'sql_standard',
  timezone: 'Asia/Kathmandu',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  array_nulls: 'off',
  standard_conforming_strings: 'off',
  statement_timeout: '1s',
  lock_timeout: '10ms',
  idle_in_transaction_session_timeout: '50ms',
  idle_session_timeout: '1s',
  transaction_timeout: '200ms',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  synchronous_commit: 'off',
};

/** A migrated database in which our role has other defaults than ours. */
export async function startHostileDatabase(defaults: Record<string, string> = HOSTILE) {
  const { url, drop } = await createDatabase();
  async function ask<T extends pg.QueryResultRow>(sql: string): Promise<T[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(
        'SET default_transaction_read_only = off; SET statement_timeout = 0; SET datestyle = ISO',
      );
      await client.query('SET transaction_timeout = 0; SET default_transaction_isolation = "read committed"');
      return (await client.query<T>(sql)).rows;
    } finally {
      await client.end();
    }
  }
  const database = new URL(url).pathname.slice(1);
  const setDefault = (name: string, value: string) =>
    ask(`ALTER ROLE directum IN DATABASE ${database} SET ${name} = ${value}`);
  for (const [name, value] of Object.entries(defaults)) await setDefault(name, `'${value}'`);
  return { url, ask, setDefault, stop: drop };
}

export type HostileDatabase = Awaited<ReturnType<typeof startHostileDatabase>>;
