/** A token without a readable expiry is used for this long. */
const UNKNOWN_LIFE_MS = 5 * 60_000;
/** Renewed so long before it expires. */
const EARLY_MS = 60_000;

export interface Tokens {
  /** The current token, fetched when absent or nearly over; one fetch at a time. */
  get(): Promise<string>;
  /** A 401 came for this token: the next `get` fetches another. */
  drop(token: string): void;
}

/** Tokens of `GET …/Integration/token` (directum.md A.3). `fetchToken` asks with the login itself, never with a token. */
export function createTokens(fetchToken: () => Promise<string>, now: () => Date): Tokens {
  let current: { token: string; until: number } | null = null;
  let pending: Promise<string> | null = null;

  async function renew(): Promise<string> {
    const token = await fetchToken();
    const at = now().getTime();
    const expires = expiry(token);
    // A life shorter than the margin is used to half, so that it is not fetched for every request.
    current = {
      token,
      until: expires === null ? at + UNKNOWN_LIFE_MS : Math.max(expires - EARLY_MS, at + (expires - at) / 2),
    };
    return token;
  }

  return {
    get() {
      if (current && current.until > now().getTime()) return Promise.resolve(current.token);
      pending ??= renew().finally(() => {
        pending = null;
      });
      return pending;
    },
    drop(token) {
      if (current?.token === token) current = null;
    },
  };
}

/** `exp` of a JWT in milliseconds; null for an encrypted or foreign token. */
function expiry(token: string): number | null {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const exp = (payload as { exp?: unknown } | null)?.exp;
    return typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 : null;
  } catch {
    return null;
  }
}
