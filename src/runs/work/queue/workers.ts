import { SIGNS_OF_LIFE } from '../../../lib/work/leases.ts';
import { createLoop } from '../../../lib/work/loop.ts';
import { within } from '../../../lib/work/timeout.ts';
import type { Log } from '../../../robot/ports/log.ts';
import { wasRolledBack } from '../../../store/db/outage.ts';
import type { ConcurrencySlots } from '../../../store/locks/concurrency-slots.ts';
import type { ClaimedRuns, Line } from '../../../store/runs/claimed-runs.ts';
import type { StoredRun } from '../../../store/runs/runs.ts';
import { createStock, type ReadAheadPort } from './stock.ts';

/** A run whose attempt the database broke off is due again after so long. */
const REST_MS = 5_000;
/** Many runs of one item may have stood in front of others, which only a second claim finds. */
const CLAIM_AGAIN_MS = 25;
/** The part of its slots that one of several portals may have: one that hangs must not hold up the others. */
const LARGEST_SHARE = 2 / 3;
/** The part of the slots that runs which were not read ahead may take from those that were: a mass goes on beside them. */
const BESIDE_A_MASS = 1 / 2;
/** How long a stop waits for attempts under way. */
const DRAIN_MS = 7_000;

/** An attempt under way. */
interface Attempt {
  run: StoredRun;
  /** It has one of the last slots. */
  isLast: boolean;
  /** It was read ahead with others of its line. */
  isAhead: boolean;
  /** By `performance.now()`: the end of the lease, counted from before it was asked for. */
  heldUntil: number;
  ended: Promise<void>;
}

interface LineName {
  memberId: string;
  robot: string;
  /** Its robot may wait. */
  waits: boolean;
}

export interface WorkersOptions<Ahead> {
  claimed: ClaimedRuns;
  /** As many runs as this process may work on at a time; the last ones are for waits whose time is over. */
  slots: { ordinary: ConcurrencySlots; last: ConcurrencySlots };
  /** How long runs are left to this process unless it keeps them (leases.ts). */
  leaseMs: number;
  /** How often it looks for runs that became due by time. */
  tickMs: number;
  /** Portals and robots whose runs may be worked on. */
  lines(): LineName[];
  /** How runs of long lines are read ahead. */
  ahead: ReadAheadPort<Ahead>;
  /** `isHeld`: no other process can have taken the run, because its lease lasts; `ahead`: what was read of it before. */
  work(run: StoredRun, isHeld: () => boolean, ahead?: Ahead): Promise<void>;
  now: () => Date;
  log: Log;
}

/**
 * Works off due runs, one at a time per CRM item. A run stays held while its attempt goes on; when the process dies,
 * the lease ends and another attempt begins.
 */
export function startWorkers<Ahead>(options: WorkersOptions<Ahead>) {
  const { claimed, slots, leaseMs, tickMs, lines, work, now, log } = options;
  /** A run may be here twice: a process that stood still may claim its own run again. */
  const running = new Set<Attempt>();
  /** Runs whose attempt the database broke off: given back when it is there again. */
  const broken = new Set<StoredRun>();
  const ordinary = () => [...running].filter(({ isLast }) => !isLast);
  const lastCount = () => running.size - ordinary().length;
  const free = () => slots.ordinary.held() - ordinary().length;
  const lastFree = () => slots.last.held() - lastCount();

  const stock = createStock<Ahead>({
    claimed,
    ahead: options.ahead,
    lines,
    part: () => slots.ordinary.held() / slots.ordinary.total,
    onReady: () => claiming.wake(),
    now,
    log,
  });

  function start(
    run: StoredRun,
    isLast: boolean,
    heldUntil: number,
    read?: { ahead: Ahead | undefined },
  ): void {
    const one: Attempt = { run, isLast, isAhead: read !== undefined, heldUntil, ended: Promise.resolve() };
    running.add(one);
    one.ended = attempt(one, read?.ahead);
  }

  async function attempt(one: Attempt, ahead: Ahead | undefined): Promise<void> {
    const { run, isLast } = one;
    try {
      await work(run, () => performance.now() < one.heldUntil, ahead);
    } catch (error) {
      // How it ended could not be written: the run is attempted anew.
      log.warn('attempt.lost', { error, runId: run.id });
      // The database is well and only ended this transaction for another one: there is nothing to wait for.
      if (wasRolledBack(error)) await claimed.release([run]).catch(() => broken.add(run));
      else broken.add(run);
    } finally {
      running.delete(one);
      if (isLast) claimingLast.wake();
      claiming.wake();
    }
  }

  function counted(all: LineName[]): Line[] {
    const portals = new Set(all.map(({ memberId }) => memberId)).size;
    const held = slots.ordinary.held();
    const share = portals > 1 ? Math.ceil(held * LARGEST_SHARE) : held;
    const runs = ordinary().map(({ run }) => run);
    return all.map(({ memberId, robot }) => {
      const own = runs.filter((run) => run.memberId === memberId);
      return {
        memberId,
        robot,
        running: own.filter((run) => run.robot === robot).length,
        free: Math.max(0, share - own.length),
        isAhead: stock.has({ memberId, robot }),
      };
    });
  }

  /** Slots may have gone to another process since the runs were claimed: a run without a slot is given back. */
  async function startFitting(
    taken: StoredRun[],
    slotsFree: number,
    isLast: boolean,
    heldUntil: number,
  ): Promise<void> {
    const fit = Math.max(0, slotsFree);
    for (const run of taken.slice(0, fit)) start(run, isLast, heldUntil);
    if (taken.length > fit) await claimed.release(taken.slice(fit));
  }

  /** Begins runs that were read ahead, as many as there are slots for. */
  async function startReady(all: LineName[]): Promise<void> {
    const places = new Map(counted(all).map((line) => [line.memberId, line.free]));
    const ready = stock.take(Math.max(0, free()), (memberId) => places.get(memberId) ?? 0);
    stock.fill();
    if (ready.length === 0) return;
    const heldUntil = performance.now() + leaseMs;
    const held = ready.map(({ run }) => run);
    const begun = new Map((await claimed.begin(held)).map((run) => [run.id, run]));
    const left: StoredRun[] = [];
    for (const { run, ahead } of ready) {
      const own = begun.get(run.id);
      if (own !== undefined && free() > 0) start(own, false, heldUntil, { ahead });
      else left.push(own ?? run);
    }
    if (left.length > 0) await claimed.release(left);
  }

  const claiming = createLoop(async () => {
    const most = free();
    const all = lines();
    if (all.length === 0) return false;
    const beside = running.size - lastCount() - [...running].filter(({ isAhead }) => isAhead).length;
    const own = stock.readyCount() === 0 ? most : Math.ceil(slots.ordinary.held() * BESIDE_A_MASS) - beside;
    const limit = Math.min(most, own);
    const heldUntil = performance.now() + leaseMs;
    const taken = limit > 0 ? await claimed.claim(now(), limit, counted(all)) : [];
    await startFitting(taken, free(), false, heldUntil);
    if (stock.readyCount() > 0) await startReady(all);
    // All slots are taken: what is due besides may be much.
    else if (free() <= 0) stock.fill();
    if (taken.length > 0) setTimeout(claiming.wake, CLAIM_AGAIN_MS).unref();
    return false;
  }, log);

  const claimingLast = createLoop(async () => {
    const most = lastFree();
    const waiting = lines().filter(({ waits }) => waits);
    if (most <= 0 || waiting.length === 0) return false;
    const kept: Line[] = waiting.map(({ memberId, robot }) => ({ memberId, robot, running: 0, free: most }));
    const heldUntil = performance.now() + leaseMs;
    await startFitting(await claimed.claim(now(), most, kept, true), lastFree(), true, heldUntil);
    return false;
  }, log);
  const sharing = createLoop(async () => {
    if (await slots.ordinary.share(() => ordinary().length)) claiming.wake();
    if (await slots.last.share(lastCount)) claimingLast.wake();
    return false;
  }, log);

  const keeping = createLoop(async () => {
    const asked = [...running];
    const stocked = stock.held();
    if (asked.length + stocked.length === 0) return false;
    const heldUntil = performance.now() + leaseMs;
    const kept = await claimed.keep([...asked.map(({ run }) => run), ...stocked]);
    for (const one of asked) if (kept(one.run)) one.heldUntil = heldUntil;
    return false;
  }, log);
  const givingBack = createLoop(async () => {
    const runs = [...broken];
    if (runs.length === 0) return false;
    await claimed.release(runs, new Date(now().getTime() + REST_MS));
    for (const run of runs) broken.delete(run);
    return false;
  }, log);
  const reclaiming = createLoop(async () => {
    if ((await claimed.reclaim(now())) > 0) claiming.wake();
    return false;
  }, log);

  const timers = [
    setInterval(() => {
      sharing.wake();
      reclaiming.wake();
      claiming.wake();
      claimingLast.wake();
      stock.fill();
    }, tickMs),
    setInterval(() => {
      keeping.wake();
      givingBack.wake();
    }, leaseMs / SIGNS_OF_LIFE),
  ];
  sharing.wake();

  return {
    /** Called when runs became due. */
    wake: claiming.wake,
    /** Runs of the portal are begun by the dozen. */
    isBusy: stock.isBusy,
    /** Takes nothing more, lets attempts end, and gives back those that do not. */
    async stop(): Promise<void> {
      for (const timer of timers) clearInterval(timer);
      await Promise.all([claiming.stop(), claimingLast.stop()]);
      await stock.stop();
      const drained = Promise.all([...running].map(({ ended }) => ended));
      await within(DRAIN_MS, drained).catch(() => undefined);
      await Promise.all([keeping.stop(), givingBack.stop(), reclaiming.stop(), sharing.stop()]);
      const left = [...[...running].map(({ run }) => run), ...broken];
      if (left.length > 0) await claimed.release(left).catch(() => undefined);
    },
  };
}
