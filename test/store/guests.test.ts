import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openGuests } from '../../src/store/postgres/guests.ts';
import { openFolder } from './bench.ts';

let folder: string;
beforeEach(async () => {
  folder = await openFolder();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The pid of a process that is no more. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid as number;
}

it('of many that wait for the lock of a dead process one at a time gets it', async () => {
  const guests = await openGuests(folder);
  const dead = `${await deadPid()}.1`;
  let inside = 0;
  let most = 0;
  const enter = async (after: number) => {
    for (let turn = 0; turn < after; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    await guests.alone(async () => {
      inside += 1;
      most = Math.max(most, inside);
      await sleep(1);
      inside -= 1;
    });
  };
  for (let round = 0; round < 16; round += 1) {
    await writeFile(join(folder, 'postgres.lock'), dead);
    await Promise.all(Array.from({ length: 12 }, (_, n) => enter(n * (1 + (round % 8)))));
  }
  expect(most).toBe(1);
  expect((await readdir(folder)).filter((name) => name.startsWith('postgres.lock'))).toEqual([]);
}, 60_000);

it('a dead lock is dropped though one that was about to drop it died, too', async () => {
  const guests = await openGuests(folder);
  const [holder, dropper] = [`${await deadPid()}.1`, `${await deadPid()}.1`];
  await writeFile(join(folder, 'postgres.lock'), holder);
  await writeFile(join(folder, `postgres.lock.${holder}.0`), dropper);
  expect(await guests.alone(async () => 'entered')).toBe('entered');
  expect((await readdir(folder)).filter((name) => name.startsWith('postgres.lock'))).toEqual([]);
});
