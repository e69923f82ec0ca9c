/**
 * The database is well and refuses these very values (SQLSTATE): 22, it cannot hold them; 23, they break a rule of the
 * table; 54, they are longer than an index or a document may be.
 */
export function isDataError(error: unknown): boolean {
  return /^(22|23|54)\w{3}$/.test(String((error as { code?: unknown } | null)?.code));
}
