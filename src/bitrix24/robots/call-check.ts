import { BoundedMap } from '../../lib/bounded-map.ts';
import type { Log } from '../../robot/ports/log.ts';
import { type Installations, isLive, withSpare } from '../auth/installation.ts';
import { isSameSecret, type Prover } from '../auth/proof.ts';
import type { TokenPair } from '../auth/tokens.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { RobotCall } from './robot-call.ts';

/** `unknown`: its portal does not have the application; `forged`: it does not hold the secret of the portal it names. */
type CallResult = 'ok' | 'unknown' | 'forged';

export interface CallCheck {
  /**
   * Is it a call of a portal that has installed the application (bitrix24.md A4)? Without a pinned application token the
   * portal is asked. @throws PortalError with `retry` when it could not be
   */
  check(call: RobotCall): Promise<CallResult>;
  /** The portal vouches for the call, so the token pair that came with it is worth keeping. */
  keepPairOf(call: { memberId: string; eventToken: string }): void;
}

/** A user's pair is kept at most this often: each call brings a new one (bitrix24.md C4). */
const KEEP_EVERY_MS = 600_000;
/** Pairs of calls that are not proven yet; more come with later calls. */
const OFFERS_KEPT = 200;

export function createCallCheck(options: {
  installations: Installations;
  prover: Prover;
  oauthServers: readonly string[];
  log: Log;
}): CallCheck {
  const { installations, prover, oauthServers, log } = options;
  const offered = new BoundedMap<string, TokenPair>(OFFERS_KEPT);
  const keptAt = new Map<string, number>();

  /**
   * The pair of a call brings a paused installation back to life at once, which otherwise could not even ask for the
   * call's proof. On an active one it waits for that proof.
   */
  function offerPair({ memberId, eventToken, tokens: pair }: RobotCall): void {
    if (pair === null || pair.serverOrigin === null || !oauthServers.includes(pair.serverOrigin)) return;
    const known = installations.get(memberId);
    if (known === undefined || known.tokens?.access === pair.access) return;
    if (known.state === 'paused') keepPair(memberId, pair);
    if (known.state !== 'active') return;
    const last = keptAt.get(toUser(memberId, pair)) ?? Number.NEGATIVE_INFINITY;
    if (performance.now() - last >= KEEP_EVERY_MS) offered.set(`${memberId} ${eventToken}`, pair);
  }

  /** Remembers the newest pair of a user. */
  function keepPair(memberId: string, pair: TokenPair): void {
    keptAt.set(toUser(memberId, pair), performance.now());
    installations
      .update(memberId, (current) => {
        if (!isLive(current)) return current;
        if (current.state === 'paused' || current.tokens === null) {
          return { ...current, state: 'active', pausedReason: undefined, tokens: pair };
        }
        return { ...current, spares: withSpare(current.spares, pair) };
      })
      .catch(() => log.warn('token.not_kept', { memberId }));
  }

  return {
    async check(call) {
      const { memberId, applicationToken, tokens } = call;
      const known = installations.get(memberId);
      if (!isLive(known)) return 'unknown';
      // The call waits until the portal is installed anew, for only then it can be checked.
      if (known.sealed) throw new PortalError({ code: 'SEALED', status: null, kind: 'auth', retry: true });
      const genuine =
        known.applicationToken === null
          ? await prover.proveAndPin(memberId, tokens?.access ?? null, applicationToken)
          : isSameSecret(known.applicationToken, applicationToken);
      if (!genuine) return 'forged';
      offerPair(call);
      return 'ok';
    },

    keepPairOf({ memberId, eventToken }) {
      const key = `${memberId} ${eventToken}`;
      const pair = offered.get(key);
      offered.delete(key);
      if (pair !== undefined) keepPair(memberId, pair);
    },
  };
}

const toUser = (memberId: string, { userId }: TokenPair) => `${memberId}:${userId ?? 0}`;
