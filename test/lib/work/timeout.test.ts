import { expect, it } from 'vitest';
import { LateError, within } from '../../../src/lib/work/timeout.ts';

it('waits for a work as long as it may take, and no longer', async () => {
  const after = new Promise((resolve) => setTimeout(() => resolve('done'), 5));
  expect(await within(1_000, after)).toBe('done');
  await expect(within(1_000, Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect(within(20, new Promise<never>(() => undefined))).rejects.toThrow(LateError);
});
