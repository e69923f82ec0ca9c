import type { Pool } from 'pg';
import type { DocumentSlotsPort } from '../../robot/ports/document-slots.ts';
import type { AttemptLocks } from '../../robot/ports/locks.ts';
import { beginChange, takenChange } from '../journal/begun-changes.ts';
import {
  IS_LOCKED_ITEM,
  IS_LOCKED_SLOT,
  lockedItems,
  lockedSlots,
  writeLockedDocuments,
} from '../locks/lock-order.ts';

/** The type of the document of a row `w` of `watched_document` in a slot of its item; null when it is in none. */
export const SLOT_TYPE = `(SELECT min(s.type) FROM document_slot AS s
  WHERE s.document_id = w.document_id AND s.portal = w.portal AND s.item_code = w.item_code)`;
/** A document just made is found by its `Modified`; it is read on its own only later, so that many of them are not. */
const REFRESH_AFTER_MS = 120_000;
/** How long a run waits for another one that has the slot; then its attempt ends and is made anew. */
const SLOT_WAIT_MS = 20_000;

/**
 * Documents of one CRM item as one run sees them; a slot is case-blind. Through `asyncCommitPool` goes what need not be
 * waited for: the end of the run makes it durable, and a run that has not ended does it again.
 */
export function createDocumentSlots(
  {
    pool,
    asyncCommitPool,
    locks,
    now,
  }: { pool: Pool; asyncCommitPool: Pool; locks: AttemptLocks; now: () => Date },
  portalKey: string,
  itemCode: string,
  runId: string,
): DocumentSlotsPort {
  const externalId = (slot: string) => `b24:${portalKey}:${itemCode}:${slot.toLowerCase()}`;

  /**
   * From now on the item shows the document; one that counted as deleted is read again. The document's row is written
   * first, as everywhere (lock-order.ts).
   */
  async function watch(documentId: number, slot: string | null): Promise<void> {
    locks.check();
    const at = now();
    await asyncCommitPool.query(
      `WITH intent AS (SELECT EXISTS (SELECT 1 FROM document_intent WHERE external_id = $6 AND run_id = $7) AS made),
         known AS (INSERT INTO document AS d (id, made, look_at)
           SELECT $3, made, CASE WHEN made THEN $5::timestamptz ELSE $4 END FROM intent
           ON CONFLICT (id) DO UPDATE SET look_at = $4, ended_at = NULL WHERE d.ended_at IS NOT NULL RETURNING 1),
         shown AS (INSERT INTO watched_document AS w (portal, item_code, document_id, created_at, show_at)
           SELECT $1, $2, $3, $4, $4 FROM (SELECT count(*) FROM known) AS locked
           ON CONFLICT (portal, item_code, document_id) DO UPDATE SET
             show_at = least(w.show_at, excluded.show_at), changes = w.changes + 1, gone_at = NULL
           RETURNING xmax = 0 AS fresh)
       INSERT INTO journal (at, portal, item_code, document_id, type, actor, data)
       SELECT $4, $1, $2, $3, 'document.bound', 'run ' || $7, '{"slot": null}' FROM shown WHERE fresh AND $6 IS NULL`,
      [
        portalKey,
        itemCode,
        documentId,
        at,
        new Date(at.getTime() + REFRESH_AFTER_MS),
        slot === null ? null : externalId(slot),
        runId,
      ],
    );
  }

  return {
    externalId,
    alone: (slot, work) => locks.hold(externalId(slot), work, SLOT_WAIT_MS),

    async begin(slot) {
      locks.check();
      await pool.query(
        `INSERT INTO document_intent (external_id, run_id) VALUES ($1, $2)
         ON CONFLICT (external_id) DO UPDATE SET run_id = excluded.run_id`,
        [externalId(slot), runId],
      );
    },

    async begunByThisRun(slot) {
      const { rowCount } = await pool.query(
        'SELECT 1 FROM document_intent WHERE external_id = $1 AND run_id = $2',
        [externalId(slot), runId],
      );
      return rowCount === 1;
    },

    async begunByAnyRun(slot) {
      const { rowCount } = await pool.query('SELECT 1 FROM document_intent WHERE external_id = $1', [
        externalId(slot),
      ]);
      return rowCount === 1;
    },

    async find(slot) {
      const { rows } = await pool.query(
        'SELECT document_id FROM document_slot WHERE portal = $1 AND item_code = $2 AND slot = $3',
        [portalKey, itemCode, slot.toLowerCase()],
      );
      return rows[0] ? Number(rows[0].document_id) : null;
    },

    async bind(slot, document, how) {
      locks.check();
      await asyncCommitPool.query(BIND, [
        portalKey,
        itemCode,
        slot.toLowerCase(),
        document.id,
        document.url,
        document.file?.size ?? null,
        document.file?.sha256 ?? null,
        runId,
        `document ${document.id}`,
        now(),
        JSON.stringify(how ?? { made: false }),
      ]);
      await watch(document.id, slot);
    },

    async generated(slot) {
      const { rows } = await pool.query(
        'SELECT generated_id FROM document_slot WHERE portal = $1 AND item_code = $2 AND slot = $3',
        [portalKey, itemCode, slot.toLowerCase()],
      );
      return rows[0]?.generated_id == null ? null : Number(rows[0].generated_id);
    },

    async keepGenerated(slot, documentId, generatedId) {
      locks.check();
      await pool.query(
        `UPDATE document_slot SET generated_id = $5
         WHERE portal = $1 AND item_code = $2 AND slot = $3 AND document_id = $4`,
        [portalKey, itemCode, slot.toLowerCase(), documentId, generatedId],
      );
    },

    async lastStatus(documentId) {
      const { rows } = await pool.query(
        'SELECT status, status_since FROM document WHERE id = $1 AND status IS NOT NULL',
        [documentId],
      );
      return rows[0] ? { status: rows[0].status, since: rows[0].status_since } : null;
    },

    changing: (documentId, properties) => beginChange(pool, runId, `document ${documentId}`, properties),

    give: (documentId) => watch(documentId, null),

    async release(slot, documentId) {
      await pool.query(
        'DELETE FROM document_slot WHERE portal = $1 AND item_code = $2 AND slot = $3 AND document_id = $4',
        [portalKey, itemCode, slot.toLowerCase(), documentId],
      );
    },
  };
}

/**
 * A slot holds a document. A repeat that brings no file keeps what is known of the file, unless the document is another one.
 * What is new of it, and what this run has changed, becomes lines of the journal.
 */
const BIND = `
  WITH former AS (SELECT document_id FROM document_slot WHERE portal = $1 AND item_code = $2 AND slot = $3),
  ${takenChange('$8', '$9')},
  bound AS (
    INSERT INTO document_slot AS s (portal, item_code, slot, document_id, url, file_size, file_sha256, type)
    VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($11::jsonb->>'type', 'contract'))
    ON CONFLICT (portal, item_code, slot) DO UPDATE SET
      document_id = excluded.document_id,
      url = excluded.url,
      file_size = CASE WHEN excluded.file_sha256 IS NULL AND s.document_id = excluded.document_id
        THEN s.file_size ELSE excluded.file_size END,
      file_sha256 = CASE WHEN excluded.file_sha256 IS NULL AND s.document_id = excluded.document_id
        THEN s.file_sha256 ELSE excluded.file_sha256 END,
      type = CASE WHEN $11::jsonb ? 'type' OR s.document_id <> excluded.document_id THEN excluded.type ELSE s.type END,
      generated_id = CASE WHEN s.document_id = excluded.document_id THEN s.generated_id END
    RETURNING document_id),
  fresh AS (SELECT document_id FROM bound WHERE NOT EXISTS (SELECT FROM former WHERE former.document_id = bound.document_id)),
  line (n, type, data) AS (
    SELECT 1, 'document.made', jsonb_build_object('type', how->'type', 'kind', how->'kindId', 'slot', $3::text)
      FROM fresh, (SELECT $11::jsonb) AS g (how) WHERE (how->>'made')::boolean
    UNION ALL SELECT 2, 'document.changed', jsonb_build_object('fields', fields) FROM begun
    UNION ALL SELECT 3, 'document.bound', jsonb_build_object('slot', $3::text, 'type', how->'type', 'created', how->'made')
      FROM fresh, (SELECT $11::jsonb) AS g (how))
  INSERT INTO journal (at, portal, item_code, document_id, type, actor, data)
  SELECT $10, $1, $2, $4, type, 'run ' || $8, data FROM line ORDER BY n`;

/** The key of a portal's contracts, as its newest run has it, or had it before it was deleted for its age. */
export async function portalKeyOf(pool: Pool, memberId: string): Promise<string | null> {
  const { rows } = await pool.query(
    `(SELECT portal, 1 AS turn FROM run WHERE member_id = $1 ORDER BY received_at DESC LIMIT 1)
     UNION ALL SELECT portal, 2 FROM past_portal WHERE member_id = $1 ORDER BY turn LIMIT 1`,
    [memberId],
  );
  return rows[0]?.portal ?? null;
}

/** Uninstallation with CLEAN=1: contracts already made are found again by their ExternalId. */
export async function forgetPortal(pool: Pool, portalKey: string): Promise<void> {
  await pool.query(
    `WITH ${lockedSlots('portal = $1')} DELETE FROM document_slot AS s USING one WHERE ${IS_LOCKED_SLOT}`,
    [portalKey],
  );
  await pool.query(
    `WITH ${lockedItems('portal = $1')} DELETE FROM watched_document AS w USING one WHERE ${IS_LOCKED_ITEM}`,
    [portalKey],
  );
  await writeLockedDocuments(
    pool,
    'NOT EXISTS (SELECT 1 FROM watched_document WHERE document_id = document.id)',
    'DELETE FROM document',
  );
  await pool.query('DELETE FROM counterparty_pair WHERE portal = $1', [portalKey]);
  await pool.query('DELETE FROM document_intent WHERE starts_with(external_id, $1)', [`b24:${portalKey}:`]);
}
