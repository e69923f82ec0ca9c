import type { AttemptLocks, HeldLock, LocksPort } from '../../robot/ports/locks.ts';

/** The attempt stood still for so long that another process may work on its run: it may write nothing more. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken';

  constructor() {
    super('the run may be worked on by another process by now');
  }
}

/**
 * The locks of one attempt, which are lost with its right to the run. Time by `performance.now()` goes on while a process
 * stands still, so a process that wakes up knows it at once, without asking.
 */
export function createAttemptLocks(locks: LocksPort, isHeld: () => boolean): AttemptLocks {
  const live = new Set<HeldLock>();
  return {
    hold: (key, work, maxWaitMs) =>
      locks.hold(
        key,
        async (lock) => {
          live.add(lock);
          try {
            return await work(lock);
          } finally {
            live.delete(lock);
          }
        },
        maxWaitMs,
      ),
    check() {
      if (!isHeld() || [...live].some((lock) => !lock.isHeld())) throw new Overtaken();
    },
  };
}
