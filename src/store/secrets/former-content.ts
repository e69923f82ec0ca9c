import type pg from 'pg';
import { inTransaction } from '../db/transaction.ts';
import type { Content, ContentSeal } from './content-seal.ts';

/** Rows of one table that one step seals: they are locked meanwhile. */
const STEP = 200;

/** Columns with the content that they hold, and the key of their table with its types. */
const TABLES: { table: string; key: Record<string, string>; columns: Record<string, Content> }[] = [
  {
    table: 'document',
    key: { id: 'bigint' },
    columns: { observed: 'document.observed', dates: 'document.dates' },
  },
  { table: 'assignment', key: { id: 'bigint' }, columns: { seen: 'assignment.seen' } },
  {
    table: 'watched_document',
    key: { document_id: 'bigint', portal: 'text', item_code: 'text' },
    columns: { shown: 'watched_document.shown' },
  },
  {
    table: 'document_slot',
    key: { portal: 'text', item_code: 'text', slot: 'text' },
    columns: { shown: 'document_slot.shown' },
  },
  { table: 'wait', key: { run_id: 'text' }, columns: { facts: 'wait.facts' } },
  { table: 'run', key: { id: 'text' }, columns: { last_text: 'run.text', outcome: 'run.outcome' } },
  { table: 'run_attempt', key: { run_id: 'text', number: 'int' }, columns: { text: 'run.text' } },
  { table: 'failure', key: { id: 'bigint' }, columns: { text: 'run.text' } },
];

/**
 * Seals what an earlier version wrote as it was. What is left of it is found by an index (migration 035) and not remembered,
 * so it may be broken off anywhere, several processes may do it at once, and what an earlier version still writes is sealed
 * too. Once nobody updates from a version before that migration, this file and its indexes can go.
 */
export function createFormerContent({ pool, content }: { pool: pg.Pool; content: ContentSeal }) {
  return {
    /** One step; true while there may be more. Nothing while a process of an earlier version is connected. */
    async seal(): Promise<boolean> {
      if (!content.isOn()) return false;
      let more = false;
      for (const one of TABLES) more = (await sealStep(pool, content, one)) > 0 || more;
      return more;
    },
  };
}

/** Passes over rows that somebody works with just now. Answers how many were sealed. */
function sealStep(
  pool: pg.Pool,
  content: ContentSeal,
  { table, key, columns }: (typeof TABLES)[number],
): Promise<number> {
  const keys = Object.keys(key);
  const names = Object.keys(columns);
  const typed = [...Object.entries(key), ...names.map((name) => [name, 'jsonb'] as const)];
  return inTransaction(pool, async (client) => {
    const { rows } = await client.query<Record<string, unknown>>(
      `SELECT ${[...keys, ...names].join(', ')} FROM ${table}
       WHERE ${names.map((name) => `jsonb_typeof(${name}) = 'object'`).join(' OR ')}
       ORDER BY ${keys.join(', ')} LIMIT ${STEP} FOR NO KEY UPDATE SKIP LOCKED`,
    );
    if (rows.length === 0) return 0;
    const sealed = rows.map((row) => ({
      ...row,
      ...Object.fromEntries(
        Object.entries(columns).map(([name, of]) => [
          name,
          typeof row[name] === 'string' ? row[name] : content.seal(of, row[name]),
        ]),
      ),
    }));
    await client.query(
      `UPDATE ${table} AS t SET ${names.map((name) => `${name} = g.${name}`).join(', ')}
       FROM jsonb_to_recordset($1::jsonb) AS g (${typed.map(([name, type]) => `${name} ${type}`).join(', ')})
       WHERE ${keys.map((name) => `t.${name} = g.${name}`).join(' AND ')}`,
      [JSON.stringify(sealed)],
    );
    return rows.length;
  });
}
