import { createLoop } from '../../../lib/work/loop.ts';
import type { Log } from '../../../robot/ports/log.ts';
import type { ClaimedRuns } from '../../../store/runs/claimed-runs.ts';
import type { StoredRun } from '../../../store/runs/runs.ts';

/** A portal's robot. */
interface LineKey {
  memberId: string;
  robot: string;
}

/** How runs of one line are read ahead; `Ahead` is what it brings for an attempt. */
export interface ReadAheadPort<Ahead> {
  isOpen(line: LineKey): boolean;
  /** `onReady` once for each run, as soon as its part is there. */
  read(
    memberId: string,
    runs: readonly StoredRun[],
    onReady: (run: StoredRun, ahead: Ahead) => void,
  ): Promise<void>;
}

/** A run that waits for a slot. */
interface StockedRun<Ahead> {
  run: StoredRun;
  ahead: Ahead | undefined;
}

/** With fewer due runs in a line each reads for itself: it begins sooner. */
const LEAST = 25;
/** The end of a mass is read as the rest of it. */
const LEAST_MORE = 5;
/** Proofs of one hit, beside its witness. */
const PROOFS = 49;
/**
 * Runs of one reading, whose proofs fill their hits and each of whose waves of lists is one hit: as many as begin within half
 * a minute, so that what was read of them is fresh.
 */
const FEWEST = PROOFS;
const FIRST = 5 * PROOFS;
const MOST = 14 * PROOFS;
const QUICK_MS = 8_000;
const SLOW_MS = 20_000;
/** The next reading begins when so much of the last one is left. */
const LOW = 0.4;

interface Line {
  /** Runs of its next reading. */
  size: number;
  claimedAt: number;
  /** Taken and not begun. */
  runs: Set<StoredRun>;
  isReading: boolean;
}

/**
 * Runs of long lines, taken before there is a slot for them, so that the portal is asked about hundreds of them in a few
 * hits (bitrix24.md F1a). They are held under the lease of this process, and an attempt of none has begun.
 */
export function createStock<Ahead>(options: {
  claimed: Pick<ClaimedRuns, 'claimAhead' | 'release'>;
  ahead: ReadAheadPort<Ahead>;
  lines(): readonly LineKey[];
  /** The part of all slots that this process has: so much of a line it takes, and leaves the rest to the others. */
  part(): number;
  onReady(): void;
  now: () => Date;
  log: Log;
}) {
  const { claimed, ahead, now, log } = options;
  const lines = new Map<string, Line>();
  const ready: StockedRun<Ahead>[] = [];

  function lineOf(key: LineKey): Line {
    const name = nameOf(key);
    const line = lines.get(name) ?? { size: FIRST, claimedAt: 0, runs: new Set(), isReading: false };
    lines.set(name, line);
    return line;
  }

  /** How many runs of a line are wanted now. */
  function wantedOf({ memberId, robot }: LineKey) {
    const { runs, size, isReading } = lineOf({ memberId, robot });
    const part = options.part();
    if (isReading || part === 0 || runs.size > size * LOW || !ahead.isOpen({ memberId, robot })) return [];
    const least = runs.size > 0 ? LEAST_MORE : LEAST;
    return [{ memberId, robot, part, least, most: Math.ceil(size / PROOFS) * PROOFS }];
  }

  const filling = createLoop(async () => {
    const wanted = options.lines().flatMap(wantedOf);
    if (wanted.length === 0) return false;
    const taken = await claimed.claimAhead(now(), wanted);
    for (const some of Map.groupBy(taken, ({ run }) => nameOf(run)).values()) {
      const [first] = some;
      if (first === undefined) continue;
      const line = lineOf(first.run);
      resize(line);
      for (const { run } of some) line.runs.add(run);
      void read(
        line,
        some.map(({ run }) => run),
        new Set(some.flatMap(({ run, isNewest }) => (isNewest ? run : []))),
      );
    }
    return false;
  }, log);

  async function read(line: Line, runs: readonly StoredRun[], newest: ReadonlySet<StoredRun>): Promise<void> {
    const left = new Set(runs);
    const setReady = (run: StoredRun, brought: Ahead | undefined) => {
      // Given back meanwhile, or told of twice.
      if (!left.delete(run) || !line.runs.has(run)) return;
      // Who came after a mass does not wait for all of it.
      if (newest.has(run)) ready.unshift({ run, ahead: brought });
      else ready.push({ run, ahead: brought });
      options.onReady();
    };
    line.isReading = true;
    try {
      await ahead.read(runs[0]?.memberId ?? '', runs, setReady);
    } catch (error) {
      log.warn('runs.not_read_ahead', { error, count: left.size });
    } finally {
      line.isReading = false;
      for (const run of left) setReady(run, undefined);
    }
  }

  return {
    /** Looks for lines that are long and of which little is in stock. */
    fill: filling.wake,
    /** The line has runs here, so that its others wait until they are read ahead, too. */
    has: (key: LineKey) => (lines.get(nameOf(key))?.runs.size ?? 0) > 0,
    /** Runs whose lease is to be kept. */
    held: (): StoredRun[] => [...lines.values()].flatMap(({ runs }) => [...runs]),
    /** Runs of the portal are begun faster than each could be answered for itself. */
    isBusy: (memberId: string) =>
      [...lines].some(([name, { runs }]) => runs.size > 0 && name.startsWith(`${memberId} `)),
    readyCount: () => ready.length,
    /** Takes up to `most` runs that are ready, of each portal as many as `freeOf` it. */
    take(most: number, freeOf: (memberId: string) => number): StockedRun<Ahead>[] {
      const taken: StockedRun<Ahead>[] = [];
      const left = new Map<string, number>();
      for (let index = 0; index < ready.length && taken.length < most; ) {
        const one = ready[index] as StockedRun<Ahead>;
        const { memberId } = one.run;
        const free = left.get(memberId) ?? freeOf(memberId);
        left.set(memberId, Math.max(0, free - 1));
        if (free > 0) taken.push(...ready.splice(index, 1));
        else index += 1;
      }
      for (const { run } of taken) lines.get(nameOf(run))?.runs.delete(run);
      return taken;
    },
    /** Gives back what no attempt has begun of. */
    async stop(): Promise<void> {
      await filling.stop();
      const left = [...lines.values()].flatMap(({ runs }) => [...runs]);
      for (const { runs } of lines.values()) runs.clear();
      ready.length = 0;
      if (left.length > 0) await claimed.release(left).catch(() => undefined);
    },
  };
}

/** More at a time where runs begin quickly, fewer where what was read would grow old. */
function resize(line: Line): void {
  const at = performance.now();
  const lasted = at - line.claimedAt;
  if (line.claimedAt > 0 && lasted < QUICK_MS) line.size = Math.min(MOST, line.size * 2);
  if (line.claimedAt > 0 && lasted > SLOW_MS && line.runs.size > 0)
    line.size = Math.max(FEWEST, line.size / 2);
  line.claimedAt = at;
}

const nameOf = ({ memberId, robot }: LineKey) => `${memberId} ${robot}`;
