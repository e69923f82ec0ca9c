import type pg from 'pg';
import type { Assignment } from '../../documents/ports/document.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import { inTransaction } from '../db/transaction.ts';
import {
  IS_LOCKED_ITEM,
  IS_LOCKED_SLOT,
  lockedDocuments,
  lockedItems,
  lockedSlots,
} from '../locks/lock-order.ts';
import type { ContentSeal } from '../secrets/content-seal.ts';
import {
  type DocumentClient,
  type KeptSnapshot,
  type OpenSnapshot,
  openSnapshots,
  readAnew,
} from './kept-snapshots.ts';

/** Final documents: their signing is over, so only questions of what changed read them (docs/architecture.md). */
export const FINAL = `('executed', 'annulled')`;
/** Changes of one moment go into one update. */
const GATHER_MS = 1_000;

/** Documents that CRM items show: what Directum showed last, and which must be read. */
export function createDocumentStore(pool: pg.Pool, content: ContentSeal) {
  return {
    /**
     * One transaction over the known documents among `ids`. `work` answers what is to be kept; items of those documents are
     * due to be updated a moment later.
     */
    async change(
      ids: number[],
      now: Date,
      work: (known: Map<number, OpenSnapshot>, client: DocumentClient) => Promise<Map<number, KeptSnapshot>>,
    ): Promise<void> {
      return inTransaction(pool, async (client) => {
        const { known, lost } = await openSnapshots(client, content, ids);
        const kept = await work(known, client);
        for (const [id, snapshot] of kept) {
          await client.query(
            `UPDATE document SET observed = $2, dates = $3, status = $4, status_since = $5, asked_at = $6,
               ended_at = CASE WHEN $7 THEN coalesce(ended_at, $8) END WHERE id = $1`,
            [
              id,
              content.toColumn('document.observed', snapshot.state),
              content.toColumn('document.dates', snapshot.dates),
              snapshot.status,
              snapshot.since,
              snapshot.askedAt,
              snapshot.ended,
              now,
            ],
          );
        }
        if (lost.length > 0) await readAnew(client, lost, kept, now);
        if (kept.size > 0) {
          await client.query(
            `WITH ${lockedItems('document_id = ANY($1) AND gone_at IS NULL')}
             UPDATE watched_document AS w SET changes = changes + 1, show_at = least(show_at, $2)
             FROM one WHERE ${IS_LOCKED_ITEM}`,
            [[...kept.keys()], new Date(now.getTime() + GATHER_MS)],
          );
        }
      });
    },

    /** Keeps assignments as Directum showed them, all of a transaction at once: documents may share them. */
    async keepAssignments(client: DocumentClient, seen: Assignment[]): Promise<void> {
      if (seen.length === 0) return;
      const assignments = [...new Map(seen.map((one) => [one.id, one])).values()].sort((a, b) => a.id - b.id);
      await client.query(
        `INSERT INTO assignment (id, task_id, seen)
         SELECT id, "taskId", seen FROM json_to_recordset($1::json) AS one (id bigint, "taskId" bigint, seen jsonb)
         ON CONFLICT (id) DO UPDATE SET task_id = excluded.task_id, seen = excluded.seen`,
        [
          JSON.stringify(
            assignments.map((one) => ({
              ...{ id: one.id, taskId: one.taskId },
              seen: content.seal('assignment.seen', one),
            })),
          ),
        ],
      );
    },

    /** Ties tasks to the watched ones of their documents; answers the tasks that were not known before. */
    async keepTasks(tasks: { id: number; documentIds: number[] }[]): Promise<number[]> {
      const pairs = tasks.flatMap(({ id, documentIds }) =>
        documentIds.map((documentId) => ({ id, documentId })),
      );
      if (pairs.length === 0) return [];
      const { rows } = await pool.query(
        `INSERT INTO document_task (task_id, document_id)
         SELECT DISTINCT c.id, c."documentId" FROM json_to_recordset($1::json) AS c (id bigint, "documentId" bigint)
           JOIN document ON document.id = c."documentId" ORDER BY c."documentId", c.id
         ON CONFLICT DO NOTHING RETURNING task_id`,
        [JSON.stringify(pairs)],
      );
      return [...new Set(rows.map((row) => Number(row.task_id)))];
    },

    /** Documents of those of the tasks that are known. */
    async documentsOf(taskIds: number[]): Promise<Map<number, number[]>> {
      const { rows } = await pool.query(
        'SELECT task_id, document_id FROM document_task WHERE task_id = ANY($1) ORDER BY document_id',
        [taskIds],
      );
      const grouped = Map.groupBy(rows, (row) => Number(row.task_id));
      return new Map([...grouped].map(([id, of]) => [id, of.map((row) => Number(row.document_id))]));
    },

    /** What is kept of the known documents among `ids`, by id, and when that was asked for. */
    async statesOf(ids: number[]): Promise<Map<number, Pick<KeptSnapshot, 'state' | 'askedAt'>>> {
      const { rows } = await pool.query('SELECT id, observed, asked_at FROM document WHERE id = ANY($1)', [
        ids,
      ]);
      return new Map(
        rows.map((row) => {
          const state = content.open<DocumentState>('document.observed', row.observed);
          return [Number(row.id), { state, askedAt: row.asked_at }];
        }),
      );
    },

    /** They were asked for again and showed nothing else. */
    async keepAsked(ids: number[], askedAt: Date): Promise<void> {
      await pool.query(
        `WITH ${lockedDocuments('id = ANY($1)')}
         UPDATE document SET asked_at = greatest(asked_at, $2) FROM one WHERE document.id = one.id`,
        [ids, askedAt],
      );
    },

    /** Leases documents that are due to be refreshed on their own, the latest order first. */
    async takeRefreshes(now: Date, leaseMs: number, limit: number): Promise<number[]> {
      const { rows } = await pool.query(
        `UPDATE document SET look_at = $2 WHERE id IN
           (SELECT id FROM document WHERE look_at <= $1 ORDER BY look_at DESC LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id`,
        [now, new Date(now.getTime() + leaseMs), limit],
      );
      return rows.map((row) => Number(row.id)).sort((a, b) => a - b);
    },

    /** They were read; an order to refresh that came since then stays. */
    async endRefreshes(ids: number[], leasedUntil: Date): Promise<void> {
      await pool.query(
        `WITH ${lockedDocuments('id = ANY($1)')}
         UPDATE document SET look_at = NULL FROM one WHERE document.id = one.id AND look_at = $2`,
        [ids, leasedUntil],
      );
    },

    /** Everything watched is due to be refreshed, tasks and dates too. */
    async refreshAll(now: Date): Promise<void> {
      await pool.query(
        `WITH ${lockedDocuments('ended_at IS NULL')}
         UPDATE document SET look_at = least(look_at, $1) FROM one WHERE document.id = one.id`,
        [now],
      );
    },

    /** The document is to be read, and shown in the portal anew, whatever it shows now. False: it is not shown there. */
    async refresh(portal: string, documentId: number, now: Date): Promise<boolean> {
      const { rowCount } = await pool.query(
        `UPDATE watched_document SET shown = NULL, changes = changes + 1, show_at = $3
         WHERE portal = $1 AND document_id = $2 AND gone_at IS NULL`,
        [portal, documentId, new Date(now.getTime() + GATHER_MS)],
      );
      if (!rowCount) return false;
      await pool.query('UPDATE document SET look_at = $2 WHERE id = $1', [documentId, now]);
      await pool.query(
        `WITH ${lockedSlots('portal = $1 AND document_id = $2')}
         UPDATE document_slot AS s SET shown = NULL FROM one WHERE ${IS_LOCKED_SLOT}`,
        [portal, documentId],
      );
      return true;
    },

    /** The next documents of the full rescan; final ones are left to questions of what changed and the nightly comparison. */
    async rescannedAfter(id: number, limit: number): Promise<number[]> {
      const { rows } = await pool.query(
        `SELECT id FROM document WHERE id > $1 AND ended_at IS NULL AND (status IS NULL OR status NOT IN ${FINAL})
         ORDER BY id LIMIT $2`,
        [id, limit],
      );
      return rows.map((row) => Number(row.id));
    },

    async isEmpty(): Promise<boolean> {
      const { rowCount } = await pool.query('SELECT 1 FROM document WHERE ended_at IS NULL LIMIT 1');
      return rowCount === 0;
    },
  };
}

export type DocumentStore = ReturnType<typeof createDocumentStore>;
