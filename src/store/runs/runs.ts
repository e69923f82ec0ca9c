import type pg from 'pg';
import type { LocalText } from '../../robot/failure.ts';
import { lineOfRun } from '../journal/run-lines.ts';
import { lockedRuns } from '../locks/lock-order.ts';
import type { ContentSeal } from '../secrets/content-seal.ts';
import type { NewRun } from './incoming-calls.ts';

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
  /** The process that works on it, and how often it was claimed: together they name one attempt. */
  holder: string | null;
  takes: number;
  /** Since the last written outcome: attempts that came to none, and those whose process ended or stood still. */
  lost: number;
  abandoned: number;
}

/** One attempt of a run: what it writes counts only while the run is still its own. */
export type Hold = Pick<StoredRun, 'id' | 'holder' | 'takes'>;

/** The run of `$1` to `$3`, as `toHold` gives them, is still that attempt's. */
export const HOLDS = `id = $1 AND state = 'running' AND holder = $2 AND takes = $3`;

export const toHold = ({ id, holder, takes }: Hold) => [id, holder, takes] as const;

export interface Attempt {
  startedAt: Date;
  finishedAt: Date;
  ending: string;
  text: LocalText | null;
}

/** What the step of a run that ends is answered. */
export interface NewAnswer {
  /** Sealed. */
  payload: string;
  dueAt: Date;
}

/** Endings that are never told as a failure. */
const UNTOLD = ['done', 'forged'];
/** What a person ordered or decided is no failure (interface.md §5); only a step that does not wait is told in its item. */
const QUIET = ['cancelled', 'rejected', 'not_signed', 'deleted', 'expired'];

/** Runs, their attempts and their answers in PostgreSQL. */
export function createRunStore(pool: pg.Pool, asyncCommitPool: pg.Pool, content: ContentSeal) {
  return {
    async get(id: string): Promise<StoredRun | null> {
      const { rows } = await pool.query(`SELECT * FROM run WHERE id = $1`, [id]);
      return rows[0] ? fromRow(rows[0], content) : null;
    },

    /**
     * The attempt failed with something that may heal, and knew these values: the run is taken up again at `nextAt`, for
     * the last time at its limit. `lost`: it came to no outcome of its robot. False: the run is not the attempt's any more,
     * and nothing is changed.
     */
    async postpone(
      hold: Hold,
      attempt: Attempt,
      values: NonNullable<StoredRun['lastValues']>,
      { nextAt, deadlineAt, lost = false }: { nextAt: Date; deadlineAt: Date; lost?: boolean },
    ): Promise<boolean> {
      const { rows } = await pool.query(
        `WITH changed AS (UPDATE run SET state = 'accepted', next_at = $4, attempts = attempts + 1, last_code = $5, last_text = $6,
             deadline_at = $9, outcome = $10, lost = CASE WHEN $11 THEN lost + 1 ELSE 0 END, abandoned = CASE WHEN $11 THEN abandoned ELSE 0 END
           WHERE ${HOLDS} RETURNING id, attempts),
           tried AS (INSERT INTO run_attempt SELECT id, attempts, $7, $8, $5, $6 FROM changed ON CONFLICT DO NOTHING)
         SELECT id FROM changed`,
        [
          ...toHold(hold),
          nextAt,
          attempt.ending,
          content.toColumn('run.text', attempt.text),
          attempt.startedAt,
          attempt.finishedAt,
          deadlineAt,
          content.toColumn('run.outcome', values),
          lost,
        ],
      );
      return rows.length === 1;
    },

    /** The portal has accepted the run's call; no later attempt asks again. */
    async proved(id: string): Promise<void> {
      await asyncCommitPool.query('UPDATE run SET proven = true WHERE id = $1', [id]);
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
     * The run has ended: its ending, its answer and that it failed are written together, once. `by` an attempt it ends only
     * while it is that attempt's; an operator cancels it whoever works on it. A call that the portal does not confirm leaves
     * nothing but its answer; one that cannot be read leaves a failure, because its step gets no answer. False: nothing is
     * changed.
     */
    async end(
      id: string,
      attempt: Attempt & { unanswerable?: boolean; untold?: boolean },
      outcome: unknown,
      answer: NewAnswer | null,
      by?: Hold,
    ): Promise<boolean> {
      const { rowCount } = await pool.query(
        `WITH changed AS (UPDATE run SET state = 'ended', attempts = attempts + 1, ending = $2, last_code = $2, last_text = $3,
             outcome = $4, ended_at = $6 WHERE id = $1 AND CASE WHEN $10::text IS NULL THEN state <> 'ended'
               ELSE state = 'running' AND holder = $10 AND takes = $11 END RETURNING run.*),
           tried AS (INSERT INTO run_attempt SELECT id, attempts, $5, $6, $2, $3 FROM changed ON CONFLICT DO NOTHING),
           over AS (DELETE FROM wait USING changed WHERE wait.run_id = changed.id),
           told AS (INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, run_id, item_code, payload, created_at, due_at)
             SELECT member_id, portal, 'answer', 'first', id || '/1', id, item_code, $7, ended_at, $14 FROM changed WHERE $7::text IS NOT NULL
             ON CONFLICT DO NOTHING),
           failed AS (INSERT INTO failure (run_id, portal, robot, item_code, code, text, wants_answer, quiet, failed_at)
             SELECT id, portal, robot, item_code, ending, last_text, wants_answer, ending = ANY($9), ended_at FROM changed
             WHERE (proven OR $12) AND NOT $13 AND ending <> ALL($8) AND (ending <> ALL($9) OR NOT wants_answer OR $12)),
           noted AS (${lineOfRun(
             `CASE WHEN $10::text IS NULL THEN 'run.cancelled' ELSE 'run.ended' END`,
             `CASE WHEN $10::text IS NULL THEN 'operator' ELSE 'run ' || id END`,
             'changed',
           )})
         SELECT id FROM changed`,
        [
          id,
          attempt.ending,
          content.toColumn('run.text', attempt.text),
          content.toColumn('run.outcome', outcome),
          attempt.startedAt,
          attempt.finishedAt,
          answer?.payload ?? null,
          UNTOLD,
          QUIET,
          by?.holder ?? null,
          by?.takes ?? null,
          attempt.unanswerable ?? false,
          attempt.untold ?? false,
          answer?.dueAt ?? null,
        ],
      );
      return rowCount === 1;
    },

    /** Ends every open run of a removed installation; their steps are gone with it. Answers the robots of the runs. */
    async cancelOf(memberId: string, now: Date): Promise<string[]> {
      const { rows } = await pool.query<{ robot: string }>(
        `WITH ${lockedRuns(`member_id = $1 AND state <> 'ended'`)},
           ended AS (UPDATE run SET state = 'ended', ending = 'cancelled', last_code = 'cancelled', ended_at = $2
             FROM one WHERE run.id = one.id RETURNING run.*),
           over AS (DELETE FROM wait USING ended WHERE wait.run_id = ended.id),
           noted AS (${lineOfRun(`'run.cancelled'`, `'service'`, 'ended')})
         SELECT robot FROM ended`,
        [memberId, now],
      );
      await pool.query(
        `WITH one AS (SELECT id FROM outbox WHERE lane IN ('first', 'second') AND recipient = $1 AND state = 'due' ORDER BY id FOR UPDATE)
         UPDATE outbox SET state = 'gone' FROM one WHERE outbox.id = one.id`,
        [memberId],
      );
      return rows.map(({ robot }) => robot);
    },
  };
}

export type RunStore = ReturnType<typeof createRunStore>;

// biome-ignore lint/suspicious/noExplicitAny: a row of our own table
export function fromRow(row: any, content: ContentSeal): StoredRun {
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
    lastText: content.open('run.text', row.last_text),
    lastValues: content.open('run.outcome', row.outcome),
    holder: row.holder,
    takes: row.takes,
    lost: row.lost,
    abandoned: row.abandoned,
  };
}
