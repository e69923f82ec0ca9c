import type pg from 'pg';

/** Where a step stopped; as PostgreSQL writes it, because its moments are finer than ours. */
export interface Stopped {
  endedAt: string;
  id: string;
}

/** Deletes ended runs for their age, and knows of each that it was there. */
export function createPastRuns(pool: pg.Pool) {
  return {
    /**
     * One step: looks at `limit` runs that ended `keepDays` before `now`, the oldest first, from where the last step stopped,
     * and deletes those of which nothing is due. Null stands for the beginning, and for the end. A single statement: whoever
     * is killed in it has deleted all of them or none. Of several processes one makes a step at a time.
     */
    async deleteEnded(
      now: Date,
      keepDays: number,
      from: Stopped | null,
      limit: number,
    ): Promise<{ deleted: number; stopped: Stopped | null }> {
      const { rows } = await pool.query(DELETE, [
        now,
        keepDays,
        from?.endedAt ?? '-infinity',
        from?.id ?? '',
        limit,
      ]);
      const { deleted, looked, ended_at: endedAt, id } = rows[0];
      return { deleted, stopped: looked < limit ? null : { endedAt, id } };
    },
  };
}

export type PastRuns = ReturnType<typeof createPastRuns>;

/** By the clock of the database it is as old as that, too: one of the two may run ahead. */
const IS_OLD = `run.state = 'ended' AND run.ended_at < least($1::timestamptz, now()) - make_interval(days => $2)`;

/**
 * Rows that refer to a run go with it (ON DELETE CASCADE). What stays, besides what is not ended:
 * - a run with an answer that is still to be sent;
 * - failures that one still to be told is measured by: the 24 hours before it (kept-failures.ts), and all after it.
 * Failures and what was told of them are locked in the order of those who forget a portal (lock-order.ts), before anything
 * is deleted. Calls wait for a step, so it waits for nobody for long: it fails, and is made anew.
 */
const DELETE = `
  WITH hurry AS MATERIALIZED (SELECT set_config('lock_timeout', '1s', true) AS is_set),
  turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('past runs', 0)) AS mine FROM hurry WHERE is_set IS NOT NULL),
  looked AS MATERIALIZED (
    SELECT run.id, run.ended_at FROM turn CROSS JOIN run
    WHERE turn.mine IS NOT NULL AND ${IS_OLD} AND (run.ended_at, run.id) > ($3::timestamptz, $4)
    ORDER BY run.ended_at, run.id LIMIT $5),
  untold AS MATERIALIZED (
    SELECT portal, code, min(failed_at) - interval '24 hours' AS since FROM (
      SELECT portal, code, failed_at FROM failure WHERE told IS NULL
      UNION ALL SELECT failure.portal, failure.code, failed_at FROM outbox JOIN failure ON failure.id = failure_id
        WHERE outbox.state = 'due') AS one
    GROUP BY portal, code),
  one AS MATERIALIZED (
    SELECT run.id, run.member_id, run.portal, run.received_at FROM looked JOIN run ON run.id = looked.id
    WHERE ${IS_OLD}
      AND NOT EXISTS (SELECT FROM outbox WHERE run_id = run.id AND outbox.state = 'due')
      AND NOT EXISTS (SELECT FROM failure JOIN untold USING (portal, code)
        WHERE run_id = run.id AND failed_at >= untold.since)
    FOR UPDATE OF run SKIP LOCKED),
  failed AS MATERIALIZED (
    SELECT failure.id FROM failure WHERE run_id IN (SELECT id FROM one) ORDER BY id FOR UPDATE),
  said AS MATERIALIZED (
    SELECT outbox.id FROM outbox WHERE failure_id IN (SELECT id FROM failed) ORDER BY document_id, id FOR UPDATE),
  gone AS (DELETE FROM run USING one WHERE run.id = one.id AND (SELECT count(*) FROM said) >= 0 RETURNING run.id),
  known AS (INSERT INTO past_run (id) SELECT id FROM gone ON CONFLICT DO NOTHING),
  portals AS (INSERT INTO past_portal (member_id, portal)
    SELECT DISTINCT ON (member_id) member_id, portal FROM one ORDER BY member_id, received_at DESC
    ON CONFLICT (member_id) DO UPDATE SET portal = excluded.portal WHERE past_portal.portal <> excluded.portal)
  SELECT (SELECT count(*) FROM gone)::int AS deleted, (SELECT count(*) FROM looked)::int AS looked, last.id, last.ended_at::text
  FROM (SELECT) AS always LEFT JOIN (SELECT id, ended_at FROM looked ORDER BY ended_at DESC, id DESC LIMIT 1) AS last ON true`;
