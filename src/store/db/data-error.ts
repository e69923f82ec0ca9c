/**
 * The database is well and refuses these very values (SQLSTATE): 22, it cannot hold them; 23, they break a rule of the
 * table; 54, they are longer than an index or a document may be.
 */
export function isDataError(error: unknown): boolean {
  return /^(22|23|54)\w{3}$/.test(String((error as { code?: unknown } | null)?.code));
}

/**
 * Does `work` for a group at once. Where the database refuses a value, the group is halved until the row with it is
 * alone: that one is left out and told of, so that no row takes along those that came with it. `work` must leave nothing
 * behind when it fails, as a transaction does. @throws every other error of `work`
 */
export async function withoutBadRows<T>(
  rows: readonly T[],
  work: (rows: T[]) => Promise<unknown>,
  onRefused: (row: T, error: unknown) => void,
): Promise<void> {
  if (rows.length === 0) return;
  try {
    await work([...rows]);
  } catch (error) {
    // A moment that no calendar has makes our own code throw a RangeError.
    if (!isDataError(error) && !(error instanceof RangeError)) throw error;
    if (rows.length === 1) return onRefused(rows[0] as T, error);
    const half = Math.ceil(rows.length / 2);
    await withoutBadRows(rows.slice(0, half), work, onRefused);
    await withoutBadRows(rows.slice(half), work, onRefused);
  }
}
