import type { Feed } from '../../lib/work/feed-runner.ts';
import { LEASE_MS } from '../../lib/work/leases.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { PastRuns, Stopped } from '../../store/runs/past-runs.ts';

/** Runs that one step looks at: few enough that calls wait for it for milliseconds only. */
const AT_A_TIME = 200;
/** From one step to the next: calls that wait for the one are taken before the other. */
const PAUSE_MS = 1_000;
/** From one pass over all that is old to the next. */
const REST_MS = 3_600_000;

/** The feed of the deletion of ended runs for their age. */
export const OLD_RUNS = 'old-runs';

/** Where the last step stopped, and how many runs this pass has deleted. */
interface OldRunsCursor {
  stopped?: Stopped | null;
  deleted?: number;
}

/**
 * Deletes runs that ended more than `keepDays` ago. `now` is the wall clock, and what it deletes by mistake cannot be brought
 * back: so age is counted from where it stood at the start by the time that has passed since, and a clock that jumps ahead
 * makes nothing old.
 */
export function oldRunsFeed(ports: {
  pastRuns: Pick<PastRuns, 'deleteEnded'>;
  keepDays: number;
  now: () => Date;
  log: Log;
}): Feed {
  const { pastRuns, keepDays, now, log } = ports;
  const startedAt = now().getTime();
  const startedMs = performance.now();

  return {
    name: OLD_RUNS,
    leaseMs: LEASE_MS.retention,
    retryMs: PAUSE_MS,
    async step(cursor) {
      const { stopped: from = null, deleted = 0 } = cursor as OldRunsCursor;
      const at = Math.min(now().getTime(), startedAt + performance.now() - startedMs);
      const done = await pastRuns.deleteEnded(new Date(at), keepDays, from, AT_A_TIME);
      const runs = deleted + done.deleted;
      const next = (ms: number) => new Date(now().getTime() + ms);
      if (done.stopped !== null)
        return { cursor: { stopped: done.stopped, deleted: runs }, dueAt: next(PAUSE_MS) };
      if (runs > 0) log.info('runs.deleted', { runs, keepDays });
      return { cursor: {}, dueAt: next(REST_MS) };
    },
  };
}
