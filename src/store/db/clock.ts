import type pg from 'pg';
import type { Log } from '../../robot/ports/log.ts';
import { DATABASE_MARKS, type Marks, PROCESS_MARKS } from './clock-marks.ts';
import { inTransaction } from './transaction.ts';

/** Clocks of several machines may differ by so much; less is not corrected. */
const TOLERANCE_MS = 2_000;
/** Longer than a process leaves between two checks: after so long no living process has the later clock any more. */
const SILENT_MS = 3_000;

const SEEN = `
  UPDATE clock SET process_at = greatest(process_at, $1), database_at = greatest(database_at, clock_timestamp())
  WHERE process_at <= $2 AND database_at <= clock_timestamp() + make_interval(secs => $3)`;

const AHEAD = `
  SELECT extract(epoch FROM database_at - clock_timestamp())::float * 1000 AS database, clock_timestamp() AS at,
    extract(epoch FROM process_at - $1)::float * 1000 AS process
  FROM clock FOR UPDATE`;

/** Moments in cursors: those of the poll are Directum's own, and one that lies before them only shows again what was seen. */
const CURSORS_BACK = `
  UPDATE feed SET cursor = cursor || (
    SELECT coalesce(jsonb_object_agg(key, to_jsonb((value #>> '{}')::timestamptz - make_interval(secs => $2))), '{}')
    FROM jsonb_each(cursor) WHERE key IN ('documents', 'tasks', 'assignments', 'startedAt') AND jsonb_typeof(value) = 'string'
      AND (value #>> '{}')::timestamptz > $1)
  WHERE name IN ('poll', 'rescan')`;

/**
 * Protects what is due against clocks that are set back. Every process writes its time here. A process that finds a later
 * time, which no living process has any more, knows that the clock was set back by the difference, and moves all coming
 * moments by it. While a process with a later clock lives, moments stay as they are: to that process they are due sooner.
 */
export function createClock({ pool, now, log }: { pool: pg.Pool; now: () => Date; log: Log }) {
  let isBehind = false;

  async function setRight(client: pg.PoolClient): Promise<void> {
    const at = now();
    const { rows } = await client.query<{ database: number; process: number; at: Date }>(AHEAD, [at]);
    const [ahead] = rows;
    if (ahead === undefined) return;
    if (ahead.database > TOLERANCE_MS) {
      // Whether a living process has a later clock is seen by the next checks.
      await moveBack(client, DATABASE_MARKS, ahead.at, ahead.database);
      await client.query('UPDATE clock SET database_at = clock_timestamp()');
      log.warn('clock.set_back', { whose: 'database', seconds: toSeconds(ahead.database) });
    } else if (ahead.process > TOLERANCE_MS && ahead.database > -SILENT_MS) {
      if (!isBehind) log.warn('clock.behind', { seconds: toSeconds(ahead.process) });
      isBehind = true;
    } else if (ahead.process > TOLERANCE_MS) {
      // Days and nights are planned anew by the calendar.
      await client.query(
        `UPDATE feed SET cursor = '{}', due_at = '-infinity', holder = NULL, held_until = NULL WHERE name = 'dates'
        OR (name = 'night' AND cursor -> 'after' = '0' AND due_at > $1)`,
        [at],
      );
      await client.query(CURSORS_BACK, [at, ahead.process / 1000]);
      await moveBack(client, PROCESS_MARKS, at, ahead.process);
      await client.query('UPDATE clock SET process_at = $1, database_at = clock_timestamp()', [at]);
      log.warn('clock.set_back', { whose: 'process', seconds: toSeconds(ahead.process) });
    }
  }

  return {
    /** To be called once a second. */
    async look(): Promise<void> {
      const at = now();
      const { rowCount } = await pool.query(SEEN, [
        at,
        new Date(at.getTime() + TOLERANCE_MS),
        TOLERANCE_MS / 1000,
      ]);
      if (rowCount) isBehind = false;
      else await inTransaction(pool, setRight);
    },
  };
}

async function moveBack(client: pg.PoolClient, all: Marks[], at: Date, ms: number): Promise<void> {
  for (const { table, columns, limit, key, open } of all) {
    const late = columns.map((column) => `${column} > $1`).join(' OR ');
    const moved = [
      ...columns.map((column) => ({ column, since: `t.${column}` })),
      ...(limit === undefined ? [] : [limit]),
    ].map(
      ({ column, since }) =>
        `${column} = t.${column} - CASE WHEN ${since} > $1 THEN make_interval(secs => $2) ELSE '0' END`,
    );
    await client.query(
      `WITH one AS (SELECT ${key.join(', ')} FROM ${table} WHERE (${late})${open ? ` AND ${open}` : ''}
         ORDER BY ${key.join(', ')} FOR NO KEY UPDATE)
       UPDATE ${table} AS t SET ${moved.join(', ')} FROM one WHERE ${key.map((name) => `t.${name} IS NOT DISTINCT FROM one.${name}`).join(' AND ')}`,
      [at, ms / 1000],
    );
  }
}

const toSeconds = (ms: number) => Math.round(ms / 1000);

export type Clock = ReturnType<typeof createClock>;
