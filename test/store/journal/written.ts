import type pg from 'pg';

/** Lines of the journal in the order of their writing, each as one list: type, item, document, actor, data. */
export async function written(pool: Pick<pg.Pool, 'query'>, condition = 'true') {
  const { rows } = await pool.query(
    `SELECT type, item_code, document_id, actor, data FROM journal WHERE ${condition} ORDER BY id`,
  );
  return rows.map((row) => [
    row.type as string,
    row.item_code as string | null,
    row.document_id === null ? null : Number(row.document_id),
    row.actor as string,
    row.data as Record<string, unknown>,
  ]);
}
