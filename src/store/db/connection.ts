import pg from 'pg';

/**
 * What every connection of ours has set, whatever server, database, role, pooler or address set by default: how values
 * are written as texts, which the driver and our statements read; and that nothing but the driver's own limits ends a
 * statement or a quiet connection.
 */
const PINNED = {
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  client_encoding: 'UTF8',
  bytea_output: 'hex',
  extra_float_digits: '3',
  array_nulls: 'on',
  standard_conforming_strings: 'on',
  statement_timeout: '0',
  lock_timeout: '0',
  transaction_timeout: '0',
  idle_session_timeout: '0',
  // A process that stands still in the middle of a transaction must not keep its rows for ever.
  idle_in_transaction_session_timeout: '60s',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  // Rows that a policy hides are an error, and not absent.
  row_security: 'off',
  jit: 'off',
};

/**
 * One statement on a new connection. Options of the connection itself would not do: a server of another version refuses
 * names that it does not know, and poolers refuse options altogether. Commits are durable unless the caller says otherwise;
 * where a role asks for more than that, it stays so. The tables stay where the first start found its schema, and
 * only that schema is searched.
 */
const PIN = `
  WITH place AS (SELECT
      coalesce((SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('document_slot')),
        quote_ident(current_schema()), 'public') AS tables,
      (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = coalesce(to_regclass('schema_migration'),
        CASE WHEN to_regclass('document_slot') IS NOT NULL THEN to_regclass('public.schema_migration') END)) AS migrations),
    given (name, value) AS (
      SELECT 'search_path', concat_ws(', ', tables, nullif(migrations, tables)) FROM place
      UNION ALL SELECT name, CASE setting WHEN 'off' THEN 'on' ELSE setting END FROM pg_settings
        WHERE name = 'synchronous_commit' AND NOT $1::jsonb ? name
      UNION ALL SELECT key, value FROM jsonb_each_text($1))
  SELECT set_config(name, given.value, false) FROM given JOIN pg_settings USING (name)`;

/** Settings of one connection besides those that all have, by their names in PostgreSQL. */
type SessionSettings = Readonly<Record<string, string>>;

/** Makes a new connection independent of what server, database and role set by default. To be done before anything else. */
export async function pin(client: pg.ClientBase, name: string, more: SessionSettings = {}): Promise<void> {
  await client.query(PIN, [JSON.stringify({ ...PINNED, application_name: name, ...more })]);
}

/** A silent connection notices within seconds that its host is gone, and no query waits for minutes. */
const LIVELY = {
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  connectionTimeoutMillis: 5_000,
  query_timeout: 30_000,
} as const;

/** Connections of which each is `pin`ned. `name` is what the server shows of them. */
export function createPool(options: {
  url: string;
  name: string;
  size: number;
  settings?: SessionSettings;
  onLost: (error: Error) => void;
}): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.size,
    application_name: options.name,
    onConnect: (client) => pin(client, options.name, options.settings),
    ...LIVELY,
  });
  // Idle connections die with a restart of the database; without a listener that would end our process.
  pool.on('error', options.onLost);
  // The pool does not listen to a connection that is in use; one that dies between two queries would end our process too.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}
