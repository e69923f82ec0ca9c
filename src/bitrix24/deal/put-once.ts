import type { WriteResult } from '../../documents/ports/deal.ts';
import type { HeldLock } from '../../robot/ports/locks.ts';
import { withAnswers } from '../rest/writes.ts';

/**
 * Writes of which the portal must hold one thing each, though it keeps no key of ours unique. What has an id is updated.
 * The rest is looked for first, because the answer to an earlier attempt may have been lost, and made where it is not
 * there; one process at a time looks and makes.
 */
export async function putOnce<W extends object>(
  writes: readonly W[],
  how: {
    idOf(write: W): number | null;
    /** Null for one that turns out to be gone or not ours: it is looked for, or made. */
    update(known: readonly [write: W, id: number][]): Promise<(WriteResult | null)[]>;
    /** Ids that each write may already have, the likeliest first; or why the portal does not say. */
    find(writes: readonly W[]): Promise<(number[] | WriteResult)[]>;
    make(writes: readonly W[]): Promise<WriteResult[]>;
    locked(work: (lock: HeldLock) => Promise<void>): Promise<void>;
  },
): Promise<WriteResult[]> {
  const results = new Map<W, WriteResult>();
  const open = () => writes.filter((write) => !results.has(write));

  async function update(idOf: (write: W) => number | null | undefined): Promise<number> {
    const known = open().flatMap((write): [W, number][] => {
      const id = idOf(write);
      return id == null ? [] : [[write, id]];
    });
    if (known.length === 0) return 0;
    for (const [[write], result] of withAnswers(known, await how.update(known)))
      if (result !== null) results.set(write, result);
    return known.length;
  }

  await update(how.idOf);
  if (open().length > 0)
    await how.locked(async (lock) => {
      const candidates = new Map<W, number[]>();
      const wanted = open();
      for (const [write, found] of withAnswers(wanted, await how.find(wanted))) {
        if (Array.isArray(found)) candidates.set(write, found);
        else results.set(write, found);
      }
      let round = 0;
      while ((await update((write) => candidates.get(write)?.[round])) > 0) round += 1;
      const missing = open();
      // A process that stood still has lost the lock: what was not there when it looked may have been made by another.
      const made = lock.isHeld() ? await how.make(missing) : missing.map(() => RETRY);
      for (const [write, result] of withAnswers(missing, made)) results.set(write, result);
    });
  // Every write has its result by now.
  return writes.map((write) => results.get(write) as WriteResult);
}

const RETRY: WriteResult = { ok: false, why: 'retry' };
