import { BoundedMap } from '../../lib/bounded-map.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { Installations } from '../auth/installation.ts';
import type { TokenKeeper } from '../auth/oauth.ts';
import type { TokenPair } from '../auth/tokens.ts';
import { type BatchAnswer, type BatchCommand, readBatch, toBatchParams } from './batch.ts';
import type { Outbound } from './outbound.ts';
import { PortalError } from './portal-error.ts';
import { createSdkClient, PortalMoved, type SdkClient } from './sdk-client.ts';
import type { Priority, Urgency } from './urgency.ts';
import { toOrigin } from './values.ts';

export type { Priority } from './urgency.ts';

/** How fast a portal may be asked, shared by all processes (bitrix24.md H1). */
export interface PortalRatePort {
  take(memberId: string, priority: Priority | Urgency): Promise<void>;
  /** The portal said QUERY_LIMIT_EXCEEDED although we kept to the rate. */
  penalize?(memberId: string, ms: number): Promise<void>;
}

interface RestOptions {
  priority?: Priority | Urgency;
  /** A token to ask with in place of the installation's, as long as the portal takes it. */
  access?: string | undefined;
}

export interface PortalRest {
  /** One REST hit with the installation's tokens (bitrix24.md F, H). @throws PortalError */
  call(
    memberId: string,
    method: string,
    params: Record<string, unknown>,
    options?: RestOptions,
  ): Promise<unknown>;
  /** Up to 50 commands in one hit, each with its own answer (bitrix24.md H3). @throws PortalError */
  batch(
    memberId: string,
    commands: Record<string, BatchCommand>,
    options?: RestOptions,
  ): Promise<Record<string, BatchAnswer>>;
  /**
   * One call with a token that is not stored, at a listed address: the proof of bitrix24.md A4. Refreshes nothing,
   * follows nothing. @throws PortalError, PortalMoved
   */
  probe(target: { memberId: string; origin: string; access: string }, method: string): Promise<unknown>;
}

export type RequestHook = (facts: { method: string; seconds: number; error?: string }) => void;

/** Refused pairs of one call before it is given up: the installer's and every spare once. */
const MAX_PAIRS = 7;
/** A token that is refused right after its renewal is not renewed for ever: the vendor blocks for that (A5, H4). */
const MAX_RENEWALS = 2;
const MAX_TURNED_AWAY = 2;
/** H2: a method blocked for its operating time stays so for at least ten seconds. */
const BLOCKED_MS = 10_000;
const CLIENTS_KEPT = 200;
const TIMEOUT_MS = 60_000;

/** Codes that say this pair, or the application, is no longer let in (bitrix24.md A6). */
const GIVE_UP = new Set(['authorization_error', 'APPLICATION_NOT_FOUND', 'NOT_INSTALLED', 'wrong_client']);
const RENEW = new Set(['expired_token', 'invalid_token']);

export function createRest(options: {
  installations: Installations;
  keeper: TokenKeeper;
  portalRate: PortalRatePort;
  allowedOrigins: readonly string[];
  agents: Outbound['agents'];
  now: () => Date;
  log: Log;
  timeoutMs?: number | undefined;
  onRequest?: RequestHook | undefined;
}): PortalRest {
  const { installations, keeper, portalRate, agents, log } = options;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const clients = new BoundedMap<string, SdkClient>(CLIENTS_KEPT);
  const blocked = new Map<string, number>();

  function clientOf(memberId: string, origin: string, access: string): SdkClient {
    const known = clients.get(memberId);
    if (known?.origin === origin && known.access === access) return known;
    const made = createSdkClient({ origin, access, timeoutMs, agents });
    clients.set(memberId, made);
    return made;
  }

  /** How long a method is still blocked for its operating time (bitrix24.md H2), or null. */
  function blockOf(memberId: string, method: string): number | null {
    const left = (blocked.get(`${memberId} ${method}`) ?? 0) - performance.now();
    return left > 0 ? left : null;
  }

  function block(memberId: string, method: string, ms: number = BLOCKED_MS): void {
    log.warn('portal.method_blocked', { memberId, method, seconds: Math.ceil(ms / 1_000) });
    blocked.set(`${memberId} ${method}`, performance.now() + ms);
  }

  /**
   * One request, with its rate limit and metric. It is repeated only when the portal turned it away because there were
   * too many, after the growing pause of H4: nothing was done for it.
   */
  async function hit(
    client: SdkClient,
    rateKey: string,
    method: string,
    params: Record<string, unknown>,
    priority: Priority | Urgency,
    turnedAway = 0,
  ): Promise<unknown> {
    const left = blockOf(rateKey, method);
    if (left !== null) throw stillBlocked(method, left);
    await portalRate.take(rateKey, priority);
    const started = performance.now();
    const seconds = () => (performance.now() - started) / 1_000;
    try {
      const result = await client.call(method, params);
      options.onRequest?.({ method, seconds: seconds() });
      return result;
    } catch (error) {
      const code = error instanceof PortalError ? error.code : 'MOVED';
      options.onRequest?.({ method, seconds: seconds(), error: code });
      if (error instanceof PortalError && error.kind === 'operating')
        block(rateKey, method, error.retryAfterMs);
      if (error instanceof PortalError && error.kind === 'limit') {
        log.warn('portal.limited', { memberId: rateKey, method, code });
        await portalRate.penalize?.(rateKey, (error.retryAfterMs ?? 1_000) * 2 ** turnedAway);
        if (error.retry && turnedAway < MAX_TURNED_AWAY)
          return hit(client, rateKey, method, params, priority, turnedAway + 1);
      }
      throw error;
    }
  }

  async function call(
    memberId: string,
    method: string,
    params: Record<string, unknown>,
    callOptions: RestOptions = {},
  ): Promise<unknown> {
    const priority = callOptions.priority ?? 'run';
    const refused = new Set<string>();
    let renewals = 0;
    let { origin, tokens } = active(memberId);
    let { access } = callOptions;
    for (let moved = 0; ; ) {
      try {
        const client =
          access === undefined
            ? clientOf(memberId, origin, tokens.access)
            : createSdkClient({ origin, access, timeoutMs, agents });
        return await hit(client, memberId, method, params, priority);
      } catch (error) {
        if (error instanceof PortalMoved) {
          moved += 1;
          origin = await follow(memberId, origin, error, moved);
          continue;
        }
        if (!(error instanceof PortalError)) throw error;
        if (access !== undefined && (RENEW.has(error.code) || GIVE_UP.has(error.code))) {
          // It lives an hour at most (bitrix24.md C4); the installation's goes on.
          access = undefined;
          continue;
        }
        const failed = tokens.access;
        if (refused.has(failed) || refused.size >= MAX_PAIRS) throw error;
        if (RENEW.has(error.code)) {
          renewals += 1;
          if (renewals > MAX_RENEWALS) throw error;
          tokens = await keeper.renew(memberId, failed);
        } else if (GIVE_UP.has(error.code)) tokens = await keeper.giveUp(memberId, failed, error.code);
        else throw error;
        refused.add(failed);
      }
    }
  }

  function active(memberId: string): { origin: string; tokens: TokenPair } {
    const installation = installations.get(memberId);
    if (installation?.state !== 'active' || installation.tokens === null) {
      const code = installation?.state === 'paused' ? 'PAUSED' : 'NOT_INSTALLED';
      throw new PortalError({ code, status: null, kind: 'auth', retry: installation?.state === 'paused' });
    }
    return { origin: installation.origin, tokens: installation.tokens };
  }

  /** The portal's new address, once it is listed; the same POST is then sent there (bitrix24.md A10). */
  async function follow(memberId: string, from: string, moved: PortalMoved, times: number): Promise<string> {
    const target = toOrigin(URL.parse(moved.location, from)?.href);
    if (target === null || target === from || times > 2 || !options.allowedOrigins.includes(target)) {
      log.error('portal.moved_elsewhere', { memberId });
      throw new PortalError({ code: 'MOVED_TO_UNLISTED_ADDRESS', status: 302, kind: 'network', retry: true });
    }
    await installations.update(memberId, (known) => known && { ...known, origin: target });
    log.info('portal.address_changed', { memberId });
    return target;
  }

  return {
    call,
    async batch(memberId, commands, batchOptions) {
      const all = Object.entries(commands);
      const free = all.filter(([, { method }]) => blockOf(memberId, method) === null);
      const keys = free.map(([key]) => key);
      const answers =
        free.length === 0
          ? {}
          : readBatch(
              keys,
              await call(memberId, 'batch', toBatchParams(Object.fromEntries(free)), batchOptions),
              options.now(),
            );
      for (const [key, { method }] of all) {
        const answer = answers[key];
        if (answer === undefined)
          answers[key] = { ...BLOCKED, ok: false, retryAfterMs: Math.ceil(blockOf(memberId, method) ?? 1) };
        else if (!answer.ok && answer.kind === 'operating') block(memberId, method, answer.retryAfterMs);
      }
      return answers;
    },
    async probe({ memberId, origin, access }, method) {
      // Strangers must not fill the table of rates with names that they make up.
      const rateKey = installations.get(memberId) === undefined ? `probe:${origin}` : memberId;
      const client = createSdkClient({ origin, access, timeoutMs: Math.min(timeoutMs, 20_000), agents });
      return hit(client, rateKey, method, {}, 'run');
    },
  };
}

const BLOCKED = {
  error: 'OPERATION_TIME_LIMIT',
  description: '',
  kind: 'operating',
  retry: true,
} as const;

function stillBlocked(method: string, retryAfterMs: number): PortalError {
  const { error: code, kind, retry } = BLOCKED;
  return new PortalError({ code, kind, retry, status: null, retryAfterMs: Math.ceil(retryAfterMs), method });
}
