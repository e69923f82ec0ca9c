import { type Portal, startPortal } from '../sandbox/portal/portal.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes are read here
export type Json = Record<string, any>;

export interface Caller {
  portal: Portal;
  /** One call with the token of `userId`, the administrator's unless told. */
  rest(method: string, params?: object, userId?: number): Promise<Json>;
  /** Moves the portal's clock. */
  pass(ms: number): void;
}

/** A portal whose application is installed, and calls to it as its people make them. */
export async function openPortal(options: { scopes?: readonly string[] } = {}): Promise<Caller> {
  let clock = Date.parse('2026-11-24T09:00:00Z');
  const portal = await startPortal({
    clientId: 'local.1',
    clientSecret: 'secret',
    now: () => new Date(clock),
    rate: { perSecond: 1000, bucket: 1000 },
    ...options,
  });
  return {
    portal,
    async rest(method, params = {}, userId = 1) {
      const response = await fetch(`${portal.url}/rest/${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...params, auth: portal.tokens(userId).accessToken }),
      });
      return { status: response.status, ...((await response.json()) as Json) };
    },
    pass: (ms) => {
      clock += ms;
    },
  };
}
