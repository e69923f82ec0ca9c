import type pg from 'pg';
import type { SecretKeys } from '../secrets/secrets.ts';

/** A call as it is kept: everything a run needs; `call` is JSON, sealed before it is written. */
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

/** Makes calls durable: each becomes a run, and a line of the journal when it is new. */
export function createIncomingCalls({
  pool,
  keys,
  now,
}: {
  pool: pg.Pool;
  keys: Pick<SecretKeys, 'encrypt'>;
  now: () => Date;
}) {
  /** A call may have been kept before the clock was set back: its run is due now all the same, and has its whole time. */
  function toRow({ call, receivedAt, deadlineAt, ...run }: NewRun) {
    const aheadMs = Math.max(0, receivedAt.getTime() - now().getTime());
    return {
      ...run,
      call: keys.encrypt(call),
      receivedAt: new Date(receivedAt.getTime() - aheadMs),
      deadlineAt: new Date(deadlineAt.getTime() - aheadMs),
    };
  }

  return {
    /**
     * Makes runs of calls, all or none; answers the ids that were not known before. A run that was deleted for its age is
     * known too (past-runs.ts).
     */
    async accept(runs: NewRun[]): Promise<Set<string>> {
      const { rows: made } = await pool.query<{ id: string }>({
        // Planned once a connection: in a burst planning costs as much as writing.
        name: 'accept',
        text: INSERT,
        values: [JSON.stringify(runs.map(toRow))],
      });
      return new Set(made.map(({ id }) => id));
    },
  };
}

export type IncomingCalls = ReturnType<typeof createIncomingCalls>;

const INSERT = `
  WITH given AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json) AS given (id text, "memberId" text, portal text,
    robot text, "itemCode" text, call text, "wantsAnswer" boolean, "receivedAt" timestamptz, "deadlineAt" timestamptz)),
  past AS MATERIALIZED (SELECT past_runs_of(array_agg(id)) AS ids FROM given),
  made AS (
    INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, received_at, deadline_at, next_at)
    SELECT id, "memberId", portal, robot, "itemCode", call, "wantsAnswer", "receivedAt", "deadlineAt", "receivedAt"
    FROM given CROSS JOIN past WHERE id <> ALL (past.ids) ORDER BY id
    ON CONFLICT (id) DO NOTHING RETURNING id, portal, robot, item_code, received_at),
  noted AS (INSERT INTO journal (at, portal, item_code, type, actor, data)
    SELECT received_at, portal, item_code, 'call.taken', 'run ' || id, jsonb_build_object('run', id, 'robot', robot) FROM made ORDER BY id)
  SELECT id FROM made`;
