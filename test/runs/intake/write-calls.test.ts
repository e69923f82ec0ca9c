import { expect, it } from 'vitest';
import { toDeadline, toNextAttempt, toRunId } from '../../../src/runs/intake/kept-call.ts';
import { createCallWriter } from '../../../src/runs/intake/write-calls.ts';
import type { NewRun } from '../../../src/store/runs/incoming-calls.ts';

const call = (id: string) => ({ id, memberId: 'acme', robot: 'create' }) as NewRun;

/** An intake over a store that knows `old`, cannot hold what is called bad, and writes when it is let. */
function build() {
  const groups: string[][] = [];
  const world = { groups, heard: 0, down: false, gate: Promise.resolve() };
  const intake = createCallWriter(
    {
      accept: async (runs) => {
        groups.push(runs.map(({ id }) => id));
        await world.gate;
        if (world.down) throw new Error('down');
        if (runs.some(({ id }) => id.startsWith('bad')))
          throw Object.assign(new Error('x'), { code: '22P05' });
        return new Set(runs.map(({ id }) => id).filter((id) => id !== 'old'));
      },
    },
    () => {
      world.heard += 1;
    },
  );
  return { world, take: (...ids: string[]) => ids.map((id) => intake.accept(call(id))) };
}

it('writes the calls of one moment together and tells new ones from repeats', async () => {
  const { world, take } = build();
  expect(await Promise.all(take('a', 'b', 'a', 'old', 'c'))).toEqual([true, true, false, false, true]);
  expect(world).toMatchObject({ groups: [['a', 'b', 'old', 'c']], heard: 1 });
  expect(await Promise.all(take('old'))).toEqual([false]);
  expect(world.heard).toBe(1);
});

it('writes together what came while the last write was under way, however much, and a lone call at once', async () => {
  const { world, take } = build();
  const gate = Promise.withResolvers<void>();
  world.gate = gate.promise;
  const first = take('alone');
  await expect.poll(() => world.groups.length).toBe(1);
  const rest = take(...Array.from({ length: 700 }, (_, n) => `c${n}`));
  gate.resolve();
  expect((await Promise.all([...first, ...rest])).every(Boolean)).toBe(true);
  expect(world.groups.map(({ length }) => length)).toEqual([1, 500, 200]);
});

it('a call that the database cannot hold takes no other with it', async () => {
  const { world, take } = build();
  const answers = await Promise.allSettled(take('a', 'bad', 'b', 'old', 'bad', 'c'));
  expect(answers.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.code))).toEqual([
    ...[true, '22P05', true],
    ...[false, '22P05', true],
  ]);
  expect(world.heard).toBe(1);
});

it('fails every call of a group whose write failed, and goes on with the next', async () => {
  const { world, take } = build();
  world.down = true;
  await expect(Promise.allSettled(take('a', 'b'))).resolves.toMatchObject([
    { status: 'rejected' },
    { status: 'rejected' },
  ]);
  world.down = false;
  expect(await Promise.all(take('c'))).toEqual([true]);
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
