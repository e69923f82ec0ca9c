import { expect, it } from 'vitest';
import { PROMPT_SECONDS, pauseMs } from '../../../src/lib/work/backoff.ts';

it('grows from five seconds to a quarter of an hour, or to five minutes where a deal stands still', () => {
  const seconds = (ladder?: readonly number[]) =>
    [1, 2, 3, 4, 5, 6, 99].map((n) => pauseMs(n, ladder) / 1000);
  expect(seconds()).toEqual([5, 15, 60, 120, 300, 900, 900]);
  expect(seconds(PROMPT_SECONDS)).toEqual([5, 15, 60, 120, 300, 300, 300]);
});

it('spreads by up to a fifth, and never shortens', () => {
  expect(pauseMs(1, PROMPT_SECONDS, () => 0.5)).toBe(5_500);
  expect(pauseMs(3, undefined, () => 0.999_999)).toBe(72_000);
});
