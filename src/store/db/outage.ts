/**
 * What PostgreSQL says when it is not the statement that is at fault (SQLSTATE, its classes by their first two signs):
 * the same statement may well succeed later.
 */
const STATES = [
  // 08, connection exception: the connection is gone, or a pooler has none to give.
  /^08\w{3}$/,
  // Read only: after a failover the connection leads to the server that stands by now.
  /^25006$/,
  // A time limit of the server ended a transaction that stood still, or took too long: our process was frozen.
  /^25P0[34]$/,
  // 40, transaction rollback: two were in each other's way, or it is unknown whether it was committed.
  /^40\w{3}$/,
  // 53, insufficient resources: disk, memory or connections ran out.
  /^53\w{3}$/,
  // Somebody else holds the lock for longer than the server lets wait.
  /^55P03$/,
  // 57, operator intervention: shut down, restarted, cancelled, ended for standing still, dropped.
  /^57\w{3}$/,
  // 58, system error: the disk under the database failed.
  /^58\w{3}$/,
];
/**
 * The server turned a connection away: 28, invalid authorization, and a database that is not there. At the start it is a
 * wrong setting. Where connections were made before, somebody has just changed a password or moved the database.
 */
const TURNED_AWAY = /^(28\w{3}|3D000)$/;
/** What the network says: nobody listens, the way is broken, the name is not known now. */
const NETWORK =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN|EPIPE)$/;
/** Messages of the driver, which have no code. */
const WORDS =
  /^(timeout expired|timeout exceeded when trying to connect|Connection terminated|Query read timeout|Client (has encountered|was closed)|the store is closed|locks are closed|claim held elsewhere)/;

/** Two transactions were in each other's way and the database, being well, ended this one (SQLSTATE class 40). */
export function wasRolledBack(error: unknown): boolean {
  return /^40\w{3}$/.test(codeOf(error));
}

/** The database knows neither these credentials nor this database. */
export function wasTurnedAway(error: unknown): boolean {
  return TURNED_AWAY.test(codeOf(error));
}

/**
 * Did the database not answer, rather than refuse the statement? Anything else is a fault of ours or of the values; also a
 * damaged database (XX), which waiting does not mend.
 */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  return (
    STATES.some((state) => state.test(code)) ||
    wasTurnedAway(error) ||
    NETWORK.test(code) ||
    isSocketAway(error) ||
    WORDS.test(error.message)
  );
}

/** The socket's file is only there while the server is. */
function isSocketAway(error: Error): boolean {
  return codeOf(error) === 'ENOENT' && 'syscall' in error && error.syscall === 'connect';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
