import type pg from 'pg';
import { IN_ORDER } from './outbox.ts';

/** The transaction in which facts are written. */
export type OutboxClient = pg.ClientBase;

/** A fact to be told. */
export interface NewFact {
  portal: string;
  documentId: number;
  itemCode: string;
  kind: 'trigger' | 'notice';
  code: string;
  key: string;
  /** Sealed; null for triggers. */
  payload: string | null;
}

/** What portals are told of documents, and were told: each fact of a document once per item. */
export function createToldFacts(pool: pg.Pool) {
  return {
    /** Writes facts in the caller's transaction, which holds their documents; those told before are left out. */
    async add(client: OutboxClient, rows: NewFact[], now: Date): Promise<void> {
      if (rows.length === 0) return;
      const keyed = rows.map((row) => ({
        ...row,
        lane: row.kind === 'notice' ? 'address' : 'trigger',
        dedupeKey: [row.itemCode, row.documentId, row.code, row.key].join('/'),
        // A later trigger of an item must not overtake an earlier one.
        series: row.kind === 'trigger' ? row.itemCode : null,
      }));
      // A conflict would be waited for while its row is settled, and out of order.
      await client.query(
        `INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, document_id, item_code, code, key, series, payload, created_at, due_at)
         SELECT g.portal, g.portal, g.kind, g.lane, g."dedupeKey", g."documentId", g."itemCode", g.code, g.key, g.series, g.payload, $2, $2
         FROM ROWS FROM (json_to_recordset($1::json) AS (portal text, kind text, lane text, "dedupeKey" text, "documentId" bigint,
           "itemCode" text, code text, key text, series text, payload text))
           WITH ORDINALITY AS g (portal, kind, lane, "dedupeKey", "documentId", "itemCode", code, key, series, payload, n)
         WHERE NOT EXISTS (SELECT 1 FROM outbox AS known
           WHERE known.portal = g.portal AND known.kind = g.kind AND known.dedupe_key = g."dedupeKey")
         ORDER BY n ON CONFLICT DO NOTHING`,
        [JSON.stringify(keyed), now],
      );
    },

    /**
     * Forgets what was not told yet of a document's dates: all but those of `open` (keys begin with the date). A date that
     * opens again is told then.
     */
    async cancelDates(client: OutboxClient, documentId: number, open: string[]): Promise<void> {
      await client.query(
        `WITH one AS (SELECT id FROM outbox WHERE document_id = $1 AND state = 'due' AND message IS NULL
           AND code IN ('directum_due', 'directum_overdue', 'directum_document_due', 'directum_document_overdue', 'due', 'overdue')
           AND split_part(key, '/', 1) <> ALL($2) ${IN_ORDER})
         DELETE FROM outbox USING one WHERE outbox.id = one.id`,
        [documentId, open],
      );
    },

    /** Forgets what a portal was told (uninstallation with CLEAN=1). */
    async forget(portal: string): Promise<void> {
      await pool.query(
        `WITH one AS (SELECT id FROM outbox WHERE portal = $1 AND kind IN ('trigger', 'notice', 'comment') AND run_id IS NULL ${IN_ORDER})
         DELETE FROM outbox USING one WHERE outbox.id = one.id`,
        [portal],
      );
    },
  };
}

export type ToldFacts = ReturnType<typeof createToldFacts>;
