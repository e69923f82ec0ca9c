import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import type { Log } from '../../robot/ports/log.ts';
import type { ContentSeal } from './content-seal.ts';

const MOST_IN_MEMORY = 1_000;
/** Another process may replace an entry, so the copy in memory is used no longer than this. */
const MEMORY_MS = 60_000;
const SWEEP_MS = 3_600_000;

/**
 * Cache in the database with the latest entries in memory. Losing it costs time, not data: while the database is
 * away it is an empty cache and says so in the log. Keys may hold what somebody is called, so the database gets their hashes.
 */
export function createCache(options: { pool: Pool; content: ContentSeal; log: Log; now: () => Date }) {
  const { pool, content, log, now } = options;
  // It counts time by performance.now(), which nobody sets back; every look reads that clock anew.
  const memory = new LRUCache<string, { value: unknown }>({ max: MOST_IN_MEMORY, ttlResolution: 0 });
  let sweptAt = Number.NEGATIVE_INFINITY;

  function remember(key: string, value: unknown, leftMs: number): void {
    // For lru-cache a time of zero means for ever.
    if (leftMs > 0) memory.set(key, { value }, { ttl: Math.min(leftMs, MEMORY_MS) });
    else memory.delete(key);
  }

  async function sweep(): Promise<void> {
    if (performance.now() - sweptAt < SWEEP_MS) return;
    sweptAt = performance.now();
    await pool.query('DELETE FROM cache_entry WHERE expires_at <= $1', [now()]);
  }

  return {
    async get(key: string): Promise<unknown> {
      const near = memory.get(key);
      if (near) return near.value;
      try {
        const { rows } = await pool.query(
          'SELECT value, expires_at FROM cache_entry WHERE key = $1 AND expires_at > $2',
          [toHash(key), now()],
        );
        if (rows.length === 0) return undefined;
        const value = content.open('cache_entry.value', rows[0].value);
        if (value === null) return undefined;
        remember(key, value, rows[0].expires_at.getTime() - now().getTime());
        return value;
      } catch (error) {
        log.warn('cache.unavailable', { reason: String(error) });
        return undefined;
      }
    },

    /** `value` is what JSON can hold. */
    async set(key: string, value: unknown, ttlMs: number): Promise<void> {
      remember(key, value, ttlMs);
      try {
        await pool.query(
          `INSERT INTO cache_entry (key, value, expires_at) VALUES ($1, $2, $3)
           ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`,
          [toHash(key), content.toColumn('cache_entry.value', value), new Date(now().getTime() + ttlMs)],
        );
        await sweep();
      } catch (error) {
        log.warn('cache.unavailable', { reason: String(error) });
      }
    },
  };
}

const toHash = (key: string) => createHash('sha256').update(key).digest('base64url');

export type Cache = ReturnType<typeof createCache>;
