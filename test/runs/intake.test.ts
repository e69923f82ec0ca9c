import { expect, it, vi } from 'vitest';
import { toDeadline, toNextAttempt, toRunId } from '../../src/runs/call.ts';
import { createIntake } from '../../src/runs/intake.ts';
import type { NewRun } from '../../src/store/incoming-calls.ts';

const call = (id: string, robot = 'create') => ({ id, memberId: 'acme', robot }) as NewRun;
const keepCrowd = async () => undefined;
const unheard = { onRuns: () => undefined, onCrowd: () => undefined };

it('writes the calls of one moment together and tells new ones from repeats', async () => {
  const groups: string[][] = [];
  const known = new Set(['old']);
  const intake = createIntake({
    calls: {
      accept: async (runs) => {
        groups.push(runs.map((run) => run.id));
        return new Set(runs.map((run) => run.id).filter((id) => !known.has(id)));
      },
      keepCrowd,
    },
    ...unheard,
  });
  const answers = await Promise.all(['a', 'b', 'a', 'old', 'c'].map((id) => intake.accept(call(id))));
  expect(groups).toEqual([['a', 'b', 'old', 'c']]);
  expect(answers).toEqual([true, true, false, false, true]);
});

it('keeps a crowd of one robot’s calls together, and the few of another are runs at once', async () => {
  const written: string[] = [];
  const note = (how: string, runs: NewRun[]) =>
    void written.push(`${how} ${runs.length} ${[...new Set(runs.map(({ robot }) => robot))]}`);
  const intake = createIntake({
    calls: {
      accept: async (runs) => {
        note('run', runs);
        return new Set(runs.map(({ id }) => id));
      },
      keepCrowd: async (runs) => note('crowd', runs),
    },
    ...unheard,
  });
  const crowd = Array.from({ length: 20 }, (_, n) => intake.accept(call(`c${n}`)));
  const answers = await Promise.all([...crowd, intake.accept(call('c0')), intake.accept(call('w', 'wait'))]);
  expect(written.sort()).toEqual(['crowd 20 create', 'run 1 wait']);
  expect(answers.filter((fresh) => !fresh)).toHaveLength(1);
  const isCrowded = (robot: string) => intake.isCrowded({ memberId: 'acme', robot });
  expect([isCrowded('create'), isCrowded('wait')]).toEqual([true, false]);
  await new Promise((resolve) => setTimeout(resolve, 350));
  expect(isCrowded('create')).toBe(false);
});

it('waits for half as many calls as it wrote last, and has workers look only for runs that need not rest', async () => {
  // Time stands still while calls come: they alone tell how long is waited, however slow the machine.
  const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
  const sizes: number[] = [];
  const heard: string[] = [];
  const intake = createIntake({
    calls: {
      accept: async (runs) => {
        sizes.push(runs.length);
        return new Set(runs.map(({ id }) => id));
      },
      keepCrowd: async (runs) => void sizes.push(runs.length),
    },
    onRuns: () => heard.push('runs'),
    onCrowd: () => heard.push('crowd'),
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  let number = 0;
  const come = (count: number, robot: string) =>
    Array.from({ length: count }, () => intake.accept(call(`${robot}${number++}`, robot)));
  await Promise.all(come(20, 'create'));
  // As from sockets: calls come one by one, before what waits for the end of the turn.
  const taken: Promise<boolean>[] = [];
  for (let n = 0; n < 16; n++) {
    const next = turn();
    taken.push(...come(1, 'create'));
    await next;
  }
  clock.mockRestore();
  await Promise.all(taken);
  expect({ first: sizes[0], heard: heard.slice(0, 2) }).toEqual({ first: 20, heard: ['crowd', 'crowd'] });
  expect(sizes[1]).toBeGreaterThanOrEqual(10);
  const before = heard.length;
  await Promise.all(come(2, 'create'));
  expect(heard.slice(before)).toEqual([]);
  await Promise.all(come(2, 'wait'));
  expect(heard.slice(before)).toEqual(['runs']);
});

it('knows whether crowds have come without a pause, and for long', async () => {
  let time = 0;
  // A little of it passes with each look, or nobody would ever stop waiting for others.
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
    time += 0.01;
    return time;
  });
  const intake = createIntake({
    calls: { accept: async (runs) => new Set(runs.map(({ id }) => id)), keepCrowd },
    ...unheard,
  });
  const at = async (ms: number, count: number) => {
    time = ms;
    await Promise.all(Array.from({ length: count }, (_, n) => intake.accept(call(`${ms}-${n}`))));
    return intake.burst();
  };
  try {
    expect(await at(1_000, 2)).toBe('none');
    expect([await at(2_000, 20), await at(2_250, 20), await at(2_500, 1)]).toEqual([
      'young',
      'young',
      'young',
    ]);
    expect(await at(2_600, 0)).toBe('none');
    for (let ms = 3_000; ms < 13_000; ms += 250) expect(await at(ms, 20)).toBe('young');
    expect([await at(13_000, 20), await at(13_250, 20)]).toEqual(['long', 'long']);
    expect(await at(14_000, 20)).toBe('young');
  } finally {
    clock.mockRestore();
  }
});

it('keeps nobody waiting for calls that do not come', async () => {
  const intake = createIntake({
    calls: { accept: async (runs) => new Set(runs.map(({ id }) => id)), keepCrowd },
    ...unheard,
  });
  await Promise.all(Array.from({ length: 40 }, (_, n) => intake.accept(call(`c${n}`))));
  expect(await intake.accept(call('alone'))).toBe(true);
});

it('fails every call of a group whose write failed, and goes on with the next', async () => {
  let down = true;
  const intake = createIntake({
    calls: {
      accept: async (runs) => {
        if (down) throw new Error('down');
        return new Set(runs.map((run) => run.id));
      },
      keepCrowd,
    },
    ...unheard,
  });
  await expect(
    Promise.allSettled([intake.accept(call('a')), intake.accept(call('b'))]),
  ).resolves.toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
  down = false;
  await expect(intake.accept(call('c'))).resolves.toBe(true);
});

it('names a run by portal and event token without showing either', () => {
  const id = toRunId('member', 'token');
  expect(id).toMatch(/^[0-9a-f]{24}$/);
  expect(toRunId('member', 'token2')).not.toBe(id);
  expect(toRunId('member2', 'token')).not.toBe(id);
});

it('repeats after 5 s, 15 s, a minute, and never past the deadline', () => {
  const now = new Date('2026-03-02T10:00:00Z');
  const deadline = toDeadline(now, 24, 30);
  expect(deadline.toISOString()).toBe('2026-03-02T10:00:30.000Z');
  expect(toDeadline(now, 1, 0).toISOString()).toBe('2026-03-02T11:00:00.000Z');
  const seconds = (attempts: number) =>
    (toNextAttempt(attempts, now, deadline, () => 0).getTime() - now.getTime()) / 1000;
  expect([0, 1, 2, 9].map(seconds)).toEqual([5, 15, 30, 30]);
});
