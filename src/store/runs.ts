import type pg from 'pg';
import type { LocalText } from '../robot/failure.ts';
import type { NewRun } from './incoming-calls.ts';
import { lockedRuns } from './lock-order.ts';

export interface StoredRun extends NewRun {
  state: 'accepted' | 'running' | 'waiting' | 'ended';
  /** The portal has accepted the signature of its call. */
  proven: boolean;
  /** From when limits are counted: the receipt, or the order of an operator to do it again. */
  countedFrom: Date;
  attempts: number;
  lastCode: string | null;
  lastText: LocalText | null;
  /** Outputs the last attempt knew. */
  lastValues: Record<string, string | number> | null;
}

export interface Attempt {
  startedAt: Date;
  finishedAt: Date;
  ending: string;
  text: LocalText | null;
}

export interface NewAnswer {
  runId: string;
  memberId: string;
  kind: 'result';
  number: number;
  payload: string;
  dueAt: Date;
}

export interface DueAnswer extends NewAnswer {
  id: string;
  attempts: number;
}

/** Endings after which nobody is told that a run failed. */
const UNTOLD = ['done', 'forged'];
/** What a person ordered or decided is no failure (interface.md §5): only a step that does not wait has no other word of it. */
const QUIET = ['cancelled', 'rejected', 'not_signed', 'deleted', 'expired'];

/** Runs, their attempts and their answers in PostgreSQL. */
export function createRunStore(pool: pg.Pool, relaxed: pg.Pool) {
  return {
    async get(id: string): Promise<StoredRun | null> {
      const { rows } = await pool.query(`SELECT * FROM run WHERE id = $1`, [id]);
      return rows[0] ? fromRow(rows[0]) : null;
    },

    /**
     * The attempt failed with something that may heal, and knew these values: the run is taken up again at `nextAt`, for
     * the last time at its limit.
     */
    async postpone(
      id: string,
      attempt: Attempt,
      values: NonNullable<StoredRun['lastValues']>,
      { nextAt, deadlineAt }: { nextAt: Date; deadlineAt: Date },
    ): Promise<void> {
      await pool.query(
        `WITH changed AS (UPDATE run SET state = 'accepted', next_at = $2, attempts = attempts + 1, last_code = $3, last_text = $4,
             deadline_at = $7, outcome = $8
           WHERE id = $1 AND state <> 'ended' RETURNING id, attempts)
         INSERT INTO run_attempt SELECT id, attempts, $5, $6, $3, $4 FROM changed ON CONFLICT DO NOTHING`,
        [
          id,
          nextAt,
          attempt.ending,
          attempt.text && JSON.stringify(attempt.text),
          attempt.startedAt,
          attempt.finishedAt,
          deadlineAt,
          JSON.stringify(values),
        ],
      );
    },

    /** The portal has accepted the run's call; no later attempt asks again. */
    async proved(id: string): Promise<void> {
      await relaxed.query('UPDATE run SET proven = true WHERE id = $1', [id]);
    },

    /** What `code` put off is due now, because its cause has passed. */
    async hasten(code: string, now: Date): Promise<void> {
      await pool.query(
        `WITH ${lockedRuns(`state = 'accepted' AND last_code = $1 AND next_at > $2`)}
         UPDATE run SET next_at = $2 FROM one WHERE run.id = one.id`,
        [code, now],
      );
    },

    /**
     * The run has ended: its ending, its answer and that it failed are written together, once. A call that the portal does
     * not vouch for leaves nothing but its answer.
     */
    async end(id: string, attempt: Attempt, outcome: unknown, answers: NewAnswer[]): Promise<boolean> {
      const { rowCount } = await pool.query(
        `WITH changed AS (UPDATE run SET state = 'ended', attempts = attempts + 1, ending = $2, last_code = $2, last_text = $3,
             outcome = $4, ended_at = $6 WHERE id = $1 AND state <> 'ended' RETURNING run.*),
           tried AS (INSERT INTO run_attempt SELECT id, attempts, $5, $6, $2, $3 FROM changed ON CONFLICT DO NOTHING),
           over AS (DELETE FROM wait USING changed WHERE wait.run_id = changed.id),
           told AS (INSERT INTO answer (run_id, member_id, kind, number, payload, due_at)
             SELECT given.run_id, given.member_id, given.kind, given.number, given.payload, given.due_at
             FROM json_to_recordset($7::json) AS given (run_id text, member_id text, kind text, number int, payload text, due_at timestamptz), changed
             ON CONFLICT DO NOTHING),
           failed AS (INSERT INTO failure (run_id, portal, robot, item_code, code, text, wants_answer, quiet, failed_at)
             SELECT id, portal, robot, item_code, ending, last_text, wants_answer, ending = ANY($9), ended_at FROM changed
             WHERE proven AND ending <> ALL($8) AND (ending <> ALL($9) OR NOT wants_answer))
         SELECT id FROM changed`,
        [
          id,
          attempt.ending,
          attempt.text && JSON.stringify(attempt.text),
          JSON.stringify(outcome),
          attempt.startedAt,
          attempt.finishedAt,
          JSON.stringify(answers.map(toAnswerRow)),
          UNTOLD,
          QUIET,
        ],
      );
      return rowCount === 1;
    },

    /** Ends every open run of a removed installation; their steps are gone with it. Answers the robots of the runs. */
    async cancelOf(memberId: string, now: Date): Promise<string[]> {
      const { rows } = await pool.query<{ robot: string }>(
        `WITH ${lockedRuns(`member_id = $1 AND state <> 'ended'`)}
         UPDATE run SET state = 'ended', ending = 'cancelled', last_code = 'cancelled', ended_at = $2
         FROM one WHERE run.id = one.id RETURNING robot`,
        [memberId, now],
      );
      await pool.query(
        `DELETE FROM wait USING run WHERE run.id = wait.run_id AND run.member_id = $1 AND run.state = 'ended'`,
        [memberId],
      );
      await pool.query(
        `WITH one AS (SELECT id FROM answer WHERE member_id = $1 AND state = 'due' ORDER BY id FOR UPDATE)
         UPDATE answer SET state = 'gone' FROM one WHERE answer.id = one.id`,
        [memberId],
      );
      return rows.map(({ robot }) => robot);
    },

    /**
     * Takes up to `limit` due answers of each line for `leaseMs`; another process leaves them alone meanwhile. A line
     * is a portal's first sendings, or its second ones.
     */
    async takeAnswers(
      now: Date,
      leaseMs: number,
      limit: number,
      lines: { memberId: string; number: number }[],
    ): Promise<DueAnswer[]> {
      const { rows } = await relaxed.query(
        `UPDATE answer SET due_at = $2, attempts = attempts + 1 WHERE id IN (
           SELECT due.id FROM json_to_recordset($4::json) AS line ("memberId" text, number int) CROSS JOIN LATERAL (
             SELECT id FROM answer WHERE state = 'due' AND kind = 'result' AND due_at <= $1 AND member_id = line."memberId" AND answer.number = line.number
             ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) AS due)
         RETURNING *`,
        [now, new Date(now.getTime() + leaseMs), limit, JSON.stringify(lines)],
      );
      return rows.map((row) => ({
        id: row.id,
        runId: row.run_id,
        memberId: row.member_id,
        kind: row.kind,
        number: row.number,
        payload: row.payload,
        dueAt: row.due_at,
        attempts: row.attempts,
      }));
    },

    /** Writes what became of answers; a first result that was sent brings its second sending. */
    async settleAnswers(
      settled: {
        id: string;
        state: 'sent' | 'gone' | 'refused' | 'due';
        dueAt: Date;
        error: string | null;
      }[],
      secondAt: Date,
      now: Date,
    ) {
      await relaxed.query(
        `WITH one AS (SELECT answer.id, g.state, g.due_at, g.error FROM answer
             JOIN json_to_recordset($1::json) AS g (id bigint, state text, due_at timestamptz, error text) ON answer.id = g.id
             WHERE answer.state = 'due' ORDER BY answer.id FOR UPDATE OF answer),
           changed AS (UPDATE answer SET state = one.state, due_at = one.due_at, last_error = one.error,
             sent_at = CASE WHEN one.state = 'sent' THEN $3::timestamptz END FROM one WHERE answer.id = one.id
             RETURNING answer.*)
         INSERT INTO answer (run_id, member_id, kind, number, payload, due_at)
         SELECT run_id, member_id, kind, 2, payload, $2 FROM changed WHERE state = 'sent' AND kind = 'result' AND number = 1
         ON CONFLICT DO NOTHING`,
        [JSON.stringify(settled.map(({ dueAt, ...rest }) => ({ ...rest, due_at: dueAt }))), secondAt, now],
      );
    },

    /** What the gauges of /metrics show. */
    async measure(
      now: Date,
    ): Promise<{ queueAgeSeconds: number; answersPending: number; oldestUnansweredSeconds: number }> {
      const { rows } = await pool.query(
        `SELECT coalesce(extract(epoch FROM $1 - least((SELECT min(next_at) FROM run WHERE state = 'accepted' AND next_at <= $1), (SELECT min(received_at) FROM crowd))), 0)::float AS queue_age,
           (SELECT count(*) FROM answer WHERE state = 'due' AND number = 1)::int AS pending,
           coalesce(extract(epoch FROM $1 - least((SELECT min(received_at) FROM run WHERE state IN ('accepted', 'running') AND wants_answer AND NOT EXISTS (SELECT 1 FROM wait WHERE wait.run_id = run.id)),
             (SELECT min(received_at) FROM crowd),
             (SELECT min(r.received_at) FROM answer a JOIN run r ON r.id = a.run_id WHERE a.state = 'due' AND a.number = 1))), 0)::float AS oldest`,
        [now],
      );
      return {
        queueAgeSeconds: rows[0].queue_age,
        answersPending: rows[0].pending,
        oldestUnansweredSeconds: rows[0].oldest,
      };
    },
  };
}

export type RunStore = ReturnType<typeof createRunStore>;

const toAnswerRow = (answer: NewAnswer) => ({
  run_id: answer.runId,
  member_id: answer.memberId,
  kind: answer.kind,
  number: answer.number,
  payload: answer.payload,
  due_at: answer.dueAt,
});

// biome-ignore lint/suspicious/noExplicitAny: a row of our own table
export function fromRow(row: any): StoredRun {
  return {
    id: row.id,
    memberId: row.member_id,
    portal: row.portal,
    robot: row.robot,
    itemCode: row.item_code,
    call: row.call,
    wantsAnswer: row.wants_answer,
    receivedAt: row.received_at,
    deadlineAt: row.deadline_at,
    state: row.state,
    proven: row.proven,
    countedFrom: row.reopened_at ?? row.received_at,
    attempts: row.attempts,
    lastCode: row.last_code,
    lastText: row.last_text,
    lastValues: row.outcome,
  };
}
