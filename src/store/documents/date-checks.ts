import type pg from 'pg';
import type { DocumentDates, DocumentStatus, SnapshotChange } from '../../documents/ports/document.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import { inTransaction } from '../db/transaction.ts';
import type { OutboxClient } from '../outbox/told-facts.ts';
import type { ContentSeal } from '../secrets/content-seal.ts';
import { SLOT_TYPE } from './document-slots.ts';
import { openSnapshot } from './kept-snapshots.ts';

interface DatedDocument {
  documentId: number;
  state: DocumentState;
  status: DocumentStatus;
  dates: DocumentDates;
  items: SnapshotChange['items'];
}

/** Documents with dates, for their daily check. */
export function createDateChecks(pool: pg.Pool, content: ContentSeal) {
  return {
    /**
     * One transaction over the next `most` documents with dates; `work` records what is to be told of them. Answers the last
     * of them where there may be more, else null. Those that cannot be opened are left out.
     */
    async step(
      after: number,
      most: number,
      work: (documents: DatedDocument[], client: OutboxClient) => Promise<void>,
    ): Promise<number | null> {
      return inTransaction(pool, async (client) => {
        const { rows } = await client.query(
          `SELECT d.id, d.observed, d.status, d.dates,
             json_agg(json_build_object('portal', w.portal, 'itemCode', w.item_code, 'since', w.created_at,
               'type', ${SLOT_TYPE})
               ORDER BY w.portal, w.item_code) AS items
           FROM (SELECT * FROM document WHERE id > $1 AND ended_at IS NULL AND dates IS NOT NULL
             AND observed IS NOT NULL AND status IS NOT NULL ORDER BY id LIMIT $2 FOR SHARE) AS d
           JOIN watched_document AS w ON w.document_id = d.id AND w.gone_at IS NULL
           GROUP BY d.id, d.observed, d.status, d.dates ORDER BY d.id`,
          [after, most],
        );
        const { rows: last } = await client.query(
          `SELECT max(id) AS id, count(*)::int AS found FROM (SELECT id FROM document WHERE id > $1 AND ended_at IS NULL
             AND dates IS NOT NULL AND observed IS NOT NULL AND status IS NOT NULL ORDER BY id LIMIT $2) AS step`,
          [after, most],
        );
        await work(
          rows.flatMap((row) => toDated(content, row)),
          client,
        );
        return last[0].found === most ? Number(last[0].id) : null;
      });
    },
  };
}

export type DateChecks = ReturnType<typeof createDateChecks>;

function toDated(content: ContentSeal, row: Record<string, unknown>): DatedDocument[] {
  const kept = openSnapshot(content, { observed: row['observed'], dates: row['dates'], assignments: [] });
  if (kept?.state == null || kept.dates === null) return [];
  const document = {
    documentId: Number(row['id']),
    state: kept.state,
    status: row['status'] as DocumentStatus,
    dates: kept.dates,
    items: (row['items'] as { portal: string; itemCode: string; since: string; type: string | null }[]).map(
      (item) => ({
        ...item,
        since: new Date(item.since),
      }),
    ),
  };
  return [document];
}
