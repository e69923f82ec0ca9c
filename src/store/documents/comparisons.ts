import type pg from 'pg';
import { lockedDocuments } from '../locks/lock-order.ts';
import { endUnshown } from './deal-projection.ts';
import { FINAL } from './watched-documents.ts';

/** What a comparison found. */
export interface Found {
  documents: number;
  differences: number;
  failed: number;
}

/** Deleted documents included while their deletion is younger than `$1`; with `$2` those that this item or its task shows. */
const COMPARED = `(ended_at IS NULL OR (status = 'deleted' AND ended_at > $1)) AND ($2::text IS NULL
  OR EXISTS (SELECT 1 FROM watched_document w WHERE w.document_id = document.id AND w.item_code = $2 AND w.gone_at IS NULL)
  OR EXISTS (SELECT 1 FROM mirrored_task m WHERE m.document_id = document.id AND m.item_code = $2))`;

/** Which documents are compared with what their deals show. */
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
  };
}

export type Comparisons = ReturnType<typeof createComparisons>;
