import { readFileSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ToldError } from '../db/told-error.ts';

const LOCK_WAIT_MS = 90_000;
const LOCK_STEP_MS = 50;

/**
 * Who of this machine uses the embedded server: one file per live user in `postgres-guests`. The last to leave
 * stops the server, so a script never stops it under the service and a killed process is not waited for.
 */
interface Guests {
  enter(): Promise<{ leave(): Promise<void> }>;
  /** Live users; files of dead ones are deleted. */
  count(): Promise<number>;
  /** Start and stop one at a time across processes. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

let sequence = 0;

export async function openGuests(dataDir: string): Promise<Guests> {
  const folder = join(dataDir, 'postgres-guests');
  const lock = join(dataDir, 'postgres.lock');
  await mkdir(folder, { recursive: true });

  return {
    async enter() {
      sequence += 1;
      const path = join(folder, `${me()}-${sequence}`);
      await (await open(path, 'w')).close();
      return { leave: () => rm(path, { force: true }) };
    },

    async count() {
      let live = 0;
      for (const name of await readdir(folder)) {
        if (isLive(name)) live += 1;
        else await rm(join(folder, name), { force: true });
      }
      return live;
    },

    async alone(work) {
      await takeLock(lock);
      try {
        return await work();
      } finally {
        await rm(lock, { force: true });
      }
    },
  };
}

async function takeLock(path: string): Promise<void> {
  const until = performance.now() + LOCK_WAIT_MS;
  let seen = { name: '', at: 0 };
  for (;;) {
    if (await makeFile(path)) return;
    const name = await nameOf(path);
    if (name !== seen.name) seen = { name, at: performance.now() };
    // An empty lock is being written just now; if it stays empty, its writer died.
    const isStuck = performance.now() - seen.at > LOCK_WAIT_MS;
    if (name.startsWith(EMPTY) ? isStuck : !isLive(name)) await dropLock(path, name, isStuck);
    else if (performance.now() > until)
      throw new ToldError({
        en: `DATA_DIR: another process (${name}) is starting or stopping PostgreSQL: ${path}`,
        ru: `DATA_DIR: другой процесс (${name}) запускает или останавливает PostgreSQL: ${path}`,
      });
    await new Promise((resolve) => setTimeout(resolve, LOCK_STEP_MS));
  }
}

/**
 * Deletes a lock whose holder is dead. Of the processes that see this only one may do it: a second one would delete a lock
 * that was taken since. The right to it is a file named after that lock; when its owner dies the next process takes over.
 */
async function dropLock(path: string, lock: string, isStuck: boolean): Promise<void> {
  const rights: string[] = [];
  for (;;) {
    const right = `${path}.${lock}.${rights.length}`;
    rights.push(right);
    if (await makeFile(right)) break;
    const owner = await readFile(right, 'utf8').catch(() => '');
    if (owner ? isLive(owner) : !isStuck) return;
  }
  if ((await nameOf(path)) === lock) await rm(path, { force: true });
  for (const right of rights) await rm(right, { force: true });
}

/** Makes a file in which this process stands; false when there is one. */
async function makeFile(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o644);
    await file.writeFile(me());
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

const EMPTY = 'empty';

/** Tells one taking of the lock from another: a dead process has taken it once. */
async function nameOf(path: string): Promise<string> {
  const holder = await readFile(path, 'utf8').catch(() => '');
  if (holder) return holder;
  const found = await stat(path).catch(() => null);
  return `${EMPTY}-${found?.ino ?? 0}-${found?.mtimeMs ?? 0}`;
}

/** `pid.start`: a container gives the same pid to the next life of the service, the start time differs. */
function me(): string {
  return `${process.pid}.${startOf(process.pid)}`;
}

function isLive(name: string): boolean {
  const [, pid, start] = /^(\d+)\.(\d+)/.exec(name) ?? [];
  return pid !== undefined && isProcessLive(Number(pid)) && startOf(Number(pid)) === start;
}

export function isProcessLive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Start of a process in clock ticks since boot; '0' where the system has no /proc. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold spaces; field 22 is the 20th after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
  } catch {
    return '0';
  }
}
