import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BurstResult, Load } from './load.ts';

const CONNECTIONS = 50;

let load: ChildProcess | null = null;

/** Sends these calls of one robot, each once: `rate` a second, or as fast as they are answered. One burst at a time. */
export async function burst(
  url: string,
  calls: Record<string, string>[],
  rate: number | null = null,
): Promise<BurstResult> {
  load ??= fork(fileURLToPath(new URL('./load.ts', import.meta.url)));
  const path = `/bitrix24/robots/${calls[0]?.['code']}`;
  const bodies = calls.map((form) => new URLSearchParams(form).toString());
  load.send({ url, path, bodies, rate, connections: CONNECTIONS } satisfies Load);
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
