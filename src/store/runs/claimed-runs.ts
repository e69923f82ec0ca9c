import type pg from 'pg';
import { LEASE_MS } from '../../lib/work/leases.ts';
import { lockedRuns } from '../locks/lock-order.ts';
import type { ContentSeal } from '../secrets/content-seal.ts';
import { fromRow, type Hold, type StoredRun } from './runs.ts';

/** A portal's robot, whose runs stand in one line. */
export interface Line {
  memberId: string;
  robot: string;
  /** Runs of it that this process works on now. */
  running: number;
  /** How many more of its portal's runs this process may take. */
  free: number;
  /** Its runs are taken by `claimAhead`; only those that came alone are taken one by one. */
  isAhead?: boolean;
}

/**
 * A line of which up to `most` runs are wanted ahead, if at least `least` are due, but of these no more than this `part`: the
 * others are for other processes.
 */
interface LongLine {
  memberId: string;
  robot: string;
  least: number;
  most: number;
  part: number;
}

const UNIQUE_VIOLATION = '23505';
/** Runs that came within so long of four others are a mass. */
const ALONE = { runs: 5, seconds: 2 };
/** The part of what is claimed ahead that came last: who comes after a mass does not wait for all of it. */
const NEWEST = 0.1;
/** What the holder of a run is called while it waits for a slot. No attempt of it has begun, so none can be lost. */
const AHEAD = ' ahead';

/**
 * A run that a killed process left is due at once, the first times. A run that is left again and again may itself be what
 * kills processes: it is put off by a random time, so that it meets other runs less often, until it is given up.
 */
const AT_ONCE = 2;
const APART_SECONDS = 10;

/** Joins the attempts that come as `$1` and still hold their runs. */
const STILL_HELD = `JOIN json_to_recordset($1::json) AS held (id text, holder text, takes int)
  ON run.id = held.id AND run.holder = held.holder AND run.takes = held.takes`;

/**
 * Which process works on which run: a lease in the run's own row. A unique index holds that at most one run of a CRM item
 * is worked on, whatever processes do. `pool` may be one whose commits are not waited for: a claim that
 * is lost is only made again. The database's clock counts, for all processes alike.
 */
export function createClaimedRuns(
  pool: pg.Pool,
  content: ContentSeal,
  holder: string,
  leaseMs: number = LEASE_MS.process,
) {
  const toRun = (row: unknown) => fromRow(row, content);

  async function claimBy(name: string, text: string, values: unknown[]) {
    for (let attempt = 0; attempt < 10; attempt++) {
      try {
        return (await pool.query({ name, text, values })).rows;
      } catch (error) {
        // Another process took a run of the same item since this statement began; the next claim leaves that item out.
        if ((error as { code?: unknown }).code !== UNIQUE_VIOLATION) throw error;
      }
    }
    return [];
  }

  return {
    /**
     * Takes up to `limit` due runs, in turn from each line, those with fewer running first; never two of one item.
     * `overdue` leaves only those whose own time is over.
     */
    async claim(now: Date, limit: number, lines: readonly Line[], overdue = false): Promise<StoredRun[]> {
      const values = [now, limit, JSON.stringify(lines), holder, leaseMs / 1000, overdue];
      return (await claimBy('claim', CLAIM, values)).map(toRun);
    },

    /**
     * Takes runs of long lines before there is a slot for them: the oldest and some of the newest. They are begun (`begin`) or given back.
     */
    async claimAhead(
      now: Date,
      lines: readonly LongLine[],
    ): Promise<{ run: StoredRun; isNewest: boolean }[]> {
      const values = [now, JSON.stringify(lines), holder + AHEAD, leaseMs / 1000];
      const rows = await claimBy('claim ahead', CLAIM_AHEAD, values);
      return rows.map((row) => ({ run: toRun(row), isNewest: row.is_newest }));
    },

    /** An attempt of each of these runs, which were claimed ahead, may begin: those that are still held. */
    async begin(runs: readonly StoredRun[]): Promise<StoredRun[]> {
      const { rows } = await pool.query<{ id: string; takes: number }>(
        `UPDATE run SET holder = $3, lease_until = clock_timestamp() + make_interval(secs => $2) WHERE id IN (
           SELECT run.id FROM run ${STILL_HELD} WHERE state = 'running' FOR NO KEY UPDATE OF run SKIP LOCKED) RETURNING id, takes`,
        [toHolds(runs), leaseMs / 1000, holder],
      );
      const begun = new Set(rows.map(toName));
      return runs.filter((run) => begun.has(toName(run))).map((run) => ({ ...run, holder }));
    },

    /**
     * Renews the leases of what this process works on, except of rows that are locked just now: waiting for one would delay
     * all others. Answers whether a lease was renewed.
     */
    async keep(holds: readonly Hold[]): Promise<(hold: Hold) => boolean> {
      const { rows } = await pool.query<{ id: string; takes: number }>(
        `UPDATE run SET lease_until = clock_timestamp() + make_interval(secs => $2) WHERE id IN (
           SELECT run.id FROM run ${STILL_HELD} WHERE state = 'running' FOR NO KEY UPDATE OF run SKIP LOCKED) RETURNING id, takes`,
        [toHolds(holds), leaseMs / 1000],
      );
      const kept = new Set(rows.map(toName));
      return (hold) => kept.has(toName(hold));
    },

    /** Gives runs back, due at once or not before `nextAt`. */
    async release(holds: readonly Hold[], nextAt: Date | null = null): Promise<void> {
      await pool.query(
        `WITH ${lockedRuns(`run.state = 'running'`, STILL_HELD)}
         UPDATE run SET state = 'accepted', holder = NULL, lease_until = NULL, next_at = coalesce($2, next_at)
         FROM one WHERE run.id = one.id`,
        [toHolds(holds), nextAt],
      );
    },

    /** Runs whose process is gone are due again. Answers how many. */
    async reclaim(now: Date): Promise<number> {
      const { rowCount } = await pool.query(
        `UPDATE run SET state = 'accepted', holder = NULL, lease_until = NULL,
           abandoned = abandoned + CASE WHEN ${IS_AHEAD} THEN 0 ELSE 1 END,
           next_at = CASE WHEN ${IS_AHEAD} OR abandoned < $2 THEN next_at
             ELSE $1::timestamptz + make_interval(secs => random() * $3 * abandoned) END
         WHERE id IN (SELECT id FROM run WHERE state = 'running' AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED)`,
        [now, AT_ONCE, APART_SECONDS],
      );
      return rowCount ?? 0;
    },
  };
}

export type ClaimedRuns = ReturnType<typeof createClaimedRuns>;

const toName = ({ id, takes }: Pick<Hold, 'id' | 'takes'>) => `${id} ${takes}`;

const toHolds = (holds: readonly Hold[]) =>
  JSON.stringify(holds.map(({ id, holder, takes }) => ({ id, holder, takes })));

/** Of a row of `run`. */
const IS_AHEAD = `holder LIKE '%${AHEAD}'`;

/** Processes take turns: two that lock runs of the same items in different order would wait for each other. */
const TURN = `turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('run claim', 0)) AS mine)`;

/** Of `run` and `line`: it waits in the line for its turn, and no other run of its item is worked on. */
const DUE = `turn.mine IS NOT NULL AND state = 'accepted' AND member_id = line."memberId" AND run.robot = line.robot AND next_at <= $1
  AND NOT EXISTS (SELECT 1 FROM run AS other
    WHERE other.portal = run.portal AND other.item_code = run.item_code AND other.state = 'running')`;

/** Of a due `run`: no earlier one of its item stands in the same line, which would have to go first. */
const FIRST_OF_ITEM = `NOT EXISTS (SELECT 1 FROM run AS earlier WHERE earlier.portal = run.portal AND earlier.item_code = run.item_code
  AND earlier.robot = run.robot AND earlier.state = 'accepted' AND earlier.next_at < run.next_at)`;

const CLAIM = `
  WITH ${TURN},
  line AS MATERIALIZED (SELECT * FROM json_to_recordset($3::json)
    AS line ("memberId" text, robot text, running int, free int, "isAhead" boolean)),
  due AS (
    SELECT run.id, run.portal, run.item_code, run.next_at, line.running + run.nth AS turn, line."memberId" AS member, line.free
    FROM turn CROSS JOIN line
    CROSS JOIN LATERAL (
      SELECT one.*, row_number() OVER (ORDER BY one.next_at) AS nth FROM (
        SELECT id, portal, item_code, next_at FROM run
        WHERE ${DUE} AND (NOT $6::boolean OR deadline_at <= $1)
        ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS one) AS run
    WHERE line."isAhead" IS NOT TRUE),
  alone AS (
    SELECT run.id, run.portal, run.item_code, run.next_at, line.running + run.nth AS turn, line."memberId" AS member, line.free
    FROM turn CROSS JOIN line
    CROSS JOIN LATERAL (
      SELECT last.*, row_number() OVER (ORDER BY last.next_at) AS nth FROM (
        SELECT one.*, min(one.next_at) OVER () AS since, count(*) OVER () AS many FROM (
          SELECT id, portal, item_code, next_at FROM run
          WHERE ${DUE} AND ${FIRST_OF_ITEM} AND (NOT $6::boolean OR deadline_at <= $1)
          ORDER BY next_at DESC LIMIT ${ALONE.runs} FOR UPDATE SKIP LOCKED) AS one) AS last
      WHERE many < ${ALONE.runs} OR next_at > since + interval '${ALONE.seconds} s') AS run
    WHERE line."isAhead"),
  single AS (SELECT DISTINCT ON (portal, item_code) * FROM (SELECT * FROM due UNION ALL SELECT * FROM alone) AS found
    ORDER BY portal, item_code, next_at),
  ranked AS (SELECT *, row_number() OVER (PARTITION BY member ORDER BY turn, next_at) AS nth FROM single),
  chosen AS (SELECT id FROM ranked WHERE nth <= free ORDER BY turn, next_at LIMIT $2)
  UPDATE run SET state = 'running', holder = $4, takes = takes + 1, lease_until = clock_timestamp() + make_interval(secs => $5)
  FROM chosen WHERE run.id = chosen.id AND run.state = 'accepted' RETURNING run.*`;

const CLAIM_AHEAD = `
  WITH ${TURN},
  long AS MATERIALIZED (SELECT line."memberId", line.robot, least(line.most, ceil(due.count * line.part))::bigint AS wanted
    FROM json_to_recordset($2::json) AS line ("memberId" text, robot text, least int, most int, part float8)
    CROSS JOIN LATERAL (SELECT count(*) FROM (SELECT FROM run WHERE state = 'accepted' AND member_id = line."memberId"
      AND run.robot = line.robot AND next_at <= $1 LIMIT greatest(line.least, ceil(line.most / line.part)::bigint)) AS one) AS due
    WHERE due.count >= line.least),
  line AS MATERIALIZED (SELECT *, ceil(wanted * ${NEWEST})::bigint AS newest FROM long),
  newest AS (
    SELECT run.*, true AS is_newest FROM turn CROSS JOIN line CROSS JOIN LATERAL (
      SELECT id, portal, item_code, next_at FROM run WHERE ${DUE} AND ${FIRST_OF_ITEM}
      ORDER BY next_at DESC LIMIT line.newest FOR UPDATE SKIP LOCKED) AS run),
  oldest AS (
    SELECT run.*, false AS is_newest FROM turn CROSS JOIN line CROSS JOIN LATERAL (
      SELECT id, portal, item_code, next_at FROM run WHERE ${DUE}
      ORDER BY next_at LIMIT line.wanted - line.newest FOR UPDATE SKIP LOCKED) AS run),
  single AS (SELECT DISTINCT ON (portal, item_code) * FROM (SELECT * FROM newest UNION ALL SELECT * FROM oldest) AS found
    ORDER BY portal, item_code, next_at, is_newest),
  taken AS (UPDATE run SET state = 'running', holder = $3, takes = takes + 1, lease_until = clock_timestamp() + make_interval(secs => $4)
    FROM single WHERE run.id = single.id AND run.state = 'accepted' RETURNING run.*, single.is_newest)
  SELECT * FROM taken ORDER BY is_newest DESC, next_at`;
