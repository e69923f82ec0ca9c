import type { Log } from '../robot/ports.ts';
import type { ClaimedRuns, Line } from '../store/claimed-runs.ts';
import type { Places } from '../store/places.ts';
import type { StoredRun } from '../store/runs.ts';
import type { Burst } from './intake.ts';
import { createLoop } from './loop.ts';
import { wasRolledBack } from './outage.ts';
import { within } from './patience.ts';

/** Many runs of one item may have stood in front of others, which only a second look sees. */
const LOOK_AGAIN_MS = 25;
/** How often one run of the lines that rest is begun all the same. */
const TRICKLE_MS = 500;
const LARGEST_SHARE = 2 / 3;
/** How long a stop waits for attempts under way. */
const DRAIN_MS = 7_000;

interface LineName {
  memberId: string;
  robot: string;
  /** Its robot may wait. */
  waits: boolean;
}

export interface WorkersOptions {
  claimed: ClaimedRuns;
  /** As many runs as this process may work on at a time; the last ones are for waits whose time is over. */
  places: { ordinary: Places; last: Places };
  /** A lease is kept four times over. */
  leaseMs: number;
  /** How often it looks for runs that became due by time. */
  tickMs: number;
  /** Portals and robots whose runs may be worked on. */
  lines(): LineName[];
  /**
   * Of a line whose calls still pour in only a few runs are begun, and none while that burst is young: taking calls
   * comes first.
   */
  rests(line: LineName): boolean;
  burst(): Burst;
  work(run: StoredRun): Promise<void>;
  now: () => Date;
  log: Log;
}

/**
 * Works off due runs, one at a time per CRM item. A run stays held while its attempt goes on; when the process dies,
 * the lease ends and another attempt begins.
 */
export function startWorkers({
  claimed,
  places,
  leaseMs,
  tickMs,
  lines,
  rests,
  burst,
  work,
  now,
  log,
}: WorkersOptions) {
  /** `isLast`: it has one of the last places. */
  const running = new Map<string, { run: StoredRun; isLast: boolean; ended: Promise<void> }>();
  const ordinary = () => [...running.values()].filter(({ isLast }) => !isLast);
  const lastCount = () => running.size - ordinary().length;
  const room = () => places.ordinary.held() - ordinary().length;
  const lastRoom = () => places.last.held() - lastCount();

  function start(run: StoredRun, isLast: boolean): void {
    running.set(run.id, { run, isLast, ended: attempt(run, isLast) });
  }

  async function attempt(run: StoredRun, isLast: boolean): Promise<void> {
    try {
      await work(run);
    } catch (error) {
      // The store could not say how it ended: the lease ends and the run is attempted anew.
      log.warn('attempt.lost', { error, runId: run.id });
      // It could, but had to let another go first: nothing is gained by waiting for the lease.
      if (wasRolledBack(error)) await claimed.release([run.id]).catch(() => undefined);
    } finally {
      running.delete(run.id);
      if (isLast) lookingForLast.wake();
      looking.wake();
    }
  }

  /** Where several portals share the process, one of them, hanging, must not hold all of it. */
  function counted(some: LineName[]): Line[] {
    const portals = new Set(lines().map(({ memberId }) => memberId)).size;
    const all = places.ordinary.held();
    const share = portals > 1 ? Math.ceil(all * LARGEST_SHARE) : all;
    const runs = ordinary().map(({ run }) => run);
    return some.map(({ memberId, robot }) => {
      const own = runs.filter((run) => run.memberId === memberId);
      return {
        memberId,
        robot,
        running: own.filter((run) => run.robot === robot).length,
        room: Math.max(0, share - own.length),
      };
    });
  }

  /** Begins up to `most` due runs of some lines. */
  async function begin(most: number, of: LineName[]): Promise<void> {
    if (most <= 0 || of.length === 0) return;
    const taken = await claimed.claim(now(), most, counted(of));
    await startFitting(taken, room(), false);
    if (taken.length > 0) setTimeout(looking.wake, LOOK_AGAIN_MS).unref();
  }

  /** Another process may have been given places since the runs were asked for: what has none goes back. */
  async function startFitting(taken: StoredRun[], free: number, isLast: boolean): Promise<void> {
    const fit = Math.max(0, free);
    for (const run of taken.slice(0, fit)) start(run, isLast);
    if (taken.length > fit) await claimed.release(taken.slice(fit).map(({ id }) => id));
  }

  const looking = createLoop(async () => {
    const awake = lines().filter((line) => !rests(line));
    await begin(room(), awake);
    return false;
  }, log);
  const trickling = createLoop(async () => {
    if (burst() === 'young') return false;
    await begin(Math.min(1, room()), lines().filter(rests));
    return false;
  }, log);

  const lookingForLast = createLoop(async () => {
    const free = lastRoom();
    const waiting = lines().filter(({ waits }) => waits);
    if (free <= 0 || waiting.length === 0) return false;
    const kept = waiting.map(({ memberId, robot }) => ({ memberId, robot, running: 0, room: free }));
    await startFitting(await claimed.claim(now(), free, kept, true), lastRoom(), true);
    return false;
  }, log);
  const sharing = createLoop(async () => {
    if (await places.ordinary.share(() => ordinary().length)) looking.wake();
    if (await places.last.share(lastCount)) lookingForLast.wake();
    return false;
  }, log);

  const keeping = createLoop(async () => {
    if (running.size > 0) await claimed.keep([...running.keys()]);
    return false;
  }, log);
  const reclaiming = createLoop(async () => {
    if ((await claimed.reclaim()) > 0) looking.wake();
    return false;
  }, log);

  const timers = [
    setInterval(() => {
      sharing.wake();
      reclaiming.wake();
      looking.wake();
      lookingForLast.wake();
    }, tickMs),
    setInterval(trickling.wake, TRICKLE_MS),
    setInterval(keeping.wake, leaseMs / 4),
  ];
  sharing.wake();

  return {
    /** Called when runs became due. */
    wake: looking.wake,
    /** Takes nothing more, lets attempts end, and gives back those that do not. */
    async stop(): Promise<void> {
      for (const timer of timers) clearInterval(timer);
      await Promise.all([looking.stop(), trickling.stop(), lookingForLast.stop()]);
      const drained = Promise.all([...running.values()].map(({ ended }) => ended));
      await within(DRAIN_MS, drained).catch(() => undefined);
      await Promise.all([keeping.stop(), reclaiming.stop(), sharing.stop()]);
      if (running.size > 0) await claimed.release([...running.keys()]).catch(() => undefined);
    },
  };
}
