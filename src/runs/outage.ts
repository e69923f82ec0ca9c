/** The host of the database is away, starting, going down, or takes no more connections. */
const CODES =
  /^(ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|EPIPE|57P0[123]|53300|08\w{3})$/;
/** What the driver says by words only. */
const WORDS =
  /^(timeout expired|timeout exceeded when trying to connect|Connection terminated|Query read timeout|Client (has encountered|was closed)|the store is closed|claims are closed)/;

/** Did the database not answer, rather than refuse? Anything else is a fault of ours or of the settings. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  return (typeof code === 'string' && CODES.test(code)) || WORDS.test(error.message);
}
