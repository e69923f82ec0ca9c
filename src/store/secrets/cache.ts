import type { Pool } from 'pg';
import type { Log } from '../../robot/ports/log.ts';

const MOST_ENTRIES = 500;
/** Another process may delete or replace an entry; so long at most the copy in memory answers. */
const MEMORY_MS = 60_000;
const SWEEP_MS = 3_600_000;

/**
 * Cache in the database with the latest entries in memory. Losing it costs time, not truth: when the database is
 * away it is an empty cache and says so in the log.
 */
export function createCache(options: { pool: Pool; log: Log; now: () => Date }) {
  const { pool, log, now } = options;
  const memory = new Map<string, { value: unknown; until: number }>();
  let sweptAt = Number.NEGATIVE_INFINITY;

  function remember(key: string, value: unknown, leftMs: number): void {
    memory.delete(key);
    memory.set(key, { value, until: performance.now() + Math.min(leftMs, MEMORY_MS) });
    // A Map keeps the order of insertion: the first is the one unused for longest.
    if (memory.size > MOST_ENTRIES) memory.delete(memory.keys().next().value!);
  }

  async function sweep(): Promise<void> {
    if (performance.now() - sweptAt < SWEEP_MS) return;
    sweptAt = performance.now();
    await pool.query('DELETE FROM cache_entry WHERE expires_at <= $1', [now()]);
  }

  return {
    async get(key: string): Promise<unknown> {
      const near = memory.get(key);
      if (near && near.until > performance.now()) {
        memory.delete(key);
        memory.set(key, near);
        return near.value;
      }
      memory.delete(key);
      try {
        const { rows } = await pool.query(
          'SELECT value, expires_at FROM cache_entry WHERE key = $1 AND expires_at > $2',
          [key, now()],
        );
        if (rows.length === 0) return undefined;
        remember(key, rows[0].value, rows[0].expires_at.getTime() - now().getTime());
        return rows[0].value;
      } catch (error) {
        log.warn('cache.unavailable', { reason: String(error) });
        return undefined;
      }
    },

    async set(key: string, value: unknown, ttlMs: number): Promise<void> {
      const text = JSON.stringify(value);
      if (text === undefined) return this.delete(key);
      remember(key, value, ttlMs);
      try {
        await pool.query(
          `INSERT INTO cache_entry (key, value, expires_at) VALUES ($1, $2, $3)
           ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`,
          [key, text, new Date(now().getTime() + ttlMs)],
        );
        await sweep();
      } catch (error) {
        log.warn('cache.unavailable', { reason: String(error) });
      }
    },

    async delete(key: string): Promise<void> {
      memory.delete(key);
      await pool.query('DELETE FROM cache_entry WHERE key = $1', [key]);
    },
  };
}

export type Cache = ReturnType<typeof createCache>;
