import type { Metadata } from './metadata.ts';
import type { SharedReader } from './shared-reader.ts';
/** Answers of Directum that rarely change, kept between runs and processes. */
export interface CachePort {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttlMs: number): Promise<void>;
}

/** Found records, kept for a while for all processes. */
interface LookupCache {
  /** The kept value, else what `find` finds; null is not kept, so that a corrected directory is seen at once. */
  remember<T>(key: string, ttlMs: number, find: () => Promise<T | null>): Promise<T | null>;
}

/** `prefix` names the installation and the account, because rights decide what is found. */
export function createLookupCache(cache: CachePort, prefix: string, now: () => Date): LookupCache {
  const pending = new Map<string, Promise<unknown>>();

  async function load<T>(key: string, ttlMs: number, find: () => Promise<T | null>): Promise<T | null> {
    // Each key is used by one place only, so what is kept under it has the type that place asks for.
    const kept = (await cache.get(prefix + key)) as { value: T; until: number } | undefined;
    const leftMs = kept ? kept.until - now().getTime() : 0;
    // With more time left than it was kept for, it was kept before the wall clock was set back.
    if (kept && leftMs > 0 && leftMs <= ttlMs) return kept.value;
    const value = await find();
    if (value !== null) await cache.set(prefix + key, { value, until: now().getTime() + ttlMs }, ttlMs);
    return value;
  }

  return {
    async remember<T>(key: string, ttlMs: number, find: () => Promise<T | null>) {
      // One key, one type, as above.
      const running = pending.get(key) as Promise<T | null> | undefined;
      if (running) return running;
      const loading = load(key, ttlMs, find).finally(() => pending.delete(key));
      pending.set(key, loading);
      return loading;
    },
  };
}

/** What every reader of directories needs of one Directum. */
export interface DirectumContext {
  reader: SharedReader;
  metadata: Metadata;
  lookups: LookupCache;
}
