import { expect, it } from 'vitest';
import { createSettling } from '../../src/runs/settling.ts';
import { quietLog } from '../directum/stand.ts';

/** Settles crowds of a burst that lasts for so many milliseconds; answers when each was settled, from its beginning. */
async function settledAt(burstMs: number, crowds: number): Promise<number[]> {
  let time = 0;
  let runs = 0;
  const at: number[] = [];
  const settling = createSettling({
    burst: () => (time >= burstMs ? 'none' : time < 10_000 ? 'young' : 'long'),
    settle: async () => at.length < crowds && at.push(time) > 0,
    onRuns: () => {
      runs += 1;
    },
    sleep: async (ms) => {
      time += ms;
    },
    log: quietLog,
  });
  settling.wake();
  await expect.poll(() => runs).toBe(crowds);
  await settling.stop();
  return at;
}

it('makes runs of nothing while a burst is young, and of all as soon as it is over', async () => {
  expect(await settledAt(1_000, 3)).toEqual([1_000, 1_000, 1_000]);
});

it('makes runs of four crowds a second of a burst that goes on', async () => {
  expect(await settledAt(20_000, 3)).toEqual([10_250, 10_500, 10_750]);
});

it('makes runs at once where nothing pours in', async () => {
  expect(await settledAt(0, 2)).toEqual([0, 0]);
});
