import type { Fields } from './types.ts';
import type { World } from './world.ts';

const LIMIT = 100_000;

export function record(
  world: World,
  method: string,
  params: Fields,
  status: number,
  error: unknown,
  viaBatch: boolean,
): void {
  world.journal.push({
    at: world.now(),
    method,
    params,
    status,
    viaBatch,
    ...(error === undefined ? {} : { error: String(error) }),
  });
  if (world.journal.length > LIMIT) world.journal.splice(0, LIMIT / 2);
}
