import { expect, it } from 'vitest';
import { createPatience, LateError, within } from '../../src/runs/patience.ts';

const never = new Promise<never>(() => undefined);
const after = <T>(ms: number, value: T) => new Promise<T>((resolve) => setTimeout(() => resolve(value), ms));

it('gives up on what does not end in time, and on nothing else', async () => {
  const patience = createPatience();
  const began = performance.now();
  const late = patience.wait(began + 60, never);
  const later = patience.wait(began + 200, never);
  const done = patience.wait(began + 150, after(50, 'done'));
  const failed = patience.wait(began + 150, Promise.reject(new Error('no')));
  await expect(failed).rejects.toThrow('no');
  expect(await done).toBe('done');
  await expect(late).rejects.toThrow(LateError);
  expect(performance.now() - began).toBeGreaterThanOrEqual(60);
  await expect(later).rejects.toThrow(LateError);
  expect(performance.now() - began).toBeGreaterThanOrEqual(200);
  // The clock is wound up again after it has stood still.
  await expect(patience.wait(performance.now() + 30, never)).rejects.toThrow(LateError);
});

it('waits for one work as long as it may take', async () => {
  expect(await within(1_000, after(5, 'done'))).toBe('done');
  await expect(within(20, never)).rejects.toThrow(LateError);
});
