import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const LIMIT_MS = 2_000;

/**
 * Asks the system to let the processes that this server starts from now on wait for a core, where they would break in
 * upon the service that has just written to them: Linux's SCHED_BATCH. Answers whether it does; a system without that
 * has a slower burst and nothing else.
 */
export async function makeBatchWork(pid: number): Promise<boolean> {
  return promisify(execFile)('chrt', ['-b', '-p', '0', String(pid)], { timeout: LIMIT_MS }).then(
    () => true,
    () => false,
  );
}
