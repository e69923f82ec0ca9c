import { within } from '../../lib/work/timeout.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { IncomingCalls, NewRun } from '../../store/runs/incoming-calls.ts';

/** The most calls that one statement writes, and about how much of their text. */
const GROUP = 500;
const GROUP_LENGTH = 16 * 1024 * 1024;
/** A write without an answer is given up after so long; should it commit later, that does no harm. */
const WRITE_TIMEOUT_MS = 5_000;

interface Waiting {
  run: NewRun;
  resolve(fresh: boolean): void;
  reject(error: unknown): void;
}

/**
 * Writes the calls of one moment in one INSERT: calls that arrive while a write is under way share the next one, so a burst
 * costs few commits. A promise resolves only after its commit: true for a new call, false for one that was known. `onRuns`
 * is called when there are new ones.
 */
export function createCallWriter(calls: Pick<IncomingCalls, 'accept'>, onRuns: () => void) {
  let waiting: Waiting[] = [];
  let writing = false;

  async function accept(group: Waiting[]): Promise<void> {
    const unique = new Map(group.map(({ run }) => [run.id, run]));
    const fresh = new Set<string>();
    const refused = new Map<string, unknown>();
    try {
      await withoutBadRows(
        [...unique.values()],
        async (runs) => {
          for (const id of await within(WRITE_TIMEOUT_MS, calls.accept(runs))) fresh.add(id);
        },
        ({ id }, error) => refused.set(id, error),
      );
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    if (fresh.size > 0) onRuns();
    for (const { run, resolve, reject } of group) {
      if (refused.has(run.id)) reject(refused.get(run.id));
      else resolve(fresh.delete(run.id));
    }
  }

  /** The calls that wait now, as many as one statement should hold. */
  function takeGroup(): Waiting[] {
    let count = 0;
    for (let length = 0; count < Math.min(waiting.length, GROUP) && length < GROUP_LENGTH; count += 1)
      length += waiting[count]?.run.call?.length ?? 0;
    const group = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return group;
  }

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      // The calls that come in the same turn.
      await new Promise((resolve) => setImmediate(resolve));
      await accept(takeGroup());
    }
    writing = false;
  }

  return {
    accept: (run: NewRun): Promise<boolean> =>
      new Promise((resolve, reject) => {
        waiting.push({ run, resolve, reject });
        if (writing) return;
        writing = true;
        void write();
      }),
  };
}
