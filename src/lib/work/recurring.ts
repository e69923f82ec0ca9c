import type { Log } from '../../robot/ports/log.ts';
import { createLoop } from './loop.ts';

/**
 * Work that each process looks for by itself: each piece is woken once in `tickMs` and, while it answers true, goes on. One
 * after the other: all at once they would want a database connection each, for a question of a millisecond.
 */
export function startRecurring(
  work: Readonly<Record<string, () => Promise<unknown>>>,
  { wakes, tickMs, log }: { wakes: readonly (() => unknown)[]; tickMs: number; log: Log },
) {
  const loops = Object.values(work).map((step) => createLoop(async () => (await step()) === true, log));
  const ticking = [...wakes, ...loops.map(({ wake }) => wake)];
  let turn = 0;
  const timer = setInterval(() => {
    ticking[turn]?.();
    turn = (turn + 1) % ticking.length;
  }, tickMs / ticking.length);
  return {
    async stop(): Promise<void> {
      clearInterval(timer);
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}
