import type pg from 'pg';
import type { DocumentDates, DocumentStatus, SnapshotChange } from '../../documents/ports/document.ts';
import { LEASE_MS } from '../../lib/work/leases.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import { inTransaction } from '../db/transaction.ts';
import type { OutboxClient } from '../outbox/told-facts.ts';

interface DatedDocument {
  documentId: number;
  state: DocumentState;
  status: DocumentStatus;
  dates: DocumentDates;
  items: SnapshotChange['items'];
}

const STEP = 200;

/** Which process makes the daily check of the dates of documents, and how far it is. */
export function createDateChecks(pool: pg.Pool) {
  return {
    /** All dates are checked anew: a service that starts does not know what it missed. */
    async restart(): Promise<void> {
      await pool.query(`UPDATE due_look SET day = '', after = 0, look_at = '-infinity'`);
    },

    /** Takes the next step if `day` was not checked to its end; answers the document after which to go on. */
    async take(day: string, now: Date): Promise<number | null> {
      const { rows } = await pool.query(
        'UPDATE due_look SET look_at = $3 WHERE day < $1 AND look_at <= $2 RETURNING after',
        [day, now, new Date(now.getTime() + LEASE_MS.dates)],
      );
      return rows[0] ? Number(rows[0].after) : null;
    },

    /**
     * One transaction over the next documents with dates; `work` records what is to be told of them. Answers whether
     * there may be more; without more the day is over.
     */
    async step(
      day: string,
      after: number,
      work: (documents: DatedDocument[], client: OutboxClient) => Promise<void>,
    ): Promise<boolean> {
      return inTransaction(pool, async (client) => {
        const { rows } = await client.query(
          `SELECT d.id, d.observed, d.status, d.dates,
             json_agg(json_build_object('portal', w.portal, 'itemCode', w.item_code, 'since', w.created_at)
               ORDER BY w.portal, w.item_code) AS items
           FROM (SELECT * FROM document WHERE id > $1 AND ended_at IS NULL AND dates IS NOT NULL
             AND observed IS NOT NULL AND status IS NOT NULL ORDER BY id LIMIT $2 FOR SHARE) AS d
           JOIN watched_document AS w ON w.document_id = d.id AND w.gone_at IS NULL
           GROUP BY d.id, d.observed, d.status, d.dates ORDER BY d.id`,
          [after, STEP],
        );
        const { rows: last } = await client.query(
          `SELECT max(id) AS id, count(*)::int AS found FROM (SELECT id FROM document WHERE id > $1 AND ended_at IS NULL
             AND dates IS NOT NULL AND observed IS NOT NULL AND status IS NOT NULL ORDER BY id LIMIT $2) AS step`,
          [after, STEP],
        );
        await work(rows.map(toDated), client);
        const more = last[0].found === STEP;
        await client.query(
          `UPDATE due_look SET day = $1, after = $2, look_at = '-infinity' WHERE after = $3`,
          more ? ['', last[0].id, after] : [day, 0, after],
        );
        return more;
      });
    },
  };
}

export type DateChecks = ReturnType<typeof createDateChecks>;

function toDated(row: Record<string, unknown>): DatedDocument {
  return {
    documentId: Number(row['id']),
    state: row['observed'] as DocumentState,
    status: row['status'] as DocumentStatus,
    dates: row['dates'] as DocumentDates,
    items: (row['items'] as { portal: string; itemCode: string; since: string }[]).map((item) => ({
      ...item,
      since: new Date(item.since),
    })),
  };
}
