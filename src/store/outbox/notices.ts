import type pg from 'pg';
import { inTransaction } from '../db/transaction.ts';
import { BEFORE, type DueRow, IN_ORDER, isFree, TAKEN, toRows } from './outbox.ts';

/** More notices to one person than this within a minute become one digest (interface.md §5). */
const MOST_A_MINUTE = 5;
const MINUTE_MS = 60_000;
/** A notice waits so long for others, so that what changed together is counted together. */
const GATHER_MS = 5_000;
/** Held while messages are decided: replicas must not count the same notices at the same time. */
const DECIDING = 7_340_512;

/** A notice whose person was found out. */
export interface Addressed extends Pick<DueRow, 'id' | 'takes'> {
  userId: number;
  /** The message, sealed. */
  payload: string;
}

/** The way of notices through the outbox: their person is found out, they are gathered, and leave as messages. */
export function createNotices(pool: pg.Pool) {
  return {
    /** The person of each notice is known, and its message is written. */
    async address(addressed: Addressed[], now: Date): Promise<void> {
      if (addressed.length === 0) return;
      await pool.query(
        `WITH one AS (SELECT outbox.id, g."userId", g.payload FROM outbox
           JOIN json_to_recordset($1::json) AS g (id bigint, takes int, "userId" bigint, payload text) ON outbox.id = g.id
           WHERE state = 'due' AND outbox.takes = g.takes ${IN_ORDER})
         UPDATE outbox SET lane = 'gather', user_id = one."userId", payload = one.payload, due_at = $2, locked_until = NULL,
           attempts = 0, last_error = NULL
         FROM one WHERE outbox.id = one.id`,
        [JSON.stringify(addressed), now],
      );
    },

    /**
     * Takes messages of these portals that are due, each with all its notices. Notices go out singly while their person gets
     * at most five messages a minute; with more they are held until the first of them has waited a minute, and leave
     * together. What was decided stays so when it is sent again.
     */
    async takeMessages(portals: string[], now: Date, lockedUntil: Date, most: number): Promise<DueRow[]> {
      return inTransaction(pool, async (client) => {
        await client.query('SELECT pg_advisory_xact_lock($1)', [DECIDING]);
        await client.query(
          `WITH waiting AS (
             SELECT portal, user_id, count(*) AS notices, min(created_at) AS since, min(id) AS first FROM outbox
             WHERE lane = 'gather' AND state = 'due' AND recipient = ANY($1) GROUP BY portal, user_id),
           counted AS (
             SELECT waiting.*, (SELECT count(DISTINCT message) FROM outbox AS t WHERE t.portal = waiting.portal
               AND t.user_id = waiting.user_id AND t.kind = 'notice' AND t.messaged_at > $3) AS recent FROM waiting),
           ready AS (
             SELECT *, notices > 1 AND notices + recent > $5 AS together FROM counted
             WHERE since <= CASE WHEN notices + recent > $5 THEN $3::timestamptz ELSE $4::timestamptz END),
           one AS (
             SELECT outbox.id, together, first FROM outbox JOIN ready USING (portal, user_id)
             WHERE lane = 'gather' AND state = 'due' AND recipient = ANY($1) ${IN_ORDER})
           UPDATE outbox SET lane = 'message', messaged_at = $2, attempts = 0,
             message = CASE WHEN together THEN 'digest/' || first ELSE outbox.id::text END
           FROM one WHERE outbox.id = one.id`,
          [portals, now, earlier(now, MINUTE_MS), earlier(now, GATHER_MS), MOST_A_MINUTE],
        );
        const { rows } = await client.query(
          `WITH first AS MATERIALIZED (
             SELECT message FROM outbox WHERE state = 'due' AND lane = 'message' AND recipient = ANY($1) AND ${isFree('$2')}
             GROUP BY message ORDER BY min(id) LIMIT $4),
           one AS (SELECT outbox.id, ${BEFORE} FROM outbox
             WHERE state = 'due' AND lane = 'message' AND recipient = ANY($1) AND message IN (SELECT message FROM first) ${IN_ORDER})
           UPDATE outbox SET locked_until = $3, ${TAKEN} FROM one WHERE outbox.id = one.id
           RETURNING outbox.*, one.unsure`,
          [portals, now, lockedUntil, most],
        );
        return toRows(rows);
      });
    },
  };
}

export type Notices = ReturnType<typeof createNotices>;

const earlier = (now: Date, ms: number) => new Date(now.getTime() - ms);
