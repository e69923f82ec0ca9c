import type pg from 'pg';
import type { JournalLine, JournalPerson } from '../../journal/lines.ts';

/** Adds lines in the caller's transaction, so that a fact and its line are there together or not at all. */
export async function writeJournal(
  client: pg.ClientBase | pg.Pool,
  lines: readonly JournalLine[],
): Promise<void> {
  if (lines.length === 0) return;
  await client.query(
    `INSERT INTO journal (at, portal, item_code, document_id, type, actor, data)
     SELECT at, portal, "itemCode", "documentId", type, actor, data
     FROM ROWS FROM (json_to_recordset($1::json) AS (at timestamptz, portal text, "itemCode" text, "documentId" bigint,
       type text, actor text, data jsonb)) WITH ORDINALITY AS g (at, portal, "itemCode", "documentId", type, actor, data, n)
     ORDER BY n`,
    [JSON.stringify(lines)],
  );
}

/**
 * Remembers what people are called whom lines name by their keys; the newest name counts. Those who are known so are not
 * touched, so that their rows are not waited for. To be called once a transaction, after its other writes.
 */
export async function writePeople(
  client: pg.ClientBase | pg.Pool,
  people: readonly JournalPerson[],
): Promise<void> {
  if (people.length === 0) return;
  const unique = [...new Map(people.map((person) => [person.key, person])).values()].toSorted((a, b) =>
    a.key < b.key ? -1 : 1,
  );
  await client.query(
    `INSERT INTO journal_person AS p (key, name, email)
     SELECT key, name, email FROM json_to_recordset($1::json) AS g (key text, name text, email text)
     WHERE NOT EXISTS (SELECT FROM journal_person AS known WHERE known.key = g.key
       AND (known.name, known.email) IS NOT DISTINCT FROM (g.name, g.email))
     ORDER BY key
     ON CONFLICT (key) DO UPDATE SET name = excluded.name, email = excluded.email
       WHERE (p.name, p.email) IS DISTINCT FROM (excluded.name, excluded.email)`,
    [JSON.stringify(unique)],
  );
}
