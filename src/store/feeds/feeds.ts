import { randomUUID } from 'node:crypto';
import type pg from 'pg';

/** A step that a process makes. */
interface FeedTurn {
  name: string;
  /** Names this step alone: a process that stood still has another one. */
  holder: string;
  /** As the last step left it; empty at first. */
  cursor: unknown;
}

/** Recurring work, its cursors, and whose turn it is. */
export function createFeeds(pool: pg.Pool) {
  return {
    /** Takes the steps of these feeds that are due and that nobody makes. */
    async take(feeds: { name: string; leaseMs: number }[], now: Date): Promise<FeedTurn[]> {
      if (feeds.length === 0) return [];
      const wanted = feeds.map(({ name, leaseMs }) => ({ name, heldUntil: later(now, leaseMs) }));
      const taken = await pool.query(
        `WITH one AS (SELECT feed.name, g."heldUntil" FROM feed
             JOIN json_to_recordset($1::json) AS g (name text, "heldUntil" timestamptz) ON g.name = feed.name
           WHERE due_at <= $2 AND (held_until IS NULL OR held_until <= $2) ORDER BY feed.name FOR UPDATE OF feed SKIP LOCKED)
         UPDATE feed SET holder = $3, held_until = one."heldUntil" FROM one WHERE feed.name = one.name
         RETURNING feed.name, holder, cursor`,
        [JSON.stringify(wanted), now, randomUUID()],
      );
      return taken.rows;
    },

    /** Feeds that have no row yet are due from now on. */
    async begin(names: string[]): Promise<void> {
      await pool.query(
        'INSERT INTO feed (name) SELECT name FROM unnest($1::text[]) AS name ORDER BY name ON CONFLICT DO NOTHING',
        [names],
      );
    },

    /** The holder goes on with his step. False when it is another's by now. */
    async hold({ name, holder }: FeedTurn, leaseMs: number, now: Date): Promise<boolean> {
      const { rowCount } = await pool.query(
        'UPDATE feed SET held_until = $3 WHERE name = $1 AND holder = $2',
        [name, holder, later(now, leaseMs)],
      );
      return rowCount === 1;
    },

    /** The step is over: where the next one begins, and when. False when it was another's by then, and nothing is changed. */
    async keep({ name, holder }: FeedTurn, cursor: unknown, dueAt: Date): Promise<boolean> {
      const { rowCount } = await pool.query(
        'UPDATE feed SET cursor = $3, due_at = $4, holder = NULL, held_until = NULL WHERE name = $1 AND holder = $2',
        [name, holder, JSON.stringify(cursor), dueAt],
      );
      return rowCount === 1;
    },

    /**
     * A feed begins anew at once, with these parts of its cursor: a step of it that is under way does not count any more.
     */
    async restart(name: string, cursor: object): Promise<void> {
      await pool.query(
        `INSERT INTO feed (name, cursor) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE
         SET cursor = feed.cursor || excluded.cursor, due_at = '-infinity', holder = NULL, held_until = NULL`,
        [name, JSON.stringify(cursor)],
      );
    },

    /** The next steps of feeds are due at once. */
    async hasten(names: string[]): Promise<void> {
      await pool.query(
        `WITH one AS (SELECT name FROM feed WHERE name = ANY($1) ORDER BY name FOR UPDATE)
         UPDATE feed SET due_at = '-infinity' FROM one WHERE feed.name = one.name`,
        [names],
      );
    },
  };
}

export type Feeds = ReturnType<typeof createFeeds>;

const later = (now: Date, ms: number) => new Date(now.getTime() + ms);
