import { parseJson } from '../../lib/text.ts';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { Outbound } from '../rest/outbound.ts';
import { errorCode, PortalError, toPortalError } from '../rest/portal-error.ts';
import { isRecord, toOrigin } from '../rest/values.ts';
import type { Installations } from './installation.ts';
import { type TokenPair, toExpiry, toUserId } from './tokens.ts';

interface OAuthConfig {
  oauthServers: readonly string[];
  clientId: string;
  clientSecret: string;
}

export type RefreshResult = 'refreshed' | 'dead' | 'failed';

/** Renews the pair of an installation (bitrix24.md A5, C4). */
export interface TokenKeeper {
  /** The portal refused `failedAccess`; answers the pair to go on with. @throws PortalError */
  renew(memberId: string, failedAccess: string): Promise<TokenPair>;
  /** The pair's user or the application is no longer let in: a spare pair, or the installation is paused. */
  giveUp(memberId: string, failedAccess: string, reason: string): Promise<TokenPair>;
}

/** Codes after which this pair is of no use, though another user's may be. */
const DEAD_PAIR = new Set(['invalid_grant', 'authorization_error', 'expired_token', 'bad_verification_code']);
/** Codes after which no pair of this application will do until a person acts. */
const DEAD_APPLICATION = new Set([
  'invalid_client',
  'wrong_client',
  'NOT_INSTALLED',
  'APPLICATION_NOT_FOUND',
  'PAYMENT_REQUIRED',
  'payment_required',
  'ERROR_OAUTH',
]);
const isFinal = (code: string) => DEAD_PAIR.has(code) || DEAD_APPLICATION.has(code);
const TIMEOUT_MS = 20_000;
/** An answer holds a pair of tokens and little else. */
const MAX_ANSWER_BYTES = 1024 * 1024;
/** A failed renewal is not asked for again at once: the vendor blocks applications that hammer (A5). */
const PAUSE_AFTER_FAILURE_MS = 2_000;

export function createTokenKeeper(options: {
  installations: Installations;
  locks: LocksPort;
  config: OAuthConfig;
  postForm: Outbound['postForm'];
  now: () => Date;
  log: Log;
  timeoutMs?: number | undefined;
  onRefresh?: ((result: RefreshResult) => void) | undefined;
}): TokenKeeper {
  const { installations, locks, config, now, log } = options;
  const running = new Map<string, Promise<TokenPair>>();
  const failures = new Map<string, { error: PortalError; until: number }>();
  /** Renewed pairs the store would not take: the old refresh token is dead, so they must not be lost. */
  const unsaved = new Map<string, { instead: string; pair: TokenPair }>();

  /** Callers that arrive while one is at work share its answer; across processes a lock does the same. */
  function once(memberId: string, failedAccess: string, work: () => Promise<TokenPair>): Promise<TokenPair> {
    const key = `${memberId}:${failedAccess}`;
    const known = running.get(key);
    if (known !== undefined) return known;
    const userId = installations.get(memberId)?.tokens?.userId ?? 0;
    const started = locks.hold(`refresh:${memberId}:${userId}`, work).finally(() => running.delete(key));
    running.set(key, started);
    return started;
  }

  /** The stored pair when it is not the one that failed: somebody else was faster. */
  async function current(
    memberId: string,
    failedAccess: string,
  ): Promise<{ tokens: TokenPair; newer: TokenPair | null }> {
    const installation = await installations.fresh(memberId);
    if (installation?.tokens == null || installation.state !== 'active') {
      throw new PortalError({ code: 'NOT_INSTALLED', status: null, kind: 'auth', retry: true });
    }
    const { tokens } = installation;
    return { tokens, newer: tokens.access === failedAccess ? null : tokens };
  }

  async function renewNow(memberId: string, failedAccess: string): Promise<TokenPair> {
    const { tokens, newer } = await current(memberId, failedAccess);
    if (newer !== null) return newer;
    const kept = unsaved.get(memberId);
    if (kept?.instead === failedAccess) return save(memberId, failedAccess, kept.pair);
    const failure = failures.get(memberId);
    if (failure !== undefined && failure.until > performance.now()) throw failure.error;
    try {
      const pair = await ask(memberId, tokens);
      options.onRefresh?.('refreshed');
      failures.delete(memberId);
      unsaved.set(memberId, { instead: failedAccess, pair });
      return await save(memberId, failedAccess, pair);
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      if (DEAD_PAIR.has(error.code)) {
        options.onRefresh?.('dead');
        return replace(memberId, failedAccess, error.code);
      }
      if (DEAD_APPLICATION.has(error.code)) {
        options.onRefresh?.('dead');
        return pause(memberId, failedAccess, error.code);
      }
      options.onRefresh?.('failed');
      log.warn('token.not_refreshed', { memberId, code: error.code, status: error.status });
      failures.set(memberId, { error, until: performance.now() + PAUSE_AFTER_FAILURE_MS });
      throw error;
    }
  }

  async function save(memberId: string, failedAccess: string, pair: TokenPair): Promise<TokenPair> {
    await installations.update(memberId, (known) =>
      known?.tokens?.access === failedAccess ? { ...known, tokens: pair } : known,
    );
    unsaved.delete(memberId);
    return pair;
  }

  async function replace(memberId: string, failedAccess: string, reason: string): Promise<TokenPair> {
    const saved = await installations.update(memberId, (known) => {
      if (known?.tokens?.access !== failedAccess) return known;
      const spares = Object.entries(known.spares).filter(([, pair]) => pair.access !== failedAccess);
      const [key, spare] = spares.sort(([, a], [, b]) => b.expiresAt.localeCompare(a.expiresAt))[0] ?? [];
      if (spare === undefined) return { ...known, state: 'paused', pausedReason: reason };
      return { ...known, tokens: spare, spares: Object.fromEntries(spares.filter(([name]) => name !== key)) };
    });
    if (saved?.state !== 'active' || saved.tokens === null) return refusePaused(memberId, reason);
    log.warn('token.replaced', { memberId, reason, userId: saved.tokens.userId });
    return saved.tokens;
  }

  async function pause(memberId: string, failedAccess: string, reason: string): Promise<TokenPair> {
    const saved = await installations.update(memberId, (known) =>
      known?.tokens?.access === failedAccess ? { ...known, state: 'paused', pausedReason: reason } : known,
    );
    if (saved?.state === 'active' && saved.tokens !== null) return saved.tokens;
    return refusePaused(memberId, reason);
  }

  function refusePaused(memberId: string, reason: string): never {
    log.error('installation.paused', { memberId, reason });
    // Heals when a person installs again or a call brings a living pair.
    throw new PortalError({ code: reason, status: null, kind: 'auth', retry: true });
  }

  /** Asks the OAuth server that issued the pair, and no server that is not listed. */
  async function ask(memberId: string, tokens: TokenPair): Promise<TokenPair> {
    const servers = tokens.serverOrigin === null ? config.oauthServers : [tokens.serverOrigin];
    let last = new PortalError({ code: 'OAUTH_SERVER_NOT_LISTED', status: null, kind: 'auth', retry: true });
    for (const server of servers) {
      if (!config.oauthServers.includes(server)) continue;
      try {
        return await askServer(server, memberId, tokens);
      } catch (error) {
        if (!(error instanceof PortalError)) throw error;
        // A server that did not issue the pair calls it dead; one that is silent may still have issued it.
        if (last.code === 'OAUTH_SERVER_NOT_LISTED' || isFinal(last.code)) last = error;
      }
    }
    throw last;
  }

  async function askServer(server: string, memberId: string, tokens: TokenPair): Promise<TokenPair> {
    let status: number | null = null;
    let answer: unknown;
    try {
      const form = new URLSearchParams({
        grant_type: 'refresh_token',
        client_id: config.clientId,
        client_secret: config.clientSecret,
        refresh_token: tokens.refresh,
      });
      const signal = AbortSignal.timeout(Math.min(options.timeoutMs ?? TIMEOUT_MS, TIMEOUT_MS));
      const response = await options.postForm(`${server}/oauth/token/`, form, signal);
      status = response.statusCode ?? null;
      answer = parseJson(await readShort(response));
    } catch {
      // The cause may hold the form with our secret, so it is not kept.
      throw new PortalError({
        code: status === null ? 'NETWORK_ERROR' : `HTTP_${status}`,
        status,
        kind: status === null ? 'network' : 'server',
        retry: true,
      });
    }
    const access = isRecord(answer) ? answer['access_token'] : null;
    if (!isRecord(answer) || typeof access !== 'string' || access === '') {
      const fields = isRecord(answer) ? answer : {};
      const refusal = toPortalError({
        code: errorCode(fields['error']),
        status,
        description: fields['error_description'],
      });
      const kind = refusal.kind === 'refused' ? 'auth' : refusal.kind;
      throw new PortalError({ ...refusal, code: refusal.code || 'ERROR_CORE', kind, retry: true });
    }
    if (typeof answer['member_id'] === 'string' && answer['member_id'] !== memberId) {
      throw new PortalError({ code: 'invalid_grant', status, kind: 'auth', retry: true });
    }
    const origin = toOrigin(answer['server_endpoint']);
    return {
      access,
      refresh: typeof answer['refresh_token'] === 'string' ? answer['refresh_token'] : tokens.refresh,
      expiresAt: toExpiry(answer['expires'], answer['expires_in'], now()),
      userId: toUserId(answer['user_id']) ?? tokens.userId,
      serverOrigin: origin !== null && config.oauthServers.includes(origin) ? origin : server,
    };
  }

  return {
    renew: (memberId, failedAccess) => once(memberId, failedAccess, () => renewNow(memberId, failedAccess)),
    giveUp: (memberId, failedAccess, reason) =>
      once(memberId, failedAccess, async () => {
        const { newer } = await current(memberId, failedAccess);
        if (newer !== null) return newer;
        return DEAD_APPLICATION.has(reason)
          ? pause(memberId, failedAccess, reason)
          : replace(memberId, failedAccess, reason);
      }),
  };
}

/** @throws when the text is longer than an answer may be */
async function readShort(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new RangeError('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
