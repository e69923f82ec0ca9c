import { afterEach, expect, it } from 'vitest';
import { type Check, createCallIntake } from '../../../src/runs/intake/call-intake.ts';
import { createCallWriter } from '../../../src/runs/intake/write-calls.ts';
import type { NewRun } from '../../../src/store/runs/incoming-calls.ts';

interface Call {
  memberId: string;
  id: string;
}

const call = (id: string, memberId = 'member') => ({ id, memberId });
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A database, a spool and a portal in memory, each with its own troubles. */
function build() {
  const world = {
    written: [] as string[],
    lines: [] as string[],
    events: [] as string[],
    handled: [] as string[],
    database: 'ok' as 'ok' | 'down' | 'slow',
    diskFull: false,
    check: (_call: Call): Check => 'ok',
    time: new Date('2026-03-02T10:00:00Z'),
  };
  const note = (event: string) => void world.events.push(event);
  const answer = async () => {
    if (world.database === 'down') throw new Error('down');
    if (world.database === 'slow') await new Promise((resolve) => setTimeout(resolve, 1_200));
  };
  const calls = {
    async accept(group: NewRun[]) {
      await answer();
      if (group.some(({ id }) => id.includes('poison')))
        throw Object.assign(new Error('bad'), { code: '22P05' });
      const fresh = group.map(({ id }) => id).filter((id) => !world.written.includes(id));
      world.written.push(...fresh);
      return new Set(fresh);
    },
  };
  const callIntake = createCallIntake<Call>({
    writer: createCallWriter(calls, () => undefined),
    calls,
    spool: {
      async append(text) {
        if (world.diskFull) throw new Error('no space');
        world.lines.push(text);
      },
      waiting: () => world.lines.length,
      state: async () => 'ok',
      async drain(handle) {
        const texts = [...world.lines];
        if (texts.length > 0) await handle(texts);
        world.lines.splice(0, texts.length);
      },
      close: async () => undefined,
    },
    check: async (given) => world.check(given),
    reload: answer,
    toRun: (given, receivedAt) => ({ id: given.id, receivedAt, deadlineAt: receivedAt }) as NewRun,
    handleEvent: async (form) => {
      await answer();
      world.handled.push(`${form} after ${world.written.length}`);
      return form === 'forged' ? 'forbidden' : 'ok';
    },
    maxHours: 24,
    onAccepted: () => undefined,
    now: () => world.time,
    log: { debug: note, info: note, warn: note, error: note },
  });
  callIntake.start();
  stops.push(callIntake.stop);
  return { world, ...callIntake };
}

it('spools while the database refuses, and writes in order when it is back', async () => {
  const { world, take } = build();
  world.database = 'down';
  for (const id of ['a', 'b', 'c']) expect(await take(call(id))).toBe('accepted');
  expect(world.written).toEqual([]);
  world.database = 'ok';
  await expect.poll(() => world.written).toEqual(['a', 'b', 'c']);
  expect(world.lines).toEqual([]);
  expect(await take(call('a'))).toBe('repeated');
});

it('waits for the slow database when the disk is full, rather than saying no to a call that gets there', async () => {
  const { world, take } = build();
  await expect.poll(() => world.events.length).toBe(0);
  world.diskFull = true;
  world.database = 'slow';
  expect(await take(call('a'))).toBe('accepted');
  world.database = 'down';
  expect(await take(call('b'))).toBe('unavailable');
  expect(world.written).toEqual(['a']);
});

it('tells a person that the database is away only when it is, not when it is slow', async () => {
  const { world, isDatabaseThere } = build();
  // The first look of the service is over.
  await new Promise((resolve) => setImmediate(resolve));
  world.database = 'slow';
  expect(await isDatabaseThere()).toBe(true);
  world.database = 'down';
  expect(await isDatabaseThere()).toBe(false);
});

it('writes the others when the database cannot hold one call', async () => {
  const { world, take } = build();
  const answers = await Promise.allSettled(['a', 'poison', 'b'].map((id) => take(call(id))));
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  world.database = 'down';
  for (const id of ['c', 'poison 2', 'd']) await take(call(id));
  world.database = 'ok';
  await expect.poll(() => world.lines).toEqual([]);
  expect(world.written).toEqual(['a', 'b', 'c', 'd']);
  expect(world.events).toContain('spool.call_refused');
});

it('checks what it could not check before anything is done, and holds nobody else up with it', async () => {
  const { world, take } = build();
  let asked = 0;
  const silent = (given: Call): Check => {
    if (given.memberId === 'silent') asked += 1;
    if (given.memberId === 'silent') throw new Error('the portal does not answer');
    return given.id === 'forged' ? 'forged' : 'ok';
  };
  world.check = () => {
    throw new Error('not now');
  };
  for (const id of ['1', '2']) expect(await take(call(id, 'silent'))).toBe('accepted');
  for (const id of ['forged', 'good']) expect(await take(call(id))).toBe('accepted');
  world.check = silent;
  await expect.poll(() => world.written, { timeout: 8_000 }).toEqual(['good']);
  expect(world.lines).toHaveLength(2);
  expect(asked).toBe(1);
  expect(world.events).toContain('spool.call_dropped');
  world.time = new Date('2026-03-03T11:00:00Z');
  await expect.poll(() => world.lines, { timeout: 8_000 }).toEqual([]);
  expect(world.written).toEqual(['good']);
}, 20_000);

it('keeps events that come while the database is away, and handles each in its turn', async () => {
  const { world, take, takeEvent } = build();
  expect(await takeEvent('update')).toBe('ok');
  expect(await takeEvent('forged')).toBe('forbidden');
  world.database = 'down';
  expect(await take(call('a'))).toBe('accepted');
  expect(await takeEvent('removal')).toBe('ok');
  expect(await take(call('b'))).toBe('accepted');
  expect(await takeEvent('forged')).toBe('ok');
  world.database = 'ok';
  await expect.poll(() => world.written).toEqual(['a', 'b']);
  expect(world.handled).toEqual(['update after 0', 'forged after 0', 'removal after 1', 'forged after 2']);
  expect(world.events).toContain('spool.event_dropped');
  world.database = 'down';
  world.diskFull = true;
  expect(await takeEvent('removal')).toBe('unavailable');
});
