import type pg from 'pg';
import type { Directum } from '../../test/sandbox/directum/directum.ts';
import { inDatabase } from '../../test/sandbox/in-database.ts';
import type { Stands } from './stands.ts';

const CHANGED = 10;
const CYCLES = 4;
/** Questions of one cycle follow one another at once; between cycles there is a pause. */
const GAP_MS = 500;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Copies the one wait that is there to so many documents that nobody has touched for long. */
async function copyWait(client: pg.Client, directum: Directum, waits: number): Promise<number[]> {
  const ids = Array.from({ length: waits }, (_, n) =>
    directum.add('IContracts', {
      Name: `Замер ${n}`,
      InternalApprovalState: 'OnApproval',
      Modified: '2020-01-01T00:00:00Z',
    }),
  );
  await client.query(
    `INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, received_at, deadline_at, next_at)
     SELECT 'bench-' || n, member_id, portal, robot, 'DEAL_' || n, call, true, 'waiting', received_at, deadline_at, next_at
     FROM unnest($1::bigint[]) AS n, (SELECT * FROM run WHERE state = 'waiting' LIMIT 1) AS one`,
    [ids],
  );
  await client.query(
    `INSERT INTO wait (run_id, document_id, wait_for, deadline_at, facts, seen, task_id, task_status, task_started_at, created_at)
     SELECT 'bench-' || n, n, wait_for, deadline_at, facts, 'Draft|OnApproval|||', NULL, NULL, NULL, created_at
     FROM unnest($1::bigint[]) AS n, (SELECT * FROM wait LIMIT 1) AS one`,
    [ids],
  );
  return ids;
}

/** The most requests of one cycle, what changed wakes, and how much memory so many waits take. */
export async function measureWaits(
  { dataDir, directum, portal }: Stands,
  waits: number,
  pollSeconds: number,
  megabytes: () => Promise<number>,
): Promise<{
  changed: number;
  woken: number;
  requests: number;
  quiet: number;
  slowest: number;
  grown: number;
  resident: number;
}> {
  return inDatabase(dataDir, async (client) => {
    try {
      const before = await megabytes();
      const ids = await copyWait(client, directum, waits);
      await pause(pollSeconds * 2_000);
      const quietFrom = directum.journal.length;
      await pause(pollSeconds * CYCLES * 1_000);
      const from = directum.journal.length;
      const sends = portal.journal.length;
      const changedAt = Date.now();
      for (const id of ids.slice(0, CHANGED))
        directum.patch('IContracts', id, { InternalApprovalState: 'Signed' });
      await pause(pollSeconds * CYCLES * 1_000);
      const answers = portal.journal.slice(sends).filter(({ method }) => method === 'bizproc.event.send');
      const { rows } = await client.query(
        `SELECT count(*)::int AS count FROM run WHERE id LIKE 'bench-%' AND state = 'ended' AND ending = 'done'`,
      );
      const resident = await megabytes();
      return {
        changed: CHANGED,
        woken: rows[0].count,
        requests: mostOfACycle(directum.journal.slice(from)),
        quiet: mostOfACycle(directum.journal.slice(quietFrom, from)),
        slowest: Math.max(...answers.slice(0, CHANGED).map(({ at }) => at.getTime() - changedAt)) / 1000,
        grown: resident - before,
        resident,
      };
    } finally {
      await client.query(`DELETE FROM run WHERE id LIKE 'bench-%'`);
    }
  });
}

/** Questions of the windows that follow one another at once are one cycle. */
export function mostOfACycle(journal: { at: string; query: string }[]): number {
  const cycles: number[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const { at } of journal.filter(({ query }) => query.includes('Modified gt'))) {
    if (Date.parse(at) - last > GAP_MS) cycles.push(0);
    cycles[cycles.length - 1]! += 1;
    last = Date.parse(at);
  }
  return Math.max(...cycles);
}
