import type pg from 'pg';
import type { Log } from '../robot/ports.ts';
import { isDataError } from './data-error.ts';
import { SecretError, type SecretKeys } from './secrets.ts';
import { inTransaction } from './transaction.ts';

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

/** Binds the text of a crowd to its table. */
const CROWD = 'crowd';

/** The text of a crowd: what its calls have in common once, for what is not written needs no sealing and no disk. */
type CrowdText = [
  Pick<NewRun, 'memberId' | 'portal' | 'robot'>,
  ...[
    id: string,
    itemCode: string,
    wantsAnswer: boolean,
    receivedAt: number,
    deadlineAt: number,
    call: unknown,
  ][],
];

/** A call is JSON already, and is put in as it is: to quote it would cost more than all the rest. */
function toCrowdText(runs: NewRun[]): string {
  const [{ memberId, portal, robot }] = runs as [NewRun, ...NewRun[]];
  let text = `[${JSON.stringify({ memberId, portal, robot })}`;
  for (const { id, itemCode, wantsAnswer, receivedAt, deadlineAt, call } of runs)
    text += `,[${JSON.stringify(id)},${JSON.stringify(itemCode)},${wantsAnswer},${receivedAt.getTime()},${deadlineAt.getTime()},${call}]`;
  return `${text}]`;
}

function fromCrowdText(text: string): NewRun[] {
  const [common, ...calls] = JSON.parse(text) as CrowdText;
  return calls.map(([id, itemCode, wantsAnswer, receivedAt, deadlineAt, call]) => ({
    ...common,
    id,
    itemCode,
    wantsAnswer,
    receivedAt: new Date(receivedAt),
    deadlineAt: new Date(deadlineAt),
    call: JSON.stringify(call),
  }));
}

/**
 * Makes calls durable: a few become runs at once. A crowd is sealed and written as one text, which is about ten times
 * cheaper, and becomes runs by `settle`. `relaxed` is a pool whose commits may be lost: then the crowd is still there.
 */
export function createIncomingCalls(options: {
  pool: pg.Pool;
  relaxed: pg.Pool;
  keys: SecretKeys;
  now: () => Date;
  log: Log;
}) {
  const { pool, relaxed, keys, now, log } = options;
  /** Crowds whose key is gone: kept for when it is given back, and looked at again by the next start. */
  const unreadable = new Set<string>();

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

  async function makeRuns(db: pg.Pool | pg.PoolClient, runs: NewRun[]): Promise<string[]> {
    const { rows: made } = await db.query<{ id: string }>({
      // Planned once a connection: in a burst planning costs as much as writing.
      name: 'accept',
      text: INSERT,
      values: [JSON.stringify(runs.map(toRow))],
    });
    return made.map(({ id }) => id);
  }

  /** As `makeRuns`; a call that the database cannot hold does not take the others with it. */
  async function makeOneByOne(client: pg.PoolClient, runs: NewRun[]): Promise<void> {
    for (const run of runs) {
      await client.query('SAVEPOINT one');
      try {
        await makeRuns(client, [run]);
      } catch (error) {
        if (!isDataError(error)) throw error;
        log.error('crowd.call_refused', { error, runId: run.id });
        await client.query('ROLLBACK TO SAVEPOINT one');
      }
    }
  }

  /** Makes runs of the oldest crowd that no other process is at; answers whether there was one. */
  async function settleOldest(
    make: (client: pg.PoolClient, runs: NewRun[]) => Promise<unknown>,
  ): Promise<boolean> {
    return inTransaction(relaxed, async (client) => {
      const { rows } = await client.query<{ id: string; calls: string }>(
        'SELECT id, calls FROM crowd WHERE id <> ALL ($1) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED',
        [[...unreadable]],
      );
      const [crowd] = rows;
      if (!crowd) return false;
      const runs = open(crowd);
      if (runs === null) return true;
      await make(client, runs);
      await client.query('DELETE FROM crowd WHERE id = $1', [crowd.id]);
      return true;
    });
  }

  async function settle(): Promise<boolean> {
    try {
      return await settleOldest(makeRuns);
    } catch (error) {
      if (!isDataError(error)) throw error;
      return settleOldest(makeOneByOne);
    }
  }

  function open({ id, calls }: { id: string; calls: string }): NewRun[] | null {
    try {
      return fromCrowdText(keys.decrypt(calls, CROWD));
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
      log.error('crowd.unreadable', { error, crowd: id });
      unreadable.add(id);
      return null;
    }
  }

  return {
    /** Makes runs of calls with one statement; answers the ids that were not known before. */
    accept: async (runs: NewRun[]): Promise<Set<string>> => new Set(await makeRuns(pool, runs)),

    /** Keeps calls of one portal's robot to make runs of them later; which of them are known already is seen only then. */
    async keepCrowd(runs: NewRun[]): Promise<void> {
      await pool.query({
        name: 'keep',
        text: 'INSERT INTO crowd (received_at, calls) VALUES ($1, $2)',
        values: [runs[0]?.receivedAt, keys.encrypt(toCrowdText(runs), CROWD)],
      });
    },

    /** Makes runs of one crowd; answers whether there was one. */
    settle,

    /** Makes runs of all that stands here now. */
    async settleAll(): Promise<void> {
      while (await settle());
    },
  };
}

export type IncomingCalls = ReturnType<typeof createIncomingCalls>;

const INSERT = `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, received_at, deadline_at, next_at)
  SELECT id, "memberId", portal, robot, "itemCode", call, "wantsAnswer", "receivedAt", "deadlineAt", "receivedAt"
  FROM json_to_recordset($1::json) AS given (id text, "memberId" text, portal text, robot text, "itemCode" text,
    call text, "wantsAnswer" boolean, "receivedAt" timestamptz, "deadlineAt" timestamptz) ORDER BY id
  ON CONFLICT (id) DO NOTHING RETURNING id`;
