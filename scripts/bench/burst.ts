import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BurstResult, Load } from './load.ts';

const CONNECTIONS = 50;

let load: ChildProcess | null = null;

/** Robot calls, each with an event token of its own, for deals nobody has unless `firstDeal` is given. One burst at a time. */
export async function burst(
  url: string,
  form: Load['form'],
  limit: Load['limit'],
  firstDeal = 1_000_000,
): Promise<BurstResult> {
  load ??= fork(fileURLToPath(new URL('./load.ts', import.meta.url)));
  load.send({ url, form, limit, firstDeal, connections: CONNECTIONS } satisfies Load);
  const over = new AbortController();
  try {
    const [result] = await Promise.race([
      once(load, 'message', over),
      once(load, 'exit', over).then(() => Promise.reject(new Error('the load ended'))),
    ]);
    return result;
  } finally {
    over.abort();
  }
}

/** Ends the process that the bursts came from. */
export function endLoad(): void {
  load?.disconnect();
  load = null;
}
