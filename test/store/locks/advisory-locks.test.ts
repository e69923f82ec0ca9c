import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

const TERMINATE =
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'directum-claims' AND datname = current_database()";

describe('claims', () => {
  it('let one holder in at a time across two processes', async () => {
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await sleep(2);
      inside -= 1;
    };
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => (n % 2 ? one : two).locks.hold('INN 7707083893', work)),
    );
    expect(most).toBe(1);
  }, 20_000);

  it('of different keys do not wait for each other', async () => {
    const gate = Promise.withResolvers<void>();
    const holders = Array.from({ length: 30 }, (_, n) => one.locks.hold(`key ${n}`, () => gate.promise));
    await two.locks.hold('key 30', async () => undefined);
    gate.resolve();
    await Promise.all(holders);
  });

  it('inside a claim need no connection of their own', async () => {
    let done = 0;
    const nested = (n: number) =>
      one.locks.hold(`item ${n}`, () =>
        one.locks.hold('company', async () => {
          done += 1;
        }),
      );
    await Promise.all(Array.from({ length: 40 }, (_, n) => nested(n)));
    expect(done).toBe(40);
    const { rows } = await one.pool.query(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'directum-claims' AND datname = current_database()",
    );
    expect(rows[0].n).toBe(2);
  });

  it('are released when the work fails, whose error comes out', async () => {
    const failing = one.locks.hold('k', async () => {
      throw new Error('refused');
    });
    await expect(failing).rejects.toThrow('refused');
    expect(await two.locks.hold('k', async () => 'next')).toBe('next');
  });

  it('are taken again after their connection was lost, and the work in progress keeps its result', async () => {
    const working = one.locks.hold('lost', async () => {
      await one.pool.query(TERMINATE);
      await sleep(50);
      return 'made';
    });
    expect(await working).toBe('made');
    expect(bench.lines.some((line) => line.event === 'claims.connection_lost')).toBe(true);
    expect(await one.locks.hold('lost', async () => 'again')).toBe('again');
    const { rows } = await one.pool.query(
      "SELECT count(*)::int AS n FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database() AND locktype = 'advisory'",
    );
    expect(rows[0].n).toBe(0);
  });

  it('wait no longer than they have patience, also behind a holder of their own process, and keep the queue', async () => {
    const gate = Promise.withResolvers<void>();
    const order: string[] = [];
    const holding = one.locks.hold('busy', () => gate.promise);
    await expect(one.locks.hold('busy', async () => order.push('impatient'), 50)).rejects.toThrow(
      'claim held elsewhere',
    );
    const next = one.locks.hold('busy', async () => order.push('next'));
    const later = two.locks.hold('busy', async () => order.push('other process'));
    await sleep(50);
    expect(order).toEqual([]);
    gate.resolve();
    await Promise.all([holding, next, later]);
    expect(order.sort()).toEqual(['next', 'other process']);
  });

  it('tell the work when their connection was lost', async () => {
    const seen: boolean[] = [];
    await one.locks.hold('told', async (claim) => {
      seen.push(claim.isHeld());
      await two.pool.query(TERMINATE);
      await expect.poll(() => claim.isHeld()).toBe(false);
    });
    expect(seen).toEqual([true]);
  });
});
