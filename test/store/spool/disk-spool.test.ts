import { randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSecretKeys } from '../../../src/store/secrets/secrets.ts';
import { openDiskSpool, type Spool, SpoolFull } from '../../../src/store/spool/disk-spool.ts';

const keys = createSecretKeys(new Map([['k1', randomBytes(32)]]));
const events: string[] = [];
const note = (event: string) => void events.push(event);
const log = { debug: note, info: note, warn: note, error: note };
let home: string;
let folder: string;

beforeEach(async () => {
  events.length = 0;
  home = await mkdtemp(join(tmpdir(), 'spool-'));
  folder = join(home, 'spool');
});
afterEach(async () => {
  for (const spool of opened.splice(0)) await spool.close();
  await rm(home, { recursive: true, force: true });
});

const opened: Spool[] = [];

/** Opening anew without closing is what a kill looks like. */
async function open(limits: { maxBytes?: number; maxCalls?: number; segmentBytes?: number } = {}) {
  const spool = await openDiskSpool({ folder, keys, log, ...limits });
  opened.push(spool);
  return spool;
}

async function drained(spool: Spool): Promise<string[]> {
  const all: string[] = [];
  await spool.drain(async (texts) => void all.push(...texts));
  return all;
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `call ${index}`);

it('gives back what it took, in order, over many segments, and is empty then', async () => {
  const spool = await open({ segmentBytes: 200 });
  for (const text of names(20)) await spool.append(text);
  await Promise.all(['a', 'b', 'c'].map((text) => spool.append(text)));
  expect((await readdir(folder)).length).toBeGreaterThan(3);
  expect(spool.waiting()).toBe(23);
  expect(await drained(spool)).toEqual([...names(20), 'a', 'b', 'c']);
  expect([spool.waiting(), await readdir(folder)]).toEqual([0, []]);
  await spool.append('later');
  expect(await drained(spool)).toEqual(['later']);
});

it('holds calls sealed', async () => {
  const spool = await open();
  await spool.append('canary-of-the-call');
  const [name = ''] = await readdir(folder);
  expect(await readFile(join(folder, name), 'latin1')).toMatch(/^v1\.k1\.[^\n]+\n$/);
});

it('is found again after a kill while spooling and while draining, and goes on', async () => {
  const dead = await open({ segmentBytes: 200 });
  for (const text of names(10)) await dead.append(text);
  const seen: string[] = [];
  const broken = dead.drain(async (texts) => {
    if (seen.length > 0) throw new Error('killed');
    seen.push(...texts);
  });
  await expect(broken).rejects.toThrow('killed');

  const spool = await open({ segmentBytes: 200 });
  await spool.append('new');
  expect(spool.waiting()).toBe(11 - seen.length);
  expect([...seen, ...(await drained(spool))]).toEqual([...names(10), 'new']);
});

it('skips a torn last line, loudly', async () => {
  const dead = await open();
  for (const text of names(3)) await dead.append(text);
  const [name = ''] = await readdir(folder);
  const whole = (await readFile(join(folder, name))).length;
  await truncate(join(folder, name), whole - 20);
  const spool = await open();
  expect(spool.waiting()).toBe(2);
  expect(await drained(spool)).toEqual(['call 0', 'call 1']);
  expect(events).toContain('spool.torn_line');
  expect(await readdir(folder)).toEqual([]);
});

it('puts a segment with a line of another key aside instead of losing it', async () => {
  const dead = await open();
  await dead.append('good');
  const [name = ''] = await readdir(folder);
  const other = createSecretKeys(new Map([['k2', randomBytes(32)]]));
  await appendFile(join(folder, name), `${other.encrypt('lost key', 'spool')}\n`);
  await dead.append('good too');
  const spool = await open();
  expect(await drained(spool)).toEqual(['good', 'good too']);
  expect(events).toContain('spool.unreadable_line');
  expect(await readdir(folder)).toEqual([expect.stringMatching(/\.unreadable$/)]);
  expect(spool.waiting()).toBe(0);
});

it('holds no more than it may, and less of those who may fill a part', async () => {
  const spool = await open({ maxCalls: 4 });
  await spool.append('stranger', 0.5);
  await spool.append('stranger', 0.5);
  await expect(spool.append('stranger', 0.5)).rejects.toThrow(SpoolFull);
  expect(await spool.state()).toBe('ok');
  const kept = await Promise.allSettled(['a', 'b', 'c'].map((text) => spool.append(text)));
  expect(kept.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  expect(await spool.state()).toBe('down');
  const reopened = await open({ maxCalls: 4 });
  await expect(reopened.append('d')).rejects.toThrow(SpoolFull);
  expect(await drained(reopened)).toEqual(['stranger', 'stranger', 'a', 'b']);
  await reopened.append('d');
  expect(await reopened.state()).toBe('ok');

  const small = await open({ maxBytes: 2_000 });
  await expect(small.append('x'.repeat(3_000))).rejects.toThrow(SpoolFull);
});

it('keeps nothing, and says so, where the disk refuses; and works when it no longer does', async () => {
  await writeFile(folder, 'a file in the place of the folder');
  const spool = await open();
  expect(await spool.state()).toBe('down');
  await expect(spool.append('a')).rejects.toThrow();
  expect(spool.waiting()).toBe(0);
  await rm(folder);
  await spool.append('b');
  expect(await spool.state()).toBe('ok');
  expect(await drained(spool)).toEqual(['b']);
});

it('loses nothing that is appended while it is drained, by this process or another', async () => {
  const one = await open({ segmentBytes: 2_000 });
  const two = await open({ segmentBytes: 2_000 });
  const seen = new Set<string>();
  const sent = new Set<string>();
  let appending = true;
  const drain = async (spool: Spool) => {
    while (appending) {
      await spool.drain(async (texts) => {
        for (const text of texts) seen.add(text);
      });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const append = async (spool: Spool, name: string) => {
    for (let index = 0; index < 40; index += 1) {
      const texts = [`${name} ${index} a`, `${name} ${index} b`];
      await Promise.all(texts.map((text) => spool.append(text)));
      for (const text of texts) sent.add(text);
    }
  };
  const drains = [drain(one), drain(two)];
  await Promise.all([append(one, 'one'), append(two, 'two')]);
  appending = false;
  await Promise.all(drains);
  for (const text of [...(await drained(one)), ...(await drained(two))]) seen.add(text);
  expect([...sent].filter((text) => !seen.has(text))).toEqual([]);
  await one.drain(async () => undefined);
  expect([one.waiting(), await readdir(folder)]).toEqual([0, []]);
});
