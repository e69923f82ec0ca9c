import type pg from 'pg';
import type { LocalText } from '../../robot/failure.ts';
import type { ContentSeal } from '../secrets/content-seal.ts';
import type { StoredRun } from './runs.ts';

/** A run as a line of a list. */
export interface ListedRun {
  id: string;
  robot: string;
  itemCode: string;
  receivedAt: Date;
  state: StoredRun['state'];
  ending: string | null;
  attempts: number;
}

/** A run with everything that is known of it; `call` is sealed. */
export interface RunHistory extends ListedRun {
  memberId: string;
  call: string;
  wantsAnswer: boolean;
  deadlineAt: Date;
  nextAt: Date;
  endedAt: Date | null;
  /** What was answered, by the code of the output; null before the end. */
  outcome: Record<string, unknown> | null;
  tries: { number: number; startedAt: Date; finishedAt: Date; ending: string; text: LocalText | null }[];
  answers: {
    kind: 'result' | 'comment' | 'notice';
    number: number;
    state: string;
    sentAt: Date | null;
    lastError: string | null;
  }[];
}

/** What an operator can ask and order about runs while the service works. */
export function createRunHistory(pool: pg.Pool, content: ContentSeal) {
  return {
    /** The newest first, and how many there are in all; `failed` leaves only runs that ended badly. */
    async list(
      of: { failed: boolean; itemCode: string | null },
      limit: number,
    ): Promise<{ runs: ListedRun[]; total: number }> {
      const which = `FROM run WHERE ($1::text IS NULL OR item_code = $1)
        AND (NOT $2::boolean OR (state = 'ended' AND ending <> 'done'))`;
      const { rows } = await pool.query(`SELECT * ${which} ORDER BY received_at DESC, id LIMIT $3`, [
        of.itemCode,
        of.failed,
        limit,
      ]);
      const { rows: counted } = await pool.query(`SELECT count(*)::int AS total ${which}`, [
        of.itemCode,
        of.failed,
      ]);
      return { runs: rows.map(toListed), total: counted[0].total };
    },

    async find(id: string): Promise<RunHistory | null> {
      const { rows } = await pool.query(`SELECT * FROM run WHERE id = $1`, [id]);
      const run = rows[0];
      if (!run) return null;
      const tries = await pool.query(`SELECT * FROM run_attempt WHERE run_id = $1 ORDER BY number`, [id]);
      const answers = await pool.query(
        `SELECT CASE kind WHEN 'answer' THEN 'result' ELSE kind END AS kind, CASE lane WHEN 'second' THEN 2 ELSE 1 END AS number, state, CASE WHEN state = 'sent' THEN settled_at END AS sent_at, last_error
         FROM outbox WHERE run_id = $1 OR failure_id IN (SELECT id FROM failure WHERE failure.run_id = $1)
         ORDER BY kind, number`,
        [id],
      );
      return {
        ...toListed(run),
        memberId: run.member_id,
        call: run.call,
        wantsAnswer: run.wants_answer,
        deadlineAt: run.deadline_at,
        nextAt: run.next_at,
        endedAt: run.ended_at,
        // Before its end a run only keeps what its last attempt knew.
        outcome: run.state === 'ended' ? content.open('run.outcome', run.outcome) : null,
        tries: tries.rows.map((row) => ({
          number: row.number,
          startedAt: row.started_at,
          finishedAt: row.finished_at,
          ending: row.ending,
          text: content.open('run.text', row.text),
        })),
        answers: answers.rows.map((row) => ({
          kind: row.kind,
          number: row.number,
          state: row.state,
          sentAt: row.sent_at,
          lastError: row.last_error,
        })),
      };
    },

    /** Whether there was such a run, which was deleted for its age. */
    async wasDeleted(id: string): Promise<boolean> {
      const { rowCount } = await pool.query('SELECT FROM past_run WHERE id = $1', [id]);
      return rowCount === 1;
    },

    /** How many runs ended badly, by cause and robot; the most frequent first. */
    async causes(): Promise<{ code: string; robot: string; count: number; first: Date; last: Date }[]> {
      const { rows } = await pool.query(
        `SELECT ending AS code, robot, count(*)::int AS count, min(ended_at) AS first, max(ended_at) AS last
         FROM run WHERE state = 'ended' AND ending <> 'done' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2`,
      );
      return rows;
    },

    /**
     * Runs that ended with `code`, the oldest first: of one robot, or ended at or after a moment, where that is given.
     */
    async failedWith(of: {
      code: string;
      robot: string | null;
      since: Date | null;
    }): Promise<(ListedRun & { memberId: string })[]> {
      const { rows } = await pool.query(
        `SELECT * FROM run WHERE state = 'ended' AND ending = $1 AND ($2::text IS NULL OR robot = $2)
           AND ($3::timestamptz IS NULL OR ended_at >= $3) ORDER BY received_at, id`,
        [of.code, of.robot, of.since],
      );
      return rows.map((row) => ({ ...toListed(row), memberId: row.member_id }));
    },

    /**
     * A run that ended badly is due again, under the same keys; what was to be told about it is forgotten, so that
     * its new ending is told. Its limit is counted from now on. False when it is no such run (any more).
     */
    async reopen(id: string, now: Date, deadlineAt: Date): Promise<boolean> {
      const { rows } = await pool.query(
        `WITH again AS (UPDATE run SET state = 'accepted', next_at = $2, deadline_at = $3, reopened_at = $2, ending = NULL, outcome = NULL,
             ended_at = NULL, lost = 0, abandoned = 0 WHERE id = $1 AND state = 'ended' AND ending <> 'done' RETURNING run.*),
           forgotten AS (DELETE FROM outbox USING again WHERE outbox.run_id = again.id),
           unsaid AS (DELETE FROM failure USING again WHERE failure.run_id = again.id AND failure.told IS DISTINCT FROM 'crowd'
             AND NOT EXISTS (SELECT FROM outbox WHERE failure_id = failure.id AND outbox.state <> 'due')),
           noted AS (INSERT INTO journal (at, portal, item_code, type, actor, data)
             SELECT reopened_at, portal, item_code, 'run.retried', 'operator',
               jsonb_build_object('run', id, 'robot', robot, 'ending', last_code) FROM again)
         SELECT id FROM again`,
        [id, now, deadlineAt],
      );
      return rows.length === 1;
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a row of our own table
function toListed(row: any): ListedRun {
  return {
    id: row.id,
    robot: row.robot,
    itemCode: row.item_code,
    receivedAt: row.received_at,
    state: row.state,
    ending: row.ending,
    attempts: row.attempts,
  };
}
