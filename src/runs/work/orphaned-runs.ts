import type { Log } from '../../robot/ports/log.ts';
import type { OpenRuns } from '../../store/runs/open-runs.ts';
import type { RunStore } from '../../store/runs/runs.ts';

/** A robot unknown here may be known to a process of a newer version, which has so long to take the run up first. */
const HEAD_START_MS = 60_000;

interface OrphanedRunsPorts {
  open: Pick<OpenRuns, 'members' | 'linesDue'>;
  runs: Pick<RunStore, 'cancelOf'>;
  /** By what is in memory; `true` may be some seconds old. */
  isInstalled(memberId: string): boolean;
  /** Asks the store. */
  isInstalledNow(memberId: string): Promise<boolean>;
  knowsRobot(code: string): boolean;
  onCancelled(robot: string): void;
  now: () => Date;
  log: Log;
}

/**
 * Finds runs that are in no line of the workers. Runs and answers of a removed portal are ended: another process may still
 * have taken calls of it for some seconds. Runs of a robot that does not exist any more get lines, so that an attempt ends
 * them.
 */
export function createOrphanedRuns(ports: OrphanedRunsPorts) {
  const { open, runs, now, log } = ports;
  let lines: { memberId: string; robot: string; waits: boolean }[] = [];
  return {
    lines: () => lines,
    async find(): Promise<void> {
      for (const memberId of await open.members()) {
        if (ports.isInstalled(memberId) || (await ports.isInstalledNow(memberId))) continue;
        const cancelled = await runs.cancelOf(memberId, now());
        log.info('runs.cancelled', {
          memberId,
          runs: cancelled.length,
          reason: 'the application is removed',
        });
        for (const robot of cancelled) ports.onCancelled(robot);
      }
      const due = await open.linesDue(new Date(now().getTime() - HEAD_START_MS));
      const unknown = due.filter(({ robot }) => !ports.knowsRobot(robot));
      lines = unknown.map((line) => ({ ...line, waits: false }));
    },
  };
}
