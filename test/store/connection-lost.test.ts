import { afterAll, beforeAll, expect, it } from 'vitest';
import { type StoreBench, storeBench } from './bench.ts';

let bench: StoreBench;
beforeAll(async () => {
  bench = await storeBench();
});
afterAll(() => bench.close());

it('a connection that dies between two queries of its user fails the second, and nothing else', async () => {
  const store = await bench.open();
  const unheard: unknown[] = [];
  const hear = (error: unknown) => void unheard.push(error);
  process.on('uncaughtException', hear);
  try {
    for (const pool of [store.pool, store.asyncCommitPool]) {
      const client = await pool.connect();
      const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
      await store.pool.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await expect(client.query('SELECT 1')).rejects.toThrow();
      client.release(new Error('dead'));
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    }
    const order: string[] = [];
    await store.locks.hold('key', async () => {
      await store.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'directum-claims' AND datname = current_database()`,
      );
      await new Promise((resolve) => setTimeout(resolve, 100));
      order.push('held');
    });
    await store.locks.hold('key', async () => void order.push('held again'));
    expect(order).toEqual(['held', 'held again']);
    expect(unheard).toEqual([]);
  } finally {
    process.off('uncaughtException', hear);
  }
});
