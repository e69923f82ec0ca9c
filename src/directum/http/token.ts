/** A token without a readable expiry is used for this long. */
const UNKNOWN_LIFE_MS = 5 * 60_000;
/** Renewed so long before it expires. */
const EARLY_MS = 60_000;

interface Tokens {
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
    const lifeMs = lifeOf(token, now()) ?? UNKNOWN_LIFE_MS + EARLY_MS;
    // A life shorter than the margin is used to half, so that it is not fetched for every request.
    current = { token, until: performance.now() + Math.max(lifeMs - EARLY_MS, lifeMs / 2) };
    return token;
  }

  return {
    get() {
      if (current && current.until > performance.now()) return Promise.resolve(current.token);
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

/**
 * How long a JWT that has just come is valid, in milliseconds. Both moments are the server's; our clock is used only
 * where the token does not say when it was made. Null for an encrypted token, or when the moments make no sense.
 */
function lifeOf(token: string, now: Date): number | null {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    const { exp, iat }: { exp?: unknown; iat?: unknown } = JSON.parse(payload) ?? {};
    const from = typeof iat === 'number' ? iat * 1000 : now.getTime();
    const lifeMs = Number(exp) * 1000 - from;
    return Number.isFinite(lifeMs) && lifeMs > 0 ? lifeMs : null;
  } catch {
    return null;
  }
}
