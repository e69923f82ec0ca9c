import type pg from 'pg';

/** Work that puts aside what it cannot process; the `feed` of the metric. */
const QUARANTINES = ['documents', 'rescan', 'dates', 'deals', 'outbox'] as const;
export type QuarantineFeed = (typeof QUARANTINES)[number];

/** Something that could not be processed. */
interface PutAside {
  /** By ids and codes, never by names. */
  key: string;
  /** Of what it is now: with another one it is tried at once. */
  version?: string | null;
  /** What was thrown, or a code that says why. */
  reason: unknown;
}

const DAY_MS = 86_400_000;
/** What is not tried again for so long after its time is not there any more. */
const OVER_MS = 2 * DAY_MS;

/** What could not be processed, so that the rest goes on: it is tried again after a day, or when it has changed. */
export function createQuarantine(pool: pg.Pool) {
  return {
    async put(feed: QuarantineFeed, rows: PutAside[], now: Date): Promise<void> {
      if (rows.length === 0) return;
      const given = rows.map(({ key, version, reason }) => ({ key, version, reason: toReason(reason) }));
      await pool.query('DELETE FROM quarantine WHERE retry_at < $1', [new Date(now.getTime() - OVER_MS)]);
      await pool.query(
        `INSERT INTO quarantine (feed, key, reason, version, since, retry_at)
         SELECT DISTINCT ON (key) $1, key, reason, version, $3, $4 FROM json_to_recordset($2::json) AS g (key text, reason text, version text)
         ORDER BY key
         ON CONFLICT (feed, key) DO UPDATE SET reason = excluded.reason, version = excluded.version, retry_at = excluded.retry_at`,
        [feed, JSON.stringify(given), now, new Date(now.getTime() + DAY_MS)],
      );
    },

    /** Of these rows those that are known here; `isAside`: not to be tried yet. */
    async find(
      feed: QuarantineFeed,
      rows: { key: string; version?: string }[],
      now: Date,
    ): Promise<Map<string, { isAside: boolean }>> {
      if (rows.length === 0) return new Map();
      const found = await pool.query<{ key: string; aside: boolean }>(
        `SELECT quarantine.key, retry_at > $3 AND quarantine.version IS NOT DISTINCT FROM g.version AS aside
         FROM json_to_recordset($2::json) AS g (key text, version text) JOIN quarantine ON feed = $1 AND quarantine.key = g.key`,
        [feed, JSON.stringify(rows), now],
      );
      return new Map(found.rows.map(({ key, aside }) => [key, { isAside: aside }]));
    },

    /** These were processed after all. */
    async release(feed: QuarantineFeed, keys: string[]): Promise<void> {
      if (keys.length === 0) return;
      await pool.query(
        `WITH one AS (SELECT key FROM quarantine WHERE feed = $1 AND key = ANY($2) ORDER BY key FOR UPDATE)
         DELETE FROM quarantine USING one WHERE feed = $1 AND quarantine.key = one.key`,
        [feed, keys],
      );
    },

    /** Everything that is aside, the oldest first. */
    async list(now: Date): Promise<{ feed: QuarantineFeed; key: string; reason: string; since: Date }[]> {
      const { rows } = await pool.query(
        'SELECT feed, key, reason, since FROM quarantine WHERE retry_at >= $1 ORDER BY since, feed, key',
        [new Date(now.getTime() - OVER_MS)],
      );
      return rows;
    },

    /** How many are aside, of each feed. */
    async counts(now: Date): Promise<{ feed: string; count: number }[]> {
      const { rows } = await pool.query<{ feed: string; count: number }>(
        'SELECT feed, count(*)::int AS count FROM quarantine WHERE retry_at >= $1 GROUP BY feed',
        [new Date(now.getTime() - OVER_MS)],
      );
      return QUARANTINES.map((feed) => ({ feed, count: rows.find((row) => row.feed === feed)?.count ?? 0 }));
    },
  };
}

export type Quarantine = ReturnType<typeof createQuarantine>;

/** The code or kind of an error: its message may hold what somebody wrote. */
function toReason(reason: unknown): string {
  if (typeof reason === 'string') return reason;
  const { code, name } = (reason ?? {}) as { code?: unknown; name?: unknown };
  return String(code ?? name ?? 'unknown');
}
