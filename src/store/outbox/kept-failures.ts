import type pg from 'pg';
import type { LocalText } from '../../robot/failure.ts';
import { inTransaction } from '../db/transaction.ts';
import type { ContentSeal } from '../secrets/content-seal.ts';

/** A run that ended badly. */
export interface Failure {
  id: string;
  runId: string;
  portal: string;
  robot: string;
  itemCode: string;
  code: string;
  text: LocalText | null;
  wantsAnswer: boolean;
  /** An ending that is no failure: only the item of a step that does not wait is told. */
  quiet: boolean;
}

/** What is known of other failures while one is decided. */
export interface FailureFacts {
  /** The same robot, item and code were told within 24 hours. */
  known: boolean;
  /** Items that failed with the code within an hour, this one among them; not counted beyond `most` + 1. */
  items: number;
  /** The installer was told of the code within an hour. */
  announced: boolean;
}

/** What a failure leaves: entries of the outbox. */
export interface FailureDecision {
  told: 'nothing' | 'item' | 'crowd';
  outbox: { kind: 'comment' | 'notice'; payload: string; dueAt: Date }[];
}

/** Held while failures are decided: replicas must not count the same ones at the same time. */
const DECIDING = 7_340_519;

/** Failures of runs, and the comments they leave; their notices are sent as those of documents are (notices.ts). */
export function createFailures(pool: pg.Pool, content: ContentSeal) {
  return {
    /**
     * Decides new failures of these portals, one after the other in the order of their writing, so that each counts those
     * before it. Answers how many.
     */
    async decide(
      portals: string[],
      limit: number,
      most: number,
      toDecision: (failure: Failure, facts: FailureFacts) => FailureDecision,
    ): Promise<number> {
      const some = await pool.query(`SELECT FROM failure WHERE told IS NULL AND portal = ANY($1) LIMIT 1`, [
        portals,
      ]);
      if (some.rowCount === 0) return 0;
      return inTransaction(pool, async (client) => {
        await client.query('SELECT pg_advisory_xact_lock($1)', [DECIDING]);
        const { rows } = await client.query(
          `SELECT * FROM failure WHERE told IS NULL AND portal = ANY($1) ORDER BY id LIMIT $2 FOR UPDATE`,
          [portals, limit],
        );
        for (const row of rows) {
          const found = await client.query(FACTS, [row.id, most + 1]);
          const { told, outbox } = toDecision(toFailure(row, content), found.rows[0] as FailureFacts);
          await client.query(
            `WITH decided AS (UPDATE failure SET told = $2 WHERE id = $1 RETURNING *)
             INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, failure_id, item_code, code, key, payload, created_at, due_at)
             SELECT decided.portal, decided.portal, kind, CASE kind WHEN 'notice' THEN 'address' ELSE kind END, 'failure ' || decided.id,
               decided.id, item_code, decided.code, decided.id::text, payload, failed_at, g."dueAt"
             FROM json_to_recordset($3::json) AS g (kind text, payload text, "dueAt" timestamptz), decided`,
            [row.id, told, JSON.stringify(outbox)],
          );
        }
        return rows.length;
      });
    },

    /** Items that failed with the code within an hour of `moment`. */
    async itemsWith(portal: string, code: string, moment: Date): Promise<number> {
      const { rows } = await pool.query(
        `SELECT count(DISTINCT item_code)::int AS items FROM failure
         WHERE portal = $1 AND code = $2 AND failed_at > $3::timestamptz - interval '1 hour'
           AND failed_at < $3::timestamptz + interval '1 hour'`,
        [portal, code, moment],
      );
      return rows[0].items;
    },

    /** The application was removed: what failed before is not told any more. */
    async forget(portal: string): Promise<void> {
      await pool.query(
        `WITH one AS (SELECT id FROM failure WHERE portal = $1 ORDER BY id FOR UPDATE)
         DELETE FROM failure USING one WHERE failure.id = one.id`,
        [portal],
      );
    },
  };
}

export type Failures = ReturnType<typeof createFailures>;

/** Only decided failures count, and the one being decided: of two that were written together each counts once. */
const FACTS = `
  SELECT
    EXISTS (SELECT 1 FROM failure AS same WHERE same.portal = one.portal AND same.item_code = one.item_code
      AND same.robot = one.robot AND same.code = one.code AND same.told <> 'nothing'
      AND same.failed_at > one.failed_at - interval '24 hours' AND same.failed_at < one.failed_at + interval '24 hours') AS known,
    (SELECT count(*)::int FROM (SELECT DISTINCT item_code FROM failure AS alike WHERE alike.portal = one.portal
      AND alike.code = one.code AND (alike.told IS NOT NULL OR alike.id = one.id)
      AND alike.failed_at > one.failed_at - interval '1 hour' AND alike.failed_at < one.failed_at + interval '1 hour'
      LIMIT $2) AS item) AS items,
    EXISTS (SELECT 1 FROM failure AS alike WHERE alike.portal = one.portal AND alike.code = one.code AND alike.told = 'crowd'
      AND alike.failed_at > one.failed_at - interval '1 hour' AND alike.failed_at < one.failed_at + interval '1 hour') AS announced
  FROM failure AS one WHERE one.id = $1`;

// biome-ignore lint/suspicious/noExplicitAny: a row of our own table
function toFailure(row: any, content: ContentSeal): Failure {
  return {
    id: row.id,
    runId: row.run_id,
    portal: row.portal,
    robot: row.robot,
    itemCode: row.item_code,
    code: row.code,
    text: content.open('run.text', row.text),
    wantsAnswer: row.wants_answer,
    quiet: row.quiet,
  };
}
