import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDirectumRate } from '../../../src/store/limits/directum-rate.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';

let bench: StoreBench;
let one: Store;
let two: Store;
beforeAll(async () => {
  bench = await storeBench();
  one = await bench.open();
  two = await bench.open();
}, 20_000);
afterAll(() => bench.close());

it('lets two processes together ask three questions a second', async () => {
  const paces = [createDirectumRate(one.asyncCommitPool), createDirectumRate(two.asyncCommitPool)];
  const asked = Array.from({ length: 10 }, async (_, n) => {
    await paces[n % 2]?.take();
    return performance.now();
  });
  const moments = (await Promise.all(asked)).sort((a, b) => a - b);
  for (const [n, moment] of moments.entries())
    expect(moment - (moments[0] as number)).toBeGreaterThan(n * 333 - 100);
});

it('saves nothing up while nobody asks', async () => {
  const pace = createDirectumRate(one.asyncCommitPool);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const began = performance.now();
  for (let n = 0; n < 4; n += 1) await pace.take();
  expect(performance.now() - began).toBeGreaterThan(1_000);
});

it('lets an urgent question pass, and the others wait for it', async () => {
  const pace = createDirectumRate(one.asyncCommitPool);
  await pace.take();
  const began = performance.now();
  for (let n = 0; n < 4; n += 1) await createDirectumRate(two.asyncCommitPool).owe();
  expect(performance.now() - began).toBeLessThan(1_000);
  await pace.take();
  expect(performance.now() - began).toBeGreaterThan(4 * 333);
});

it('does not wait for a clock that was set back', async () => {
  await one.pool.query(`UPDATE watch SET next_question_at = clock_timestamp() + interval '1 hour'`);
  await one.pool.query(`UPDATE clock SET database_at = clock_timestamp() + interval '1 hour'`);
  await one.clock.look();
  const began = performance.now();
  await createDirectumRate(one.asyncCommitPool).take();
  expect(performance.now() - began).toBeLessThan(1_000);
});
