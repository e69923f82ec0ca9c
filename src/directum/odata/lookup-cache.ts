/** Answers of Directum that rarely change, kept between runs and processes. */
export interface CachePort {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
}

const MOST = 1_000;

/** Found records kept for a while: in this process, and in the shared cache for the others. */
export interface LookupCache {
  /** The kept value, else what `find` finds; null is not kept, so that a mended directory is seen at once. */
  remember<T>(key: string, ttlMs: number, find: () => Promise<T | null>): Promise<T | null>;
}

/** `prefix` names the stand and the account, because rights decide what is found. */
export function createLookupCache(cache: CachePort, prefix: string, now: () => Date): LookupCache {
  const near = new Map<string, { value: unknown; until: number }>();
  const pending = new Map<string, Promise<unknown>>();

  async function load<T>(key: string, ttlMs: number, find: () => Promise<T | null>): Promise<T | null> {
    const shared = (await cache.get(prefix + key)) as { value: T; until: number } | undefined;
    const leftMs = shared ? shared.until - now().getTime() : 0;
    // More than it was kept for: by a clock that was set back since.
    if (shared && leftMs > 0 && leftMs <= ttlMs) {
      near.set(key, { value: shared.value, until: performance.now() + leftMs });
      return shared.value;
    }
    const value = await find();
    if (value === null) return null;
    near.delete(key);
    near.set(key, { value, until: performance.now() + ttlMs });
    if (near.size > MOST) near.delete(near.keys().next().value as string);
    await cache.set(prefix + key, { value, until: now().getTime() + ttlMs }, ttlMs);
    return value;
  }

  return {
    async remember<T>(key: string, ttlMs: number, find: () => Promise<T | null>) {
      const kept = near.get(key);
      if (kept && kept.until > performance.now()) return kept.value as T;
      near.delete(key);
      const running = pending.get(key) as Promise<T | null> | undefined;
      if (running) return running;
      const loading = load(key, ttlMs, find).finally(() => pending.delete(key));
      pending.set(key, loading);
      return loading;
    },
  };
}
