import type pg from 'pg';
import type {
  Assignment,
  DocumentDates,
  DocumentSnapshot,
  DocumentStatus,
  SnapshotChange,
} from '../../documents/ports/document.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { ContentSeal } from '../secrets/content-seal.ts';
import { SLOT_TYPE } from './document-slots.ts';

/** The transaction of one observation; whoever records facts of it writes through this. */
export type DocumentClient = pg.PoolClient;

/** What is kept of a document. */
export interface KeptSnapshot extends DocumentSnapshot {
  askedAt: Date | null;
  ended: boolean;
}

export interface OpenSnapshot extends Pick<SnapshotChange, 'items' | 'made'> {
  snapshot: KeptSnapshot;
}

/** What Directum showed of a document, as its columns hold it; `assignments` are the columns `seen`. */
interface SealedSnapshot {
  observed: unknown;
  dates: unknown;
  assignments: unknown[];
}

/** Null when a part of it cannot be opened: then it is as if nothing were known of the document. */
export function openSnapshot(
  content: ContentSeal,
  row: SealedSnapshot,
): Pick<DocumentSnapshot, 'state' | 'dates' | 'assignments'> | null {
  const state = content.open<DocumentState>('document.observed', row.observed);
  const dates = content.open<DocumentDates>('document.dates', row.dates);
  const opened = row.assignments.map((seen) => content.open<Assignment>('assignment.seen', seen));
  const assignments = opened.filter((one) => one !== null);
  const isWhole =
    (state === null) === (row.observed === null) &&
    (dates === null) === (row.dates === null) &&
    assignments.length === opened.length;
  return isWhole ? { state, dates, assignments } : null;
}

/**
 * Locks the documents among `ids` that are known and reads what is kept of them. One that cannot be opened, of `lost`, counts
 * as never read, and what it shows is nothing new, because nobody knows how it stood.
 */
export async function openSnapshots(
  client: DocumentClient,
  content: ContentSeal,
  ids: number[],
): Promise<{ known: Map<number, OpenSnapshot>; lost: number[] }> {
  const { rows } = await client.query(
    `SELECT id, made, observed, dates, status, status_since, asked_at, ended_at FROM document
     WHERE id = ANY($1) ORDER BY id FOR UPDATE`,
    [ids],
  );
  const knownIds = rows.map((row) => Number(row.id));
  if (knownIds.length === 0) return { known: new Map(), lost: [] };
  const assignments = await client.query(
    `SELECT document_id, seen FROM assignment JOIN document_task USING (task_id)
     WHERE document_id = ANY($1) ORDER BY assignment.id`,
    [knownIds],
  );
  const items = await client.query(
    `SELECT document_id, portal, item_code, created_at, ${SLOT_TYPE} AS type FROM watched_document AS w
     WHERE document_id = ANY($1) AND gone_at IS NULL ORDER BY portal, item_code`,
    [knownIds],
  );
  const seenOf = Map.groupBy(assignments.rows, (row) => Number(row.document_id));
  const itemsOf = Map.groupBy(items.rows, (row) => Number(row.document_id));
  const lost: number[] = [];
  const known = rows.map((row): [number, OpenSnapshot] => {
    const id = Number(row.id);
    const seen = (seenOf.get(id) ?? []).map((one) => one.seen);
    const kept = openSnapshot(content, { observed: row.observed, dates: row.dates, assignments: seen });
    if (kept === null) lost.push(id);
    return [
      id,
      {
        made: kept !== null && (row.made as boolean),
        snapshot: {
          ...(kept ?? { state: null, dates: null, assignments: [] }),
          status: kept && (row.status as DocumentStatus | null),
          since: kept && (row.status_since as string | null),
          askedAt: row.asked_at as Date | null,
          ended: row.ended_at !== null,
        },
        items: (itemsOf.get(id) ?? []).map((one) => ({
          portal: one.portal as string,
          itemCode: one.item_code as string,
          since: one.created_at as Date,
          type: one.type as string | null,
        })),
      },
    ];
  });
  return { known: new Map(known), lost };
}

/**
 * Of the documents `lost`, those that were not read whole now are due to be; of those that are in `kept` nothing stays that
 * cannot be opened, or each reading would order another one.
 */
export async function readAnew(
  client: DocumentClient,
  lost: number[],
  kept: ReadonlyMap<number, KeptSnapshot>,
  now: Date,
): Promise<void> {
  const read = lost.filter((id) => kept.has(id));
  const assignments = read.flatMap((id) => kept.get(id)?.assignments ?? []);
  await client.query('UPDATE document SET look_at = least(look_at, $2) WHERE id = ANY($1)', [
    lost.filter((id) => !kept.has(id)),
    now,
  ]);
  await client.query(
    `WITH one AS (SELECT assignment.id FROM assignment JOIN document_task AS t USING (task_id)
       WHERE t.document_id = ANY($1) AND assignment.id <> ALL($2) ORDER BY assignment.id FOR UPDATE OF assignment)
     DELETE FROM assignment USING one WHERE assignment.id = one.id`,
    [read, assignments.map(({ id }) => id)],
  );
}
