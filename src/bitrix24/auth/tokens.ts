import { toOrigin } from '../rest/values.ts';

/** A token pair of one portal user, with the OAuth server that can renew it. */
export interface TokenPair {
  access: string;
  refresh: string;
  /** ISO 8601. Only for choosing the newest: a pair is renewed when the portal refuses it, not by clock (A5). */
  expiresAt: string;
  userId: number | null;
  serverOrigin: string | null;
}

/** The pair in an `auth` block, or null when it holds none (bitrix24.md C4). */
export function parseTokens(auth: Record<string, unknown>, now: Date): TokenPair | null {
  const access = text(auth['access_token']);
  const refresh = text(auth['refresh_token']);
  if (access === null || refresh === null) return null;
  return {
    access,
    refresh,
    expiresAt: toExpiry(auth['expires'], auth['expires_in'], now),
    userId: toUserId(auth['user_id']),
    serverOrigin: toOrigin(auth['server_endpoint']),
  };
}

/** When a pair expires: unix seconds, else a life in seconds, else an hour (A5). */
export function toExpiry(expires: unknown, expiresIn: unknown, now: Date): string {
  const at = number(expires) * 1_000;
  if (at > 0 && at < 8e15) return new Date(at).toISOString();
  const life = number(expiresIn);
  const from = Math.abs(now.getTime()) < 8e15 ? now.getTime() : 0;
  return new Date(from + (life > 0 && life < 1e9 ? life : 3_600) * 1_000).toISOString();
}

/** A positive user id, else null. */
export function toUserId(value: unknown): number | null {
  const id = number(value);
  return Number.isSafeInteger(id) && id > 0 ? id : null;
}

/** `Number` itself throws for some objects. */
function number(value: unknown): number {
  return typeof value === 'string' || typeof value === 'number' ? Number(value) : Number.NaN;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= 4_096 ? value : null;
}
