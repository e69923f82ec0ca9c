/** The host of the database is away, starting, going down, or out of resources, or two transactions were in each other's way. */
const CODES =
  /^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE|57P0[123]|53\w{3}|40\w{3}|08\w{3})$/;
/** What the driver says by words only. */
const WORDS =
  /^(timeout expired|timeout exceeded when trying to connect|Connection terminated|Query read timeout|Client (has encountered|was closed)|the store is closed|claims are closed|claim held elsewhere)/;

/** Two transactions were in each other's way and the database, being well, ended this one (SQLSTATE class 40). */
export function wasRolledBack(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^40\w{3}$/.test(String(error.code));
}

/** Did the database not answer, rather than refuse? Anything else is a fault of ours or of the settings. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  return (typeof code === 'string' && CODES.test(code)) || WORDS.test(error.message);
}
