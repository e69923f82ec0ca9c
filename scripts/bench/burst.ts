import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BurstResult, Load } from './load.ts';

export const CONNECTIONS = 50;

/** Robot calls, each with an event token of its own, for deals nobody has unless `firstDeal` is given. */
export async function burst(
  url: string,
  form: Load['form'],
  limit: Load['limit'],
  firstDeal = 1_000_000,
): Promise<BurstResult> {
  const load = fileURLToPath(new URL('./load.ts', import.meta.url));
  const argument = JSON.stringify({ url, form, limit, firstDeal, connections: CONNECTIONS } satisfies Load);
  const { stdout } = await promisify(execFile)(process.execPath, [load, argument]);
  return JSON.parse(stdout);
}
