import type pg from 'pg';
import { inTransaction } from './transaction.ts';

/**
 * Whoever writes several documents or items that show them locks them first, as `one`: documents by their ids, and after
 * them the items in one order too, or two would wait for each other. An UPDATE alone takes rows as they lie.
 */
export const lockedDocuments = (condition: string) =>
  `one AS (SELECT id FROM document WHERE ${condition} ORDER BY id FOR UPDATE)`;

/** `given` joins rows that come with the items; their columns are in `one` too. */
export const lockedItems = (condition: string, given = '') =>
  `one AS (SELECT portal, item_code, document_id${given && ', given.*'} FROM watched_document ${given}
    WHERE ${condition} ORDER BY document_id, portal, item_code FOR UPDATE OF watched_document)`;

/** For a statement that writes `watched_document AS w`. */
export const IS_LOCKED_ITEM =
  'w.portal = one.portal AND w.item_code = one.item_code AND w.document_id = one.document_id';

/**
 * Writes documents by what other tables say of them: locks those of `condition`, and asks it again once they are. An item
 * that was given one of them while it was waited for is not in what the lock's own statement sees. `$1` of `statement`
 * are the ids.
 */
export async function writeLockedDocuments(
  pool: pg.Pool,
  condition: string,
  statement: string,
  values: unknown[] = [],
): Promise<void> {
  await inTransaction(pool, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `WITH ${lockedDocuments(condition)} SELECT id FROM one`,
    );
    if (rows.length === 0) return;
    const ids = rows.map(({ id }) => id);
    await client.query(`${statement} WHERE id = ANY($1) AND ${condition}`, [ids, ...values]);
  });
}
