import { expect, it } from 'vitest';
import { oldRunsFeed } from '../../../src/runs/retention/old-runs.ts';
import type { Stopped } from '../../../src/store/runs/past-runs.ts';
import { passingTime } from '../../passing-time.ts';
import { memoryLog, type StoreBench } from '../../store/bench.ts';

const START = Date.parse('2026-03-02T10:00:00Z');
const HOUR_MS = 3_600_000;
const HERE: Stopped = { endedAt: '2025-01-01', id: 'a' };

/** Old runs that are deleted as `results` say, with the wall clock and the time that passes in hand. */
function bench(results: { deleted: number; stopped: Stopped | null }[]) {
  const passing = passingTime();
  const lines: StoreBench['lines'] = [];
  const asked: { at: number; keepDays: number; from: Stopped | null }[] = [];
  const time = { at: START };
  const feed = oldRunsFeed({
    pastRuns: {
      async deleteEnded(now, days, from) {
        asked.push({ at: now.getTime(), keepDays: days, from });
        return results.shift() ?? { deleted: 0, stopped: null };
      },
    },
    keepDays: 365,
    now: () => new Date(time.at),
    log: memoryLog(lines),
  });
  let cursor: unknown = {};
  /** Answers how long it rests. */
  const step = async () => {
    const next = await feed.step(cursor, async () => undefined);
    cursor = next.cursor;
    return next.dueAt.getTime() - time.at;
  };
  return { step, asked, lines, time, pass: passing.pass };
}

it('makes a step a second while there is more, and then rests for an hour', async () => {
  const { step, asked, lines } = bench([
    { deleted: 200, stopped: HERE },
    { deleted: 7, stopped: null },
  ]);
  expect([await step(), await step()]).toEqual([1_000, HOUR_MS]);
  expect(asked.map(({ from, keepDays }) => ({ from, keepDays }))).toEqual([
    { from: null, keepDays: 365 },
    { from: HERE, keepDays: 365 },
  ]);
  expect(lines).toEqual([{ level: 'info', event: 'runs.deleted', facts: { runs: 207, keepDays: 365 } }]);
  await step();
  expect(asked[2]?.from).toBeNull();
  expect(lines).toHaveLength(1);
});

it('goes by the time that passes when the clock jumps ahead, and by the clock when it is set back', async () => {
  const { step, asked, time, pass } = bench([]);
  time.at += 9_000 * HOUR_MS;
  pass(2 * HOUR_MS);
  await step();
  time.at = START - 5 * HOUR_MS;
  pass(HOUR_MS);
  await step();
  const [ahead = 0, back] = asked.map(({ at }) => at - START);
  expect(ahead).toBeGreaterThanOrEqual(2 * HOUR_MS);
  expect(ahead).toBeLessThan(2.1 * HOUR_MS);
  expect(back).toBe(-5 * HOUR_MS);
});
