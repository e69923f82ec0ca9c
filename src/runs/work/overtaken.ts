import type { AttemptLocks, HeldLock, LocksPort } from '../../robot/ports/locks.ts';

/** The attempt stood still for so long that another process may be at its run: nothing more of it may be written. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken';

  constructor() {
    super('the run may be worked on by another process by now');
  }
}

/**
 * Claims of one attempt, which end with its right to the run. Time by `performance.now()` goes on while a process stands
 * still, so one that wakes up knows it before it hears from anybody.
 */
export function createAttemptLocks(locks: LocksPort, isHeld: () => boolean): AttemptLocks {
  const live = new Set<HeldLock>();
  return {
    hold: (key, work, maxWaitMs) =>
      locks.hold(
        key,
        async (claim) => {
          live.add(claim);
          try {
            return await work(claim);
          } finally {
            live.delete(claim);
          }
        },
        maxWaitMs,
      ),
    check() {
      if (!isHeld() || [...live].some((claim) => !claim.isHeld())) throw new Overtaken();
    },
  };
}
