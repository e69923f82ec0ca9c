import { RestError } from './wire.ts';
import type { World } from './world.ts';

const LIMIT_S = 420;
const MINUTE_MS = 60_000;
const BUCKETS = 10;
/** Shorter calls are not counted (bitrix24.md H2). */
const SHORTEST_S = 0.1;

const counted = (world: World, method: string) =>
  (world.operated.get(method) ?? []).filter(
    ({ minute }) => minute > Math.floor(world.now().getTime() / MINUTE_MS) - BUCKETS,
  );

/** Seconds of operating time a method used in the last ten minutes, or what the test set. */
export const operatingOf = (world: World, method: string): number =>
  world.misbehave.operating.get(method) ??
  counted(world, method).reduce((sum, { seconds }) => sum + seconds, 0);

/** Seconds until the oldest minute drops out. */
export function secondsToReset(world: World, method: string): number {
  const oldest = counted(world, method)[0];
  if (oldest === undefined) return BUCKETS * 60;
  return Math.ceil(((oldest.minute + BUCKETS) * MINUTE_MS - world.now().getTime()) / 1000);
}

/** Refuses a method that has used its time up; else takes what a call of it costs. */
export function operate(world: World, method: string): void {
  if (operatingOf(world, method) >= LIMIT_S) {
    throw new RestError(429, 'OPERATION_TIME_LIMIT', 'Method is blocked due to operation time limit.');
  }
  const seconds = world.misbehave.operatingCost.get(method) ?? 0;
  if (seconds < SHORTEST_S) return;
  const minute = Math.floor(world.now().getTime() / MINUTE_MS);
  const buckets = counted(world, method);
  const last = buckets.at(-1);
  if (last?.minute === minute) last.seconds += seconds;
  else buckets.push({ minute, seconds });
  world.operated.set(method, buckets);
}
