import type pg from 'pg';
import { inTransaction } from '../db/transaction.ts';

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

export interface DueFact {
  id: string;
  portal: string;
  /** Null: it tells of a run that failed. */
  documentId: number | null;
  itemCode: string;
  code: string;
  key: string;
  payload: string | null;
  createdAt: Date;
  attempts: number;
}

/** One message to one person: a notice, or several as a digest. */
export interface DueMessage {
  message: string;
  portal: string;
  userId: number;
  notices: DueFact[];
}

export interface SettledFact {
  id: string;
  state: 'due' | 'sent' | 'gone' | 'refused';
  dueAt: Date;
  error: string | null;
}

/** More notices to one person than this within a minute become one digest (interface.md §5). */
const MOST_A_MINUTE = 5;
const MINUTE_MS = 60_000;
/** A notice waits so long for others, so that what changed together is counted together. */
const GATHER_MS = 5_000;
/** Held while messages are decided: replicas must not count the same notices at the same time. */
const DECIDING = 7_340_512;

/** The order in which all lock several entries (lock-order.ts). */
const IN_ORDER = 'ORDER BY telling.document_id, telling.id FOR UPDATE OF telling';

/** What portals are told, and were told: each fact of a document once per item. */
export function createOutbox(pool: pg.Pool) {
  return {
    /** Writes facts in the caller's transaction, which holds their documents; those told before are left out. */
    async add(client: OutboxClient, rows: NewFact[], now: Date): Promise<void> {
      if (rows.length === 0) return;
      // A conflict would be waited for while its row is settled, and out of order.
      await client.query(
        `INSERT INTO telling (portal, document_id, item_code, kind, code, key, payload, created_at, due_at)
         SELECT g.portal, g."documentId", g."itemCode", g.kind, g.code, g.key, g.payload, $2, $2
         FROM ROWS FROM (json_to_recordset($1::json) AS (portal text, "documentId" bigint, "itemCode" text, kind text, code text,
           key text, payload text)) WITH ORDINALITY AS g (portal, "documentId", "itemCode", kind, code, key, payload, n)
         WHERE NOT EXISTS (SELECT 1 FROM telling AS known WHERE known.portal = g.portal AND known.item_code = g."itemCode"
           AND known.document_id = g."documentId" AND known.kind = g.kind AND known.code = g.code AND known.key = g.key)
         ORDER BY n ON CONFLICT DO NOTHING`,
        [JSON.stringify(rows), now],
      );
    },

    /**
     * Forgets what was not told yet of a document's dates: all but those of `open` (keys begin with the date). A date that
     * opens again is told then.
     */
    async cancelDates(client: OutboxClient, documentId: number, open: string[]): Promise<void> {
      await client.query(
        `WITH one AS (SELECT id FROM telling WHERE document_id = $1 AND state = 'due' AND message IS NULL
           AND code IN ('directum_due', 'directum_overdue', 'directum_document_due', 'directum_document_overdue', 'due', 'overdue') AND split_part(key, '/', 1) <> ALL($2) ${IN_ORDER})
         DELETE FROM telling USING one WHERE telling.id = one.id`,
        [documentId, open],
      );
    },

    /**
     * Leases triggers of these portals, the oldest of each item only: a later one must not overtake it. One that the portal
     * refused waits for an administrator, and the others do not wait with it.
     */
    async takeTriggers(portals: string[], now: Date, leaseMs: number, limit: number): Promise<DueFact[]> {
      const { rows } = await pool.query(
        `UPDATE telling SET due_at = $3, attempts = attempts + 1 WHERE id IN (
           SELECT id FROM telling AS t WHERE state = 'due' AND kind = 'trigger' AND due_at <= $2 AND portal = ANY($1)
             AND NOT EXISTS (SELECT 1 FROM telling AS earlier WHERE earlier.state = 'due' AND earlier.kind = 'trigger'
               AND earlier.last_error IS DISTINCT FROM 'refused' AND earlier.portal = t.portal AND earlier.item_code = t.item_code AND earlier.id < t.id)
           ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED)
         RETURNING *`,
        [portals, now, later(now, leaseMs), limit],
      );
      return toOrder(rows);
    },

    /** Leases notices whose person is not known yet. */
    async takeUnaddressed(portals: string[], now: Date, leaseMs: number, limit: number): Promise<DueFact[]> {
      const { rows } = await pool.query(
        `UPDATE telling SET due_at = $3, attempts = attempts + 1 WHERE id IN (
           SELECT id FROM telling WHERE state = 'due' AND kind = 'notice' AND user_id IS NULL AND due_at <= $2
             AND portal = ANY($1) ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED)
         RETURNING *`,
        [portals, now, later(now, leaseMs), limit],
      );
      return toOrder(rows);
    },

    /** The person of each notice is known, and its message is written. */
    async address(addressed: { id: string; userId: number; payload: string }[], now: Date): Promise<void> {
      await pool.query(
        `WITH one AS (SELECT telling.id, g."userId", g.payload FROM telling
           JOIN json_to_recordset($1::json) AS g (id bigint, "userId" bigint, payload text) ON telling.id = g.id
           WHERE state = 'due' AND user_id IS NULL ${IN_ORDER})
         UPDATE telling SET user_id = one."userId", payload = one.payload, due_at = $2, attempts = 0
         FROM one WHERE telling.id = one.id`,
        [JSON.stringify(addressed), now],
      );
    },

    /**
     * Leases messages that are due. Notices go out singly while their person gets at most five messages a minute; with
     * more they are held until the first of them has waited a minute, and leave together. What was decided stays so
     * when it is sent again.
     */
    async takeMessages(portals: string[], now: Date, leaseMs: number, limit: number): Promise<DueMessage[]> {
      return inTransaction(pool, async (client) => {
        await client.query('SELECT pg_advisory_xact_lock($1)', [DECIDING]);
        await client.query(
          `WITH waiting AS (
             SELECT portal, user_id, count(*) AS notices, min(created_at) AS since, min(id) AS first FROM telling
             WHERE kind = 'notice' AND state = 'due' AND user_id IS NOT NULL AND message IS NULL AND portal = ANY($1)
             GROUP BY portal, user_id),
           counted AS (
             SELECT waiting.*, (SELECT count(DISTINCT message) FROM telling AS t WHERE t.portal = waiting.portal
               AND t.user_id = waiting.user_id AND t.kind = 'notice' AND t.messaged_at > $3) AS recent FROM waiting),
           ready AS (
             SELECT *, notices > 1 AND notices + recent > $5 AS together FROM counted
             WHERE since <= CASE WHEN notices + recent > $5 THEN $3::timestamptz ELSE $4::timestamptz END),
           one AS (
             SELECT telling.id, together, first FROM telling JOIN ready USING (portal, user_id)
             WHERE kind = 'notice' AND state = 'due' AND message IS NULL ${IN_ORDER})
           UPDATE telling SET messaged_at = $2, attempts = 0,
             message = CASE WHEN together THEN 'digest/' || first ELSE telling.id::text END
           FROM one WHERE telling.id = one.id`,
          [portals, now, later(now, -MINUTE_MS), later(now, -GATHER_MS), MOST_A_MINUTE],
        );
        const { rows } = await client.query(
          `WITH one AS (SELECT id FROM telling WHERE state = 'due' AND message IN (
             SELECT message FROM telling WHERE state = 'due' AND message IS NOT NULL AND due_at <= $2
               AND portal = ANY($1) GROUP BY message ORDER BY min(id) LIMIT $4) ${IN_ORDER})
           UPDATE telling SET due_at = $3, attempts = attempts + 1 FROM one WHERE telling.id = one.id
           RETURNING telling.*`,
          [portals, now, later(now, leaseMs), limit],
        );
        return [...Map.groupBy(rows, (row) => row.message as string)].map(([message, of]) => ({
          message,
          portal: of[0].portal as string,
          userId: Number(of[0].user_id),
          notices: toOrder(of),
        }));
      });
    },

    /**
     * Writes what became of entries, and a line of the journal for each that was sent or given up; one that is due again
     * keeps its attempts.
     */
    async settle(settled: SettledFact[], now: Date): Promise<void> {
      if (settled.length === 0) return;
      await pool.query(
        `WITH one AS (SELECT telling.id, g.state, g."dueAt", g.error FROM telling
           JOIN json_to_recordset($1::json) AS g (id bigint, state text, "dueAt" timestamptz, error text) ON telling.id = g.id
           WHERE telling.state = 'due' ${IN_ORDER}),
         changed AS (UPDATE telling SET state = one.state, due_at = one."dueAt", last_error = one.error,
             settled_at = CASE WHEN one.state <> 'due' THEN $2::timestamptz END
           FROM one WHERE telling.id = one.id RETURNING telling.*)
         INSERT INTO journal (at, portal, item_code, document_id, type, actor, data)
         SELECT settled_at, portal, item_code, document_id,
           CASE WHEN failure_id IS NULL THEN 'message.sent' ELSE 'failure.shown' END, 'service',
           jsonb_strip_nulls(jsonb_build_object('kind', kind, 'code', code, 'key', CASE WHEN failure_id IS NULL THEN nullif(key, '') END,
             'run', (SELECT run_id FROM failure WHERE failure.id = failure_id), 'result', state, 'error', last_error,
             'person', 'portal ' || user_id, 'digest', CASE WHEN message LIKE 'digest/%' THEN message END))
         FROM changed WHERE state <> 'due' ORDER BY id`,
        [JSON.stringify(settled), now],
      );
    },

    /** Forgets what a portal was told (uninstallation with CLEAN=1). */
    async forget(portal: string): Promise<void> {
      await pool.query(
        `WITH one AS (SELECT id FROM telling WHERE portal = $1 ${IN_ORDER})
         DELETE FROM telling USING one WHERE telling.id = one.id`,
        [portal],
      );
    },
  };
}

export type Outbox = ReturnType<typeof createOutbox>;

export function later(now: Date, ms: number): Date {
  return new Date(now.getTime() + ms);
}

function toOrder(rows: Record<string, unknown>[]): DueFact[] {
  return rows.map(toDue).sort((a, b) => Number(a.id) - Number(b.id));
}

export function toDue(row: Record<string, unknown>): DueFact {
  return {
    id: row['id'] as string,
    portal: row['portal'] as string,
    documentId: row['document_id'] === null ? null : Number(row['document_id']),
    itemCode: row['item_code'] as string,
    code: row['code'] as string,
    key: row['key'] as string,
    payload: row['payload'] as string | null,
    createdAt: row['created_at'] as Date,
    attempts: row['attempts'] as number,
  };
}
