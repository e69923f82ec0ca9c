import type pg from 'pg';
import { inTransaction } from '../db/transaction.ts';

/**
 * Whoever writes several rows locks them first, as `one`, in one order for all, or two would wait for each other: an UPDATE
 * alone locks rows in any order. Documents come before the items that show them, and a document's rows of the outbox and its tasks
 * between them, and people of the journal before the items; each of these by its own key. Only leases need no order, because they skip what is locked.
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

/** Slots in which items hold their documents, as `lockedItems`. */
export const lockedSlots = (condition: string, given = '') =>
  `one AS (SELECT portal, item_code, slot${given && ', given.*'} FROM document_slot ${given}
    WHERE ${condition} ORDER BY portal, item_code, slot FOR UPDATE OF document_slot)`;

/** For a statement that writes `document_slot AS s`. */
export const IS_LOCKED_SLOT = 's.portal = one.portal AND s.item_code = one.item_code AND s.slot = one.slot';

/** Runs; rows that only refer to them can be written meanwhile. */
export const lockedRuns = (condition: string, given = '') =>
  `one AS (SELECT run.id FROM run ${given} WHERE ${condition} ORDER BY run.id FOR NO KEY UPDATE OF run)`;

/**
 * Writes documents by what other tables say of them: locks those of `condition`, then checks it again, because the statement
 * that waited for the locks does not see an item that was given one of them meanwhile. `$1` of `statement` are the ids.
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
