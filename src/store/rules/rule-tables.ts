import type pg from 'pg';
import type { Actor, JournalLine } from '../../journal/lines.ts';
import { inTransaction } from '../db/transaction.ts';
import { writeJournal } from '../journal/write-journal.ts';
import type { SecretKeys } from '../secrets/secrets.ts';

/** Rows are bound to this use. */
const CONTEXT = 'rules';

/** A table as it is kept: what a row is, its reader knows. */
interface StoredTable {
  name: string;
  rows: unknown[];
}

/** Who changes the tables of which portal. */
interface Change {
  portal: string;
  actor: Actor;
}

/** Decision tables of portals. A change and its line in the journal are there together or not at all (interface.md §8, §9). */
export interface RuleTables {
  /** By name. @throws SecretError when the key of a table is gone */
  list(portal: string): Promise<StoredTable[]>;
  /** Adds tables, or puts them in the place of those with the same name in any case of letters; the others stay. */
  save(change: Change, tables: readonly StoredTable[]): Promise<void>;
  /** False when there is no such table. */
  remove(change: Change, name: string): Promise<boolean>;
}

export function createRuleTables({
  pool,
  keys,
  now,
}: {
  pool: pg.Pool;
  keys: SecretKeys;
  now: () => Date;
}): RuleTables {
  async function list(client: Pick<pg.Pool, 'query'>, portal: string): Promise<StoredTable[]> {
    const { rows } = await client.query<{ name: string; rows: string }>(
      'SELECT name, rows FROM rule_table WHERE portal = $1 ORDER BY name',
      [portal],
    );
    return rows.map((row) => ({ name: row.name, rows: JSON.parse(keys.decrypt(row.rows, CONTEXT)) }));
  }

  /** One change of a portal's tables at a time, so that what is compared stays as it is until it is written. */
  const change = <T>(portal: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> =>
    inTransaction(pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`rules ${portal}`]);
      return work(client);
    });

  const lineOf = (
    { portal, actor }: Change,
    type: 'rules.changed' | 'rules.removed',
    data: JournalLine['data'],
  ): JournalLine => ({ at: now(), portal, itemCode: null, documentId: null, type, actor, data });

  return {
    list: (portal) => list(pool, portal),

    save: (by, tables) =>
      change(by.portal, async (client) => {
        const known = await list(client, by.portal);
        const lines: JournalLine[] = [];
        for (const { name, rows } of tables) {
          const before = known.find((one) => one.name.toLowerCase() === name.toLowerCase());
          const changed = changedRows(before?.rows ?? [], rows);
          const isSame = changed.length === 0 && before?.rows.length === rows.length;
          if (isSame && before.name === name) continue;
          if (before !== undefined && before.name !== name) await drop(client, by.portal, before.name);
          await client.query(
            `INSERT INTO rule_table (portal, name, rows) VALUES ($1, $2, $3)
             ON CONFLICT (portal, name) DO UPDATE SET rows = excluded.rows`,
            [by.portal, name, keys.encrypt(JSON.stringify(rows), CONTEXT)],
          );
          const counts = { rows: rows.length, before: before?.rows.length ?? null };
          lines.push(lineOf(by, 'rules.changed', { table: name, ...counts, changed }));
        }
        await writeJournal(client, lines);
      }),

    remove: (by, name) =>
      change(by.portal, async (client) => {
        const { rows } = await client.query<{ name: string }>(
          'SELECT name FROM rule_table WHERE portal = $1',
          [by.portal],
        );
        const known = rows.find((one) => one.name.toLowerCase() === name.trim().toLowerCase());
        if (known === undefined) return false;
        await drop(client, by.portal, known.name);
        await writeJournal(client, [lineOf(by, 'rules.removed', { table: known.name })]);
        return true;
      }),
  };
}

const drop = (client: pg.ClientBase, portal: string, name: string) =>
  client.query('DELETE FROM rule_table WHERE portal = $1 AND name = $2', [portal, name]);

/** Numbers of the rows, from 1, that are new or not as before. */
export function changedRows(before: readonly unknown[], rows: readonly unknown[]): number[] {
  return rows.flatMap((row, index) =>
    JSON.stringify(row) === JSON.stringify(before[index]) ? [] : [index + 1],
  );
}
