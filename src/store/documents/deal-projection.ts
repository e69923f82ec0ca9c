import type pg from 'pg';
import type { ActivityCard, DealFields } from '../../documents/ports/deal.ts';
import type { DocumentSnapshot } from '../../documents/ports/document.ts';
import { FIELDS_SLOT } from '../../documents/types/document-types.ts';
import {
  IS_LOCKED_ITEM,
  IS_LOCKED_SLOT,
  lockedItems,
  lockedSlots,
  writeLockedDocuments,
} from '../locks/lock-order.ts';
import type { ContentSeal } from '../secrets/content-seal.ts';
import { openSnapshot } from './kept-snapshots.ts';

/** One document of one item, with what the item shows of it and what it should show. */
export interface DueUpdate {
  itemCode: string;
  documentId: number;
  snapshot: DocumentSnapshot;
  activityId: number | null;
  /** What the activity and the item's fields show; null = nothing, or not known. */
  shownCard: ActivityCard | null;
  shownFields: DealFields | null;
  /** The document is in the slot whose document the item's fields show. */
  ownsFields: boolean;
  /** Updates that failed in a row. */
  attempts: number;
  /** Counts changes, so that one that comes while this one is written is not lost. */
  changes: number;
}

type Key = Pick<DueUpdate, 'itemCode' | 'documentId'>;

/** Names of what is shown otherwise than before, for the journal. */
type Changed = { changed: readonly string[] };

/** An INSERT of the journal's lines of what items of the portal `$1` show from the moment `$3` on; `kept` lists their rows. */
const lineOfShown = (what: 'fields' | 'activity', more = '') => `
  INSERT INTO journal (at, portal, item_code, document_id, type, actor, data)
  SELECT $3::timestamptz, $1, item_code, document_id, 'fields.shown', 'service',
    jsonb_build_object('what', '${what}', 'names', changed${more}) FROM kept ORDER BY document_id, item_code`;

const COLUMNS = `w.item_code, w.document_id, w.activity_id, w.shown, w.attempts, w.changes, d.observed, d.dates, d.status,
  d.status_since, s.document_id IS NOT NULL AS owns, s.shown AS shown_fields,
  (SELECT coalesce(jsonb_agg(a.seen ORDER BY a.id), '[]') FROM assignment a JOIN document_task t USING (task_id)
    WHERE t.document_id = d.id) AS assignments`;
const SLOT = `LEFT JOIN document_slot s ON s.portal = w.portal AND s.item_code = w.item_code
  AND s.document_id = w.document_id AND s.slot = '${FIELDS_SLOT}'`;

/** Joins the rows that come as `$2`, to items or to the slots that hold their documents. */
const given = (columns: string) =>
  `JOIN jsonb_to_recordset($2::jsonb) AS given ("itemCode" text, "documentId" bigint, ${columns})
    ON item_code = given."itemCode" AND document_id = given."documentId"`;

/** The rows of `$2` in the portal `$1`, locked, with the columns that come with them. */
const lockedOf = (columns: string) => lockedItems('portal = $1', given(columns));

/** A task outlives its item: the document is watched until the assignment ends, so that the task can be closed. */
const IS_UNSHOWN = `ended_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM watched_document w WHERE w.document_id = document.id AND w.gone_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM mirrored_task m WHERE m.document_id = document.id AND m.task_id IS NOT NULL AND NOT m.ended)`;

/** Documents that neither an item nor a task shows are no longer watched. */
export const endUnshown = (pool: pg.Pool, now: Date): Promise<void> =>
  writeLockedDocuments(pool, IS_UNSHOWN, 'UPDATE document SET ended_at = $2', [now]);

/** Which items are due to be updated, and what they show. */
export function createDealProjection(pool: pg.Pool, content: ContentSeal) {
  const toSnapshot = (row: Record<string, unknown>): DocumentSnapshot => {
    const kept = openSnapshot(content, {
      ...{ observed: row['observed'], dates: row['dates'] },
      assignments: row['assignments'] as unknown[],
    });
    if (kept === null) return { state: null, dates: null, assignments: [], status: null, since: null };
    return {
      ...kept,
      status: row['status'] as DocumentSnapshot['status'],
      since: row['status_since'] as string | null,
    };
  };
  const toDueUpdate = (row: Record<string, unknown>): DueUpdate => ({
    itemCode: row['item_code'] as string,
    documentId: Number(row['document_id']),
    snapshot: toSnapshot(row),
    activityId: row['activity_id'] === null ? null : Number(row['activity_id']),
    shownCard: content.open<ActivityCard>('watched_document.shown', row['shown']),
    shownFields: content.open<DealFields>('document_slot.shown', row['shown_fields']),
    ownsFields: row['owns'] as boolean,
    attempts: row['attempts'] as number,
    changes: Number(row['changes']),
  });

  return {
    /** Leases what is due in the portal, the oldest first. */
    async takeDue(portal: string, now: Date, leaseMs: number, limit: number): Promise<DueUpdate[]> {
      const { rows: taken } = await pool.query(
        `UPDATE watched_document AS w SET taken_until = $3 FROM
           (SELECT item_code, document_id FROM watched_document
             WHERE portal = $1 AND show_at <= $2 AND (taken_until IS NULL OR taken_until <= $2)
             ORDER BY show_at LIMIT $4 FOR UPDATE SKIP LOCKED) AS due
         WHERE w.portal = $1 AND w.item_code = due.item_code AND w.document_id = due.document_id
         RETURNING w.item_code, w.document_id`,
        [portal, now, new Date(now.getTime() + leaseMs), limit],
      );
      if (taken.length === 0) return [];
      // Not by the statement above: it would count a change that came since it began, and see the document before it.
      const { rows } = await pool.query(
        `SELECT ${COLUMNS} FROM unnest($2::text[], $3::bigint[]) AS taken (item_code, document_id)
           JOIN watched_document w USING (item_code, document_id) JOIN document d ON d.id = w.document_id ${SLOT}
         WHERE w.portal = $1 ORDER BY w.show_at`,
        [portal, taken.map((row) => row.item_code), taken.map((row) => row.document_id)],
      );
      return rows.map(toDueUpdate);
    },

    /** What items of the portal should show, by document, for a comparison with what they do show. */
    async shownOf(portal: string, documentIds: number[]): Promise<DueUpdate[]> {
      const { rows } = await pool.query(
        `SELECT ${COLUMNS} FROM watched_document w JOIN document d ON d.id = w.document_id ${SLOT}
         WHERE w.portal = $1 AND w.document_id = ANY($2) AND w.gone_at IS NULL ORDER BY w.document_id, w.item_code`,
        [portal, documentIds],
      );
      return rows.map(toDueUpdate);
    },

    /** How many items are still to be updated. */
    async dueCount(portals: string[]): Promise<number> {
      const { rows } = await pool.query(
        'SELECT count(*)::int AS due FROM watched_document WHERE show_at IS NOT NULL AND portal = ANY($1)',
        [portals],
      );
      return rows[0].due;
    },

    /**
     * Items of the portal that are about to be updated with something of these documents: a change that waits for its first
     * try, or all of a document that was not read yet. As `DEAL_915 5001`.
     */
    async pendingWrites(portal: string, documentIds: number[]): Promise<Set<string>> {
      const { rows } = await pool.query(
        `SELECT w.item_code, w.document_id FROM watched_document w JOIN document d ON d.id = w.document_id
         WHERE w.portal = $1 AND w.document_id = ANY($2) AND w.gone_at IS NULL
           AND ((w.show_at IS NOT NULL AND w.attempts = 0) OR d.observed IS NULL)`,
        [portal, documentIds],
      );
      return new Set(rows.map((row) => `${row.item_code} ${row.document_id}`));
    },

    /** The fields were written; a slot that meanwhile holds another document is left alone. */
    async keepFields(
      portal: string,
      written: (Key & Changed & { shownFields: DealFields })[],
      now: Date,
    ): Promise<void> {
      const rows = written.map((row) => ({
        ...row,
        shownFields: content.seal('document_slot.shown', row.shownFields),
      }));
      await pool.query(
        `WITH ${lockedSlots(`portal = $1 AND slot = '${FIELDS_SLOT}'`, given('"shownFields" jsonb, changed jsonb'))},
           kept AS (UPDATE document_slot AS s SET shown = one."shownFields" FROM one WHERE ${IS_LOCKED_SLOT}
             RETURNING s.item_code, s.document_id, one.changed)
         ${lineOfShown('fields')}`,
        [portal, toKeys(rows, 'shownFields', 'changed'), now],
      );
    },

    async keepCards(
      portal: string,
      written: (Key & Changed & { activityId: number | null; shownCard: ActivityCard })[],
      now: Date,
    ): Promise<void> {
      const rows = written.map((row) => ({
        ...row,
        shownCard: content.seal('watched_document.shown', row.shownCard),
      }));
      await pool.query(
        `WITH ${lockedOf('"shownCard" jsonb, "activityId" bigint, changed jsonb')},
           kept AS (UPDATE watched_document AS w SET shown = one."shownCard", activity_id = one."activityId" FROM one
             WHERE ${IS_LOCKED_ITEM} RETURNING w.item_code, w.document_id, w.activity_id, one.changed)
         ${lineOfShown('activity', `, 'activity', activity_id`)}`,
        [portal, toKeys(rows, 'shownCard', 'activityId', 'changed'), now],
      );
    },

    /**
     * Ends updates. What changed meanwhile stays due; an item that is gone is not updated any more, and a document that no
     * item shows is no longer watched.
     */
    async settle(
      portal: string,
      taken: (Key & { changes: number; result: 'shown' | 'retry' | 'gone'; retryMs: number })[],
      now: Date,
    ): Promise<void> {
      await pool.query(
        `WITH ${lockedOf('changes bigint, result text, "retryMs" int')}
         UPDATE watched_document AS w SET taken_until = NULL,
           attempts = CASE WHEN one.result = 'retry' THEN w.attempts + 1 ELSE 0 END,
           show_at = CASE WHEN one.result = 'retry' THEN $3::timestamptz + one."retryMs" * interval '1 millisecond'
             WHEN w.changes <> one.changes THEN w.show_at END
         FROM one WHERE ${IS_LOCKED_ITEM}`,
        [portal, toKeys(taken, 'changes', 'result', 'retryMs'), now],
      );
      const gone = taken.filter(({ result }) => result === 'gone').map(({ itemCode }) => itemCode);
      if (gone.length === 0) return;
      await pool.query(
        `WITH ${lockedItems('portal = $1 AND item_code = ANY($2)')}
         UPDATE watched_document AS w SET gone_at = $3, show_at = NULL FROM one WHERE ${IS_LOCKED_ITEM}`,
        [portal, gone, now],
      );
      await endUnshown(pool, now);
    },

    /** What the portal really shows is not what was written: it is written anew. */
    async forget(
      portal: string,
      wrong: (Key & { fields: boolean; activity: boolean })[],
      now: Date,
    ): Promise<void> {
      await pool.query(
        `WITH ${lockedSlots('portal = $1 AND given.fields', given('fields boolean'))}
         UPDATE document_slot AS s SET shown = NULL FROM one WHERE ${IS_LOCKED_SLOT}`,
        [portal, toKeys(wrong, 'fields')],
      );
      await pool.query(
        `WITH ${lockedOf('activity boolean')}
         UPDATE watched_document AS w SET shown = CASE WHEN one.activity THEN NULL ELSE w.shown END,
           changes = w.changes + 1, attempts = 0, show_at = least(w.show_at, $3)
         FROM one WHERE ${IS_LOCKED_ITEM} AND w.gone_at IS NULL`,
        [portal, toKeys(wrong, 'activity'), now],
      );
    },
  };
}

export type DealProjection = ReturnType<typeof createDealProjection>;

/** Rows as JSON: their key and the columns named. */
function toKeys<T extends Key>(rows: T[], ...columns: (keyof T & string)[]): string {
  return JSON.stringify(
    rows.map((row) => ({
      itemCode: row.itemCode,
      documentId: row.documentId,
      ...Object.fromEntries(columns.map((column) => [column, row[column]])),
    })),
  );
}
