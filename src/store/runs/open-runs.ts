import type pg from 'pg';

/** The first due run of each portal's robot. Steps from one line of the queue to the next, however long they are. */
const LINES = `
  line AS (
    (SELECT member_id, robot, next_at FROM run WHERE state = 'accepted' ORDER BY member_id, robot, next_at LIMIT 1)
    UNION ALL SELECT next.* FROM line CROSS JOIN LATERAL (
      SELECT member_id, robot, next_at FROM run WHERE state = 'accepted' AND (member_id, robot) > (line.member_id, line.robot)
      ORDER BY member_id, robot, next_at LIMIT 1) AS next)`;

/** Portals with open runs. */
const OPEN = `
  open AS (
    (SELECT member_id FROM run WHERE state <> 'ended' ORDER BY member_id LIMIT 1)
    UNION ALL SELECT next.* FROM open CROSS JOIN LATERAL (
      SELECT member_id FROM run WHERE state <> 'ended' AND member_id > open.member_id ORDER BY member_id LIMIT 1) AS next)`;

/** What is open and waits for an answer, in all portals; read from indexes of open rows, however many have ended. */
export function createOpenRuns(pool: pg.Pool) {
  return {
    /** Portals of open runs and of answers that are still to be sent. */
    async members(): Promise<string[]> {
      const { rows } = await pool.query<{ member: string }>(
        `WITH RECURSIVE ${OPEN}, told AS (
           (SELECT lane, recipient FROM outbox WHERE state = 'due' AND lane = 'first' ORDER BY recipient LIMIT 1)
           UNION ALL (SELECT lane, recipient FROM outbox WHERE state = 'due' AND lane = 'second' ORDER BY recipient LIMIT 1)
           UNION ALL SELECT next.* FROM told CROSS JOIN LATERAL (
             SELECT lane, recipient FROM outbox WHERE state = 'due' AND lane = told.lane AND recipient > told.recipient
             ORDER BY recipient LIMIT 1) AS next)
         SELECT member_id AS member FROM open UNION SELECT recipient FROM told`,
      );
      return rows.map(({ member }) => member);
    },

    /** Portals' robots with runs that were due before a moment and are not taken up. */
    async linesDue(before: Date): Promise<{ memberId: string; robot: string }[]> {
      const { rows } = await pool.query<{ memberId: string; robot: string }>(
        `WITH RECURSIVE ${LINES} SELECT member_id AS "memberId", robot FROM line WHERE next_at <= $1`,
        [before],
      );
      return rows;
    },

    /** What the gauges of /metrics show. */
    async measure(
      now: Date,
    ): Promise<{ queueAgeSeconds: number; answersPending: number; oldestUnansweredSeconds: number }> {
      const { rows } = await pool.query(
        `WITH RECURSIVE ${LINES}, ${OPEN},
           unanswered AS (SELECT first.received_at AS at FROM open CROSS JOIN LATERAL (
             SELECT received_at FROM run WHERE run.member_id = open.member_id AND state <> 'ended' AND state <> 'waiting' AND wants_answer
               AND NOT EXISTS (SELECT 1 FROM wait WHERE wait.run_id = run.id) ORDER BY received_at LIMIT 1) AS first)
         SELECT coalesce(extract(epoch FROM $1 - (SELECT min(next_at) FROM line WHERE next_at <= $1)), 0)::float AS queue_age,
           (SELECT count(*) FROM outbox WHERE state = 'due' AND lane = 'first')::int AS pending,
           coalesce(extract(epoch FROM $1 - least((SELECT min(at) FROM unanswered),
             (SELECT min(r.received_at) FROM outbox o JOIN run r ON r.id = o.run_id WHERE o.state = 'due' AND o.lane = 'first'))), 0)::float AS oldest`,
        [now],
      );
      return {
        queueAgeSeconds: rows[0].queue_age,
        answersPending: rows[0].pending,
        oldestUnansweredSeconds: rows[0].oldest,
      };
    },
  };
}

export type OpenRuns = ReturnType<typeof createOpenRuns>;
