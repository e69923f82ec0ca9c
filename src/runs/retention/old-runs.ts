import type { Log } from '../../robot/ports/log.ts';
import type { PastRuns, Stopped } from '../../store/runs/past-runs.ts';

/** Runs that one step looks at: few enough that calls wait for it for milliseconds only. */
const AT_A_TIME = 200;
/** From one pass over all that is old to the next. */
const REST_MS = 3_600_000;

/**
 * Deletes runs that ended more than `keepDays` ago; 0 keeps them for ever. `now` is the wall clock, and what it deletes by
 * mistake cannot be brought back: so age is counted from where it stood at the start by the time that has passed since, and
 * a clock that jumps ahead makes nothing old.
 */
export function createOldRuns(ports: {
  pastRuns: Pick<PastRuns, 'deleteEnded'>;
  keepDays: number;
  now: () => Date;
  log: Log;
}) {
  const { pastRuns, keepDays, now, log } = ports;
  const startedAt = now().getTime();
  const startedMs = performance.now();
  let stopped: Stopped | null = null;
  let deleted = 0;
  let restsUntil = Number.NEGATIVE_INFINITY;

  return {
    /** One step, to be called once a second; most of them rest. */
    async step(): Promise<void> {
      if (keepDays === 0 || performance.now() < restsUntil) return;
      const at = Math.min(now().getTime(), startedAt + performance.now() - startedMs);
      const done = await pastRuns.deleteEnded(new Date(at), keepDays, stopped, AT_A_TIME);
      deleted += done.deleted;
      stopped = done.stopped;
      if (stopped !== null) return;
      if (deleted > 0) log.info('runs.deleted', { runs: deleted, keepDays });
      deleted = 0;
      restsUntil = performance.now() + REST_MS;
    },
  };
}
