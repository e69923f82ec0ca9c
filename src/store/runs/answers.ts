import type pg from 'pg';
import type { NewAnswer } from './runs.ts';

export interface DueAnswer extends NewAnswer {
  id: string;
  attempts: number;
}

interface SettledAnswer {
  id: string;
  state: 'sent' | 'gone' | 'refused' | 'due';
  dueAt: Date;
  error: string | null;
}

/**
 * Answers to be sent to steps. `pool` may be one whose commits are not waited for: when one is lost an answer is sent once
 * more, which is harmless (bitrix24.md D1).
 */
export function createAnswerStore(pool: pg.Pool) {
  return {
    /**
     * Takes up to `limit` due answers of each line for `leaseMs`; another process leaves them alone meanwhile. A line
     * is a portal's first sendings, or its second ones.
     */
    async take(
      now: Date,
      leaseMs: number,
      limit: number,
      lines: { memberId: string; number: number }[],
    ): Promise<DueAnswer[]> {
      const { rows } = await pool.query(
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
    async settle(settled: SettledAnswer[], secondAt: Date, now: Date): Promise<void> {
      await pool.query(
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
  };
}

export type AnswerStore = ReturnType<typeof createAnswerStore>;
