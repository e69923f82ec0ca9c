import type { Log } from '../robot/ports.ts';
import { createLoop } from './loop.ts';

/** While calls pour in, a crowd of them becomes runs no oftener than this: the portal's queue must not wait for us. */
const PAUSE_MS = 250;
/** And none at first: what comes in so long is minutes of work, and a burst that ends sooner has the machine to itself. */
const ONLY_TAKING_MS = 10_000;

export interface SettlingPorts {
  /** For how many milliseconds crowds have come one after the other; null when none comes. */
  pouringFor(): number | null;
  /** Makes runs of one crowd; answers whether there was one. */
  settle(): Promise<boolean>;
  onRuns(): void;
  sleep(ms: number): Promise<unknown>;
  log: Log;
}

/** Makes runs of the crowds that were kept, as soon as the burst they came in leaves time for that. */
export function createSettling({ pouringFor, settle, onRuns, sleep, log }: SettlingPorts) {
  return createLoop(async () => {
    const pouring = pouringFor();
    if (pouring !== null) await sleep(PAUSE_MS);
    if (pouring !== null && pouring < ONLY_TAKING_MS) return true;
    const settled = await settle();
    if (settled) onRuns();
    return settled;
  }, log);
}
