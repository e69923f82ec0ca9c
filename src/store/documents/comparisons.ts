import type pg from 'pg';
import { LEASE_MS } from '../../lib/work/leases.ts';
import { lockedDocuments } from '../locks/lock-order.ts';
import { endUnshown } from './deal-projection.ts';
import { FINAL } from './watched-documents.ts';

/** What a comparison found. */
export interface Found {
  documents: number;
  differences: number;
  failed: number;
}

/** A step of the night's comparison: what comes before it, and until when it is left to its process. */
interface ComparisonTurn extends Found {
  after: number;
  heldUntil: Date;
}

/** Deleted documents included while their deletion is younger than `$1`; with `$2` those that this item or its task shows. */
const COMPARED = `(ended_at IS NULL OR (status = 'deleted' AND ended_at > $1)) AND ($2::text IS NULL
  OR EXISTS (SELECT 1 FROM watched_document w WHERE w.document_id = document.id AND w.item_code = $2 AND w.gone_at IS NULL)
  OR EXISTS (SELECT 1 FROM mirrored_task m WHERE m.document_id = document.id AND m.item_code = $2))`;

/** Which documents are compared with what their deals show, and whose turn it is at night. */
export function createComparisons(pool: pg.Pool) {
  return {
    /** The next documents to compare. */
    async after(
      id: number,
      limit: number,
      deletedSince: Date,
      itemCode: string | null = null,
    ): Promise<number[]> {
      const { rows } = await pool.query(
        `SELECT id FROM document WHERE id > $3 AND ${COMPARED} ORDER BY id LIMIT $4`,
        [deletedSince, itemCode, id, limit],
      );
      return rows.map((row) => Number(row.id));
    },

    /** How many there are to compare. */
    async count(deletedSince: Date, itemCode: string | null = null): Promise<number> {
      const { rows } = await pool.query(`SELECT count(*)::int AS count FROM document WHERE ${COMPARED}`, [
        deletedSince,
        itemCode,
      ]);
      return rows[0].count;
    },

    /** Those of the items that show a document behind `id`, too. */
    async shownAfter(
      id: number,
      items: { portal: string; itemCode: string }[],
    ): Promise<{ portal: string; itemCode: string }[]> {
      if (items.length === 0) return [];
      const { rows } = await pool.query(
        `SELECT DISTINCT portal, item_code AS "itemCode" FROM watched_document
           JOIN jsonb_to_recordset($2::jsonb) AS given (portal text, "itemCode" text)
             USING (portal) WHERE item_code = given."itemCode" AND document_id > $1 AND gone_at IS NULL`,
        [id, JSON.stringify(items)],
      );
      return rows;
    },

    /** Final documents whose status is older are no longer watched, nor those that neither an item nor a task shows. */
    async letGo(before: Date, now: Date): Promise<void> {
      await pool.query(
        `WITH ${lockedDocuments(`ended_at IS NULL AND status IN ${FINAL} AND status_since::timestamptz < $1`)}
         UPDATE document SET ended_at = $2 FROM one WHERE document.id = one.id`,
        [before, now],
      );
      await endUnshown(pool, now);
    },

    /**
     * Takes the next step of a comparison that is due, if nobody makes it. A database without a plan is given one: nothing
     * was lost on the way yet.
     */
    async take(now: Date, nextNight: Date): Promise<ComparisonTurn | null> {
      const { rows } = await pool.query(
        `WITH planned AS (UPDATE comparison SET due_at = $3 WHERE due_at IS NULL)
         UPDATE comparison SET held_until = $2 WHERE due_at <= $1 AND held_until <= $1
         RETURNING after, held_until, documents, differences, failed`,
        [now, new Date(now.getTime() + LEASE_MS.comparison), nextNight],
      );
      if (!rows[0]) return null;
      const { after, held_until: heldUntil, documents, differences, failed } = rows[0];
      return { after: Number(after), heldUntil, documents, differences, failed };
    },

    /** The step was made up to the document `last`; one that took too long and was left to another changes nothing. */
    async keep(turn: ComparisonTurn, last: number, found: Found): Promise<void> {
      await pool.query(
        `UPDATE comparison SET after = $3, held_until = '-infinity', documents = documents + $4,
           differences = differences + $5, failed = failed + $6 WHERE after = $1 AND held_until = $2`,
        [turn.after, turn.heldUntil, last, found.documents, found.differences, found.failed],
      );
    },

    /** Everything was compared. */
    async end(turn: ComparisonTurn, nextNight: Date): Promise<void> {
      await pool.query(
        `UPDATE comparison SET due_at = $3, held_until = '-infinity', after = 0, documents = 0, differences = 0, failed = 0
         WHERE after = $1 AND held_until = $2`,
        [turn.after, turn.heldUntil, nextNight],
      );
    },
  };
}

export type Comparisons = ReturnType<typeof createComparisons>;
