import { isDataError } from '../store/data-error.ts';
import type { IncomingCalls, NewRun } from '../store/incoming-calls.ts';
import { within } from './patience.ts';

/** The most calls that one statement writes, and about how much of their text. */
const GROUP = 500;
const GROUP_LENGTH = 16 * 1024 * 1024;
/** So many calls of one line, a portal's robot, in one write are a crowd. */
const CROWD = 8;
/** A write waits for half as many calls as the last one had, but no longer than this. */
const GATHER_MS = 4;
/** A line is crowded until no crowd of it came for so long. */
const CROWDED_MS = 300;
/** A burst younger than this has the machine to itself: what comes in so long is minutes of work anyway. */
const YOUNG_MS = 10_000;
/** A write that says nothing for so long is given up; should it commit later, that does no harm. */
const STUCK_MS = 5_000;

type Line = Pick<NewRun, 'memberId' | 'robot'>;

export type Burst = 'none' | 'young' | 'long';

export interface IntakePorts {
  calls: Pick<IncomingCalls, 'accept' | 'keepCrowd'>;
  /** Calls of no crowd became runs. */
  onRuns(): void;
  /** A crowd was kept, of which runs are to be made. */
  onCrowd(): void;
}

interface Waiting {
  run: NewRun;
  resolve(fresh: boolean): void;
  reject(error: unknown): void;
}

/**
 * Makes calls durable. Calls that arrive while a write is under way share the next one, so a burst costs few
 * commits; those of a crowd are kept together. A promise resolves only after its commit: true for a new call, false for
 * one that was known, as far as that is looked at: a crowd counts as new.
 */
export function createIntake({ calls, onRuns, onCrowd }: IntakePorts) {
  let waiting: Waiting[] = [];
  let writing = false;
  let lastSize = 0;
  const lastCrowds = new Map<string, number>();
  const pouring = { since: 0, until: Number.NEGATIVE_INFINITY };

  async function accept(group: Waiting[]): Promise<void> {
    try {
      const unique = new Map(group.map(({ run }) => [run.id, run]));
      const fresh = await within(STUCK_MS, keep([...unique.values()]));
      for (const { run, resolve } of group) resolve(fresh.delete(run.id));
    } catch (error) {
      // One call that the database cannot hold must not take the others with it.
      if (group.length > 1 && isDataError(error)) for (const one of group) await accept([one]);
      else for (const { reject } of group) reject(error);
    }
  }

  async function keep(runs: NewRun[]): Promise<Set<string>> {
    const lines = [...Map.groupBy(runs, toLine)];
    const crowds = lines.filter(([, line]) => line.length >= CROWD);
    const few = lines.filter(([, line]) => line.length < CROWD).flatMap(([, line]) => line);
    if (crowds.length > 0) noteCrowds(crowds.map(([line]) => line));
    const [fresh] = await Promise.all([
      few.length > 0 ? calls.accept(few) : new Set<string>(),
      ...crowds.map(([, crowd]) => calls.keepCrowd(crowd)),
    ]);
    // Runs of a crowded line rest; to look for others after each of its writes would cost more than the write.
    if (few.some((run) => fresh.has(run.id) && !isCrowded(run))) onRuns();
    if (crowds.length > 0) onCrowd();
    return new Set([...fresh, ...crowds.flatMap(([, crowd]) => crowd.map(({ id }) => id))]);
  }

  function noteCrowds(lines: string[]): void {
    const time = performance.now();
    for (const line of lines) lastCrowds.set(line, time);
    if (time > pouring.until) pouring.since = time;
    pouring.until = time + CROWDED_MS;
  }

  /** The calls that stand here now, as far as one statement should hold. */
  function takeGroup(): Waiting[] {
    let count = 0;
    for (let length = 0; count < Math.min(waiting.length, GROUP) && length < GROUP_LENGTH; count += 1)
      length += waiting[count]?.run.call?.length ?? 0;
    const group = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return group;
  }

  /**
   * Waits for the calls of this moment. In a burst the senders of one half are answered while the other half is
   * written; without that a write of two calls is followed by one of all others, and everybody waits for both.
   */
  async function gather(): Promise<void> {
    const until = performance.now() + GATHER_MS;
    do await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length < lastSize / 2 && performance.now() < until);
  }

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      await gather();
      const group = takeGroup();
      lastSize = group.length;
      await accept(group);
    }
    writing = false;
  }

  function isCrowded(line: Line): boolean {
    return performance.now() - (lastCrowds.get(toLine(line)) ?? Number.NEGATIVE_INFINITY) < CROWDED_MS;
  }

  return {
    /** Calls of that line come faster than they are written, and the portal waits: what may wait should. */
    isCrowded,
    /** Whether crowds come one after the other, and since when. */
    burst: (): Burst => {
      const time = performance.now();
      if (time >= pouring.until) return 'none';
      return time - pouring.since < YOUNG_MS ? 'young' : 'long';
    },
    accept: (run: NewRun): Promise<boolean> =>
      new Promise((resolve, reject) => {
        waiting.push({ run, resolve, reject });
        if (writing) return;
        writing = true;
        void write();
      }),
  };
}

const toLine = ({ memberId, robot }: Line) => `${memberId}\n${robot}`;
