import type { Log } from '../robot/ports.ts';
import type { Burst } from './intake.ts';
import { createLoop } from './loop.ts';

/** While calls pour in, a crowd of them becomes runs no oftener than this: the portal's queue must not wait for us. */
const PAUSE_MS = 250;

export interface SettlingPorts {
  /** None is made while a burst is young. */
  burst(): Burst;
  /** Makes runs of one crowd; answers whether there was one. */
  settle(): Promise<boolean>;
  onRuns(): void;
  sleep(ms: number): Promise<unknown>;
  log: Log;
}

/** Makes runs of the crowds that were kept, as soon as the burst they came in leaves time for that. */
export function createSettling({ burst, settle, onRuns, sleep, log }: SettlingPorts) {
  return createLoop(async () => {
    const seen = burst();
    if (seen !== 'none') await sleep(PAUSE_MS);
    if (seen === 'young') return true;
    const settled = await settle();
    if (settled) onRuns();
    return settled;
  }, log);
}
