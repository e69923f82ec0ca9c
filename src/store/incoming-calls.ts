import type pg from 'pg';
import type { Log } from '../robot/ports.ts';
import { isDataError } from './data-error.ts';

/** A call as it is kept: everything a run needs, with the secrets sealed in `call`. */
export interface NewRun {
  id: string;
  memberId: string;
  portal: string;
  robot: string;
  itemCode: string;
  call: string;
  wantsAnswer: boolean;
  receivedAt: Date;
  deadlineAt: Date;
}

/**
 * Makes calls durable: a few become runs at once. A crowd is written as one row, which is about ten times cheaper, and
 * becomes runs by `settle`. `relaxed` is a pool whose commits may be lost: then the crowd is still there.
 */
export function createIncomingCalls(pool: pg.Pool, relaxed: pg.Pool, log: Log) {
  async function makeRuns(rows: Row[]): Promise<string[]> {
    const { rows: made } = await pool.query<{ id: string }>({
      // Planned once a connection: in a burst planning costs as much as writing.
      name: 'accept',
      text: `${INSERT} FROM json_to_recordset($1::json) ${GIVEN} ON CONFLICT (id) DO NOTHING RETURNING id`,
      values: [JSON.stringify(rows)],
    });
    return made.map(({ id }) => id);
  }

  /** The oldest crowd holds a call that the database cannot: the others of it become runs. */
  async function settleOneByOne(): Promise<void> {
    const { rows } = await pool.query<{ id: string; calls: string }>(
      'SELECT id, calls FROM crowd ORDER BY id LIMIT 1',
    );
    const [crowd] = rows;
    if (!crowd) return;
    for (const row of JSON.parse(crowd.calls) as Row[]) {
      try {
        await makeRuns([row]);
      } catch (error) {
        if (!isDataError(error)) throw error;
        log.error('crowd.call_refused', { error, runId: row.id });
      }
    }
    await pool.query('DELETE FROM crowd WHERE id = $1', [crowd.id]);
  }

  return {
    /** Makes runs of calls with one statement; answers the ids that were not known before. */
    accept: async (runs: NewRun[]): Promise<Set<string>> => new Set(await makeRuns(runs.map(toRow))),

    /** Keeps calls to make runs of them later; which of them are known already is seen only then. */
    async keepCrowd(runs: NewRun[]): Promise<void> {
      await pool.query({
        name: 'keep',
        text: 'INSERT INTO crowd (received_at, calls) VALUES ($1, $2)',
        values: [runs[0]?.receivedAt, JSON.stringify(runs.map(toRow))],
      });
    },

    settle,

    /** Makes runs of all that stands here now. */
    async settleAll(): Promise<void> {
      while (await settle());
    },
  };

  /** Makes runs of the oldest crowd that no other process is at; answers whether there was one. */
  async function settle(): Promise<boolean> {
    try {
      const { rows } = await relaxed.query<{ crowds: number }>(
        `WITH taken AS (DELETE FROM crowd WHERE id =
               (SELECT id FROM crowd ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING calls),
             made AS (${INSERT} FROM taken, json_to_recordset(taken.calls::json) ${GIVEN} ON CONFLICT (id) DO NOTHING)
           SELECT count(*)::int AS crowds FROM taken`,
      );
      return rows[0]?.crowds === 1;
    } catch (error) {
      if (!isDataError(error)) throw error;
      await settleOneByOne();
      return true;
    }
  }
}

export type IncomingCalls = ReturnType<typeof createIncomingCalls>;

const INSERT = `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, received_at, deadline_at, next_at)
  SELECT id, member_id, portal, robot, item_code, call, wants_answer, received_at, deadline_at, received_at`;
const GIVEN = `AS given (id text, member_id text, portal text, robot text, item_code text,
  call text, wants_answer boolean, received_at timestamptz, deadline_at timestamptz)`;

const toRow = (run: NewRun) => ({
  id: run.id,
  member_id: run.memberId,
  portal: run.portal,
  robot: run.robot,
  item_code: run.itemCode,
  call: run.call,
  wants_answer: run.wantsAnswer,
  received_at: run.receivedAt,
  deadline_at: run.deadlineAt,
});

type Row = ReturnType<typeof toRow>;
