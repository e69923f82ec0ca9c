import type pg from 'pg';

/** A table of ours as a backup keeps it. */
export interface Table {
  name: string;
  /** Columns that can be written. */
  columns: string[];
  /** Columns whose next number comes from a sequence. */
  numbered: string[];
}

/** Written by node-pg-migrate; a backup names its rows as its schema. */
const MIGRATIONS = 'schema_migration';

/** Our tables, a table after those it refers to. */
export async function listTables(client: pg.ClientBase): Promise<Table[]> {
  const { rows } = await client.query<{
    name: string;
    columns: string[];
    numbered: string[];
    refers_to: string[];
  }>(
    `SELECT c.relname AS name,
       array(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
         AND attgenerated = '' ORDER BY attnum) AS columns,
       array(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
         AND pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), attname) IS NOT NULL) AS numbered,
       array(SELECT r.relname::text FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid
         WHERE k.contype = 'f' AND k.conrelid = c.oid AND k.confrelid <> c.oid) AS refers_to
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname <> $1 ORDER BY c.relname`,
    [MIGRATIONS],
  );
  const sorted: typeof rows = [];
  while (sorted.length < rows.length) {
    const next = rows.find(
      (row) =>
        !sorted.includes(row) && row.refers_to.every((name) => sorted.some((one) => one.name === name)),
    );
    if (next === undefined) throw new Error('the tables refer to each other in a circle');
    sorted.push(next);
  }
  return sorted.map(({ name, columns, numbered }) => ({ name, columns, numbered }));
}

/** Names of the migrations the database has, in order. */
export async function readSchema(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`SELECT name FROM ${MIGRATIONS} ORDER BY id`);
  return rows.map((row) => row.name);
}

/** Keeps everybody else out of all our tables until the transaction ends; a service that starts waits. */
export async function lockTables(client: pg.ClientBase, tables: Table[]): Promise<void> {
  const names = [MIGRATIONS, ...tables.map((table) => table.name)].map(quoted);
  await client.query(`LOCK TABLE ${names.join(', ')} IN ACCESS EXCLUSIVE MODE`);
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
