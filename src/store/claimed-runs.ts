import type pg from 'pg';
import { lockedRuns } from './lock-order.ts';
import { fromRow, type StoredRun } from './runs.ts';

/** A portal's robot, whose runs stand in one line. */
export interface Line {
  memberId: string;
  robot: string;
  /** Runs of it that this process works on now. */
  running: number;
  /** How many more of its portal's runs this process may take. */
  room: number;
}

/** How long a run is left to a process that says nothing more. The database's clock counts, for all alike. */
export const LEASE_MS = 12_000;

const UNIQUE_VIOLATION = '23505';

/**
 * Which process works on which run: a lease in the run's own row. That at most one run of a CRM item is worked on is
 * a unique index, so it holds whatever processes do. `pool` may be one whose commits are not waited for: a claim that
 * is lost is only made again.
 */
export function createClaimedRuns(pool: pg.Pool, holder: string, leaseMs = LEASE_MS) {
  return {
    /**
     * Takes up to `limit` due runs, in turn from each line, those with fewer running first; never two of one item.
     * `overdue` leaves only those whose own time is over.
     */
    async claim(now: Date, limit: number, lines: readonly Line[], overdue = false): Promise<StoredRun[]> {
      for (let attempt = 0; attempt < 10; attempt++) {
        try {
          const { rows } = await pool.query({
            name: 'claim',
            text: CLAIM,
            values: [now, limit, JSON.stringify(lines), holder, leaseMs / 1000, overdue],
          });
          return rows.map(fromRow);
        } catch (error) {
          // Another process took a run of the same item since this statement began; the next look leaves that item out.
          if ((error as { code?: unknown }).code !== UNIQUE_VIOLATION) throw error;
        }
      }
      return [];
    },

    /** Keeps what this process works on, but for rows that are written just now: to wait for one would hold the others. */
    async keep(ids: readonly string[]): Promise<void> {
      await pool.query(
        `UPDATE run SET lease_until = clock_timestamp() + make_interval(secs => $3) WHERE id IN (
           SELECT id FROM run WHERE id = ANY($1) AND state = 'running' AND holder = $2 FOR UPDATE SKIP LOCKED)`,
        [ids, holder, leaseMs / 1000],
      );
    },

    /** Gives back what this process did not get to, for another to take at once. */
    async release(ids: readonly string[]): Promise<void> {
      await pool.query(
        `WITH ${lockedRuns(`id = ANY($1) AND state = 'running' AND holder = $2`)}
         UPDATE run SET state = 'accepted', holder = NULL, lease_until = NULL FROM one WHERE run.id = one.id`,
        [ids, holder],
      );
    },

    /** Runs whose process is gone are due again. Answers how many. */
    async reclaim(): Promise<number> {
      const { rowCount } = await pool.query(
        `UPDATE run SET state = 'accepted', holder = NULL, lease_until = NULL
         WHERE id IN (SELECT id FROM run WHERE state = 'running' AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED)`,
      );
      return rowCount ?? 0;
    },
  };
}

export type ClaimedRuns = ReturnType<typeof createClaimedRuns>;

/** Processes take turns: two that mark runs of the same items in another order would wait for each other. */
const CLAIM = `
  WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('run claim', 0)) AS mine),
  due AS (
    SELECT run.id, run.portal, run.item_code, run.next_at, line.running + run.place AS turn, line."memberId" AS member, line.room
    FROM turn CROSS JOIN json_to_recordset($3::json) AS line ("memberId" text, robot text, running int, room int)
    CROSS JOIN LATERAL (
      SELECT one.*, row_number() OVER (ORDER BY one.next_at) AS place FROM (
        SELECT id, portal, item_code, next_at FROM run
        WHERE turn.mine IS NOT NULL AND state = 'accepted' AND member_id = line."memberId" AND run.robot = line.robot AND next_at <= $1
          AND (NOT $6::boolean OR deadline_at <= $1)
          AND NOT EXISTS (SELECT 1 FROM run AS other
            WHERE other.portal = run.portal AND other.item_code = run.item_code AND other.state = 'running')
        ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS one) AS run),
  single AS (SELECT DISTINCT ON (portal, item_code) * FROM due ORDER BY portal, item_code, next_at),
  ranked AS (SELECT *, row_number() OVER (PARTITION BY member ORDER BY turn, next_at) AS nth FROM single),
  chosen AS (SELECT id FROM ranked WHERE nth <= room ORDER BY turn, next_at LIMIT $2)
  UPDATE run SET state = 'running', holder = $4, lease_until = clock_timestamp() + make_interval(secs => $5)
  FROM chosen WHERE run.id = chosen.id AND run.state = 'accepted' RETURNING run.*`;
