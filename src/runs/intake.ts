import type { NewRun, RunStore } from '../store/runs.ts';

/** The most calls that one statement writes. */
const GROUP = 500;

interface Waiting {
  run: NewRun;
  resolve(fresh: boolean): void;
  reject(error: unknown): void;
}

/**
 * Makes calls durable. Calls that arrive while a write is under way share the next one, so a burst costs few
 * commits. A promise resolves only after its commit: true for a new call, false for one that was known.
 */
export function createIntake(runs: Pick<RunStore, 'accept'>, onAccepted: () => void) {
  let waiting: Waiting[] = [];
  let busy = false;

  async function write(): Promise<void> {
    busy = true;
    while (waiting.length > 0) {
      const group = waiting.slice(0, GROUP);
      waiting = waiting.slice(GROUP);
      try {
        const unique = new Map(group.map(({ run }) => [run.id, run]));
        const fresh = await runs.accept([...unique.values()]);
        if (fresh.size > 0) onAccepted();
        for (const { run, resolve } of group) resolve(fresh.delete(run.id));
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    busy = false;
  }

  return {
    accept: (run: NewRun): Promise<boolean> =>
      new Promise((resolve, reject) => {
        waiting.push({ run, resolve, reject });
        // Started a turn later, so that calls of one moment go together.
        if (!busy) {
          busy = true;
          setImmediate(() => void write());
        }
      }),
    /** Calls whose write is not finished. */
    pending: () => waiting.length,
  };
}
