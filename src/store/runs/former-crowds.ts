import type pg from 'pg';
import type { Log } from '../../robot/ports/log.ts';
import { withoutBadRows } from '../db/data-error.ts';
import { SecretError, type SecretKeys } from '../secrets/secrets.ts';
import type { IncomingCalls, NewRun } from './incoming-calls.ts';

/** What the texts are sealed for. */
const CONTEXT = 'crowd';

/** What the calls of one text have in common, and then each of them. */
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

/**
 * Makes runs of the calls that a version before migration 021 kept sealed together, many in a row. What is made twice is
 * one run, so it may be broken off anywhere and several processes may do it at once. A row whose key is missing stays,
 * and is tried again by the next start. Once nobody updates from a version before that migration, this file, its table
 * and the line of doctor (scripts/doctor/sealed.ts) can go.
 */
export async function takeFormerCrowds(options: {
  pool: pg.Pool;
  keys: SecretKeys;
  calls: IncomingCalls;
  log: Log;
}): Promise<void> {
  const { pool, keys, calls, log } = options;
  for (let last = '0'; ; ) {
    const { rows } = await pool.query<{ id: string; calls: string }>(
      'SELECT id, calls FROM former_crowd WHERE id > $1 ORDER BY id LIMIT 1',
      [last],
    );
    const [crowd] = rows;
    if (!crowd) return;
    last = crowd.id;
    try {
      await withoutBadRows(toRuns(keys.decrypt(crowd.calls, CONTEXT)), calls.accept, ({ id }, error) =>
        log.error('crowd.call_refused', { error, runId: id }),
      );
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
      log.error('crowd.unreadable', { error, crowd: crowd.id });
      continue;
    }
    await pool.query('DELETE FROM former_crowd WHERE id = $1', [crowd.id]);
  }
}

function toRuns(text: string): NewRun[] {
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
