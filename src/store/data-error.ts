/** The database is well and refuses these very values (SQLSTATE classes 22 and 23). */
export function isDataError(error: unknown): boolean {
  return /^2[23]\w{3}$/.test(String((error as { code?: unknown } | null)?.code));
}
