import type pg from 'pg';

/**
 * Remembers what a run is about to write in Directum, until the line of it is in the journal. An attempt that is repeated
 * after a crash may have less to write; then what the earlier one began counts too.
 */
export async function beginChange(
  pool: pg.Pool,
  runId: string,
  subject: string,
  fields: readonly string[],
): Promise<void> {
  await pool.query(
    `INSERT INTO begun_change AS b (run_id, subject, fields) VALUES ($1, $2, $3)
     ON CONFLICT (run_id, subject) DO UPDATE SET fields = (SELECT coalesce(jsonb_agg(DISTINCT name), '[]')
       FROM jsonb_array_elements(b.fields || excluded.fields) AS name)`,
    [runId, subject, JSON.stringify(fields)],
  );
}

/** A list `begun` of the change of `subject` that a run began, for the statement that writes its line; each is given once. */
export const takenChange = (runId: string, subject: string) =>
  `begun AS (DELETE FROM begun_change WHERE run_id = ${runId} AND subject = ${subject} RETURNING fields)`;
