import { hash, timingSafeEqual } from 'node:crypto';
import { BoundedMap } from '../../lib/bounded-map.ts';
import type { Log } from '../../robot/ports/log.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { PortalMoved } from '../rest/sdk-client.ts';
import { isRecord, isYes, toOrigin } from '../rest/values.ts';
import type { Installations } from './installation.ts';
import { toUserId } from './tokens.ts';

/** What a presented access token turned out to be (bitrix24.md A4). */
export type Proof =
  | { ok: true; origin: string; userId: number | null; finished: boolean; language: string | null }
  /** `not_an_administrator`: everything else is proven, the token is an employee's. */
  | { ok: false; reason: string; passing: boolean };

export interface Prover {
  /** Asks the portal at `origin` (must be listed) who the token belongs to: our application, an administrator. */
  prove(claim: { memberId: string; origin: string | null; accessToken: string | null }): Promise<Proof>;
  /** As `prove`, for an event, which comes once: a portal that cannot answer at the moment is asked again. */
  proveInTime: Prover['prove'];
  /** Pins the application token of an installation that has none, by the sender's own access token. */
  proveAndPin(
    memberId: string,
    accessToken: string | null,
    applicationToken: string | null,
  ): Promise<boolean>;
}

/** A token that was refused is not tried again for a while, and strangers get few tries: a forger must cost us little. */
const REFUSED_FOR_MS = 60_000;
const TRIES_PER_MINUTE = 60;
const REFUSALS_KEPT = 1_000;
const PROOF_PAUSES_MS = [1_000, 3_000];
const EMPLOYEE: Proof = { ok: false, reason: 'not_an_administrator', passing: false };

export function createProver(options: {
  config: { portals: readonly string[]; clientId: string };
  installations: Installations;
  rest: PortalRest;
  log: Log;
}): Prover {
  const { config, installations, rest, log } = options;
  const refused = new BoundedMap<string, number>(REFUSALS_KEPT);
  const employees = new BoundedMap<string, number>(REFUSALS_KEPT);
  const pinning = new Map<string, Promise<boolean>>();
  let window = { from: 0, tries: 0 };

  function refuse(memberId: string, reason: string, passing = false): Proof {
    log.warn('proof.refused', { memberId, reason });
    return { ok: false, reason, passing };
  }

  async function prove(claim: {
    memberId: string;
    origin: string | null;
    accessToken: string | null;
  }): Promise<Proof> {
    const { memberId, origin, accessToken } = claim;
    if (origin === null || !config.portals.includes(origin)) return refuse(memberId, 'portal_not_listed');
    if (!accessToken) return refuse(memberId, 'no_access_token');
    const time = performance.now();
    if (time - window.from > 60_000) window = { from: time, tries: 0 };
    window.tries += 1;
    if (window.tries > TRIES_PER_MINUTE) return refuse(memberId, 'too_many_tries', true);

    const key = toKey(`${memberId} ${origin} ${accessToken}`);
    if ((employees.get(key) ?? 0) > time) return EMPLOYEE;
    const proof = await ask({ memberId, origin, access: accessToken });
    // Only strangers are counted.
    if (proof.ok || proof === EMPLOYEE) window.tries -= 1;
    if (proof === EMPLOYEE) employees.set(key, time + REFUSED_FOR_MS);
    return proof;
  }

  async function ask(target: { memberId: string; origin: string; access: string }): Promise<Proof> {
    const { memberId } = target;
    try {
      const app = await rest.probe(target, 'app.info');
      if (!isRecord(app)) return refuse(memberId, 'not_an_application');
      const code = app['CODE'];
      // A webhook's answer names no application at all.
      if (typeof code !== 'string' && app['ID'] === undefined) return refuse(memberId, 'not_an_application');
      if (typeof code === 'string' && code !== config.clientId)
        return refuse(memberId, 'another_application');
      const member = app['member_id'] ?? app['MEMBER_ID'];
      if (typeof member === 'string' && member !== memberId) return refuse(memberId, 'another_portal');
      const profile = await rest.probe(target, 'profile');
      // Whoever is dismissed gets an empty answer (A2b).
      if (!isRecord(profile) || toUserId(profile['ID']) === null) return refuse(memberId, 'no_such_user');
      if (!(await knownPortalAgrees(target))) return refuse(memberId, 'another_portal');
      if (!isYes(profile['ADMIN'])) {
        log.info('proof.not_an_administrator', { memberId });
        return EMPLOYEE;
      }
      log.info('proof.accepted', { memberId });
      return {
        ok: true,
        origin: target.origin,
        userId: toUserId(profile['ID']),
        finished: isYes(app['INSTALLED']),
        language: typeof app['LANGUAGE_ID'] === 'string' ? app['LANGUAGE_ID'] : null,
      };
    } catch (error) {
      if (error instanceof PortalMoved) return refuse(memberId, 'portal_moved', true);
      if (!(error instanceof PortalError)) throw error;
      return refuse(memberId, error.code || 'refused', error.kind !== 'auth' && error.retry);
    }
  }

  /** A known portal that shows up at another listed address must vouch for it at its stored one (A4, A10). */
  async function knownPortalAgrees(target: {
    memberId: string;
    origin: string;
    access: string;
  }): Promise<boolean> {
    const known = installations.get(target.memberId);
    if (known === undefined || known.origin === target.origin || known.state === 'uninstalled') return true;
    // Its stored address cannot be read.
    if (known.sealed) return true;
    try {
      await rest.probe({ ...target, origin: known.origin }, 'app.info');
      return true;
    } catch (error) {
      return error instanceof PortalMoved && toOrigin(error.location) === target.origin;
    }
  }

  async function pin(memberId: string, accessToken: string | null, token: string): Promise<boolean> {
    const known = installations.get(memberId);
    if (known === undefined) return false;
    const time = performance.now();
    const key = toKey(`${memberId} ${accessToken}`);
    if ((refused.get(key) ?? 0) > time) return false;
    const proof = await prove({ memberId, origin: known.origin, accessToken });
    if (!proof.ok) {
      if (proof.passing)
        throw new PortalError({ code: proof.reason, status: null, kind: 'server', retry: true });
      refused.set(key, time + REFUSED_FOR_MS);
      return false;
    }
    const saved = await installations.update(memberId, (current) =>
      current?.applicationToken === null ? { ...current, applicationToken: token } : current,
    );
    log.info('application_token.pinned', { memberId });
    return isSameSecret(saved?.applicationToken ?? null, token);
  }

  return {
    prove,
    async proveInTime(claim) {
      let proof = await prove(claim);
      for (const pause of PROOF_PAUSES_MS) {
        if (proof.ok || !proof.passing || proof.reason === 'too_many_tries') break;
        await new Promise((resolve) => setTimeout(resolve, pause));
        proof = await prove(claim);
      }
      return proof;
    },
    async proveAndPin(memberId, accessToken, applicationToken) {
      if (!applicationToken) return false;
      // Many first calls at once ask the portal only once for each access token.
      const key = toKey(`${memberId} ${accessToken} ${applicationToken}`);
      const running = pinning.get(key);
      if (running !== undefined) return running;
      const started = pin(memberId, accessToken, applicationToken).finally(() => pinning.delete(key));
      pinning.set(key, started);
      return started;
    },
  };
}

/**
 * Compares secrets in a time that tells nothing but their length, which all portals' tokens have in common; an absent one
 * equals nothing (bitrix24.md A4, I23).
 */
export function isSameSecret(stored: string | null, given: string | null): boolean {
  if (!stored || !given) return false;
  const known = Buffer.from(stored);
  const shown = Buffer.from(given);
  return known.length === shown.length && timingSafeEqual(known, shown);
}

function toKey(text: string): string {
  return hash('sha256', text, 'base64');
}
