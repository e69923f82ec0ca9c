import { expect } from 'vitest';
import type { Store } from '../../src/store/store.ts';

/** Until so many wait for a lock. */
export async function blocked(store: Store, count: number): Promise<void> {
  const sql =
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
  await expect.poll(async () => (await store.pool.query(sql)).rows[0].n).toBe(count);
}

/** Works while somebody holds the row that `sql` takes; he takes more by `query`, and waits for nobody for long. */
export async function holding(
  store: Store,
  sql: string,
  work: (query: (sql: string) => Promise<{ rowCount: number | null }>) => Promise<void>,
): Promise<void> {
  const held = await store.pool.connect();
  try {
    await held.query('BEGIN');
    await held.query('SET LOCAL lock_timeout = 300');
    expect((await held.query(sql)).rowCount).toBe(1);
    await work((more) => held.query(more));
    await held.query('COMMIT');
  } finally {
    held.release(true);
  }
}
