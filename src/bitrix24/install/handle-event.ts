import type { Log } from '../../robot/ports/log.ts';
import { type Installation, type Installations, isLive } from '../auth/installation.ts';
import { isSameSecret, type Prover } from '../auth/proof.ts';
import { PortalError } from '../rest/portal-error.ts';
import { type PortalEvent, parseEvent, type RefreshAsked, toRefresh } from './events.ts';
import type { Installer } from './install.ts';

interface EventOutcome {
  result: 'ok' | 'forbidden';
  /** The event says that the application was removed, which the portal has still to confirm. */
  removal?: true;
}

export type HandleEvent = (form: unknown) => Promise<EventOutcome>;

/** ONAPPINSTALL, ONAPPUPDATE, ONAPPUNINSTALL and whatever else is posted to /bitrix24/events (bitrix24.md A3, A4, G). */
export function createEventHandler(options: {
  installer: Installer;
  installations: Installations;
  prover: Prover;
  /** Told of each click on "refresh now" after its proof; the answer to the portal does not wait for it. */
  onRefreshAsked?: ((refresh: RefreshAsked) => void | Promise<void>) | undefined;
  now: () => Date;
  log: Log;
}): HandleEvent {
  const { installer, installations, prover, now, log } = options;

  return async function handleEvent(form) {
    const event = parseEvent(form, now());
    if (event === null) return { result: 'forbidden' };
    if (event.event === 'ONAPPINSTALL') return { result: (await install(event)) ? 'ok' : 'forbidden' };

    const { memberId } = event;
    const known = installations.get(memberId) ?? (await installations.fresh(memberId));
    if (known === undefined || !(await isGenuine(event, known))) {
      log.warn('event.forged', { memberId, event: event.event });
      return { result: 'forbidden' };
    }
    if (event.event === 'ONAPPUPDATE') await update(event, known);
    if (!isLive(known)) return { result: 'ok' };
    const refresh = toRefresh(event);
    if (refresh !== null) {
      Promise.resolve(refresh)
        .then(options.onRefreshAsked)
        .catch((error: unknown) => log.error('refresh.failed', { memberId, error }));
    }
    if (event.event !== 'ONAPPUNINSTALL') return { result: 'ok' };
    await announceRemoval(event);
    return { result: 'ok', removal: true };
  };

  async function install(event: PortalEvent): Promise<boolean> {
    const { memberId, tokens } = event;
    if (installer.isForeign(tokens)) return refuse(memberId, 'oauth_server_not_listed');
    if (tokens === null) {
      // It brings no pair to keep, but its access token may prove the application token of a page installation.
      const known = installations.get(memberId);
      const pins = isLive(known) && known.applicationToken === null && (await isGenuine(event, known));
      return pins || refuse(memberId, 'no_refresh_token');
    }
    const proof = await prover.proveInTime(event);
    if (!proof.ok) return false;
    const language = event.language ?? proof.language ?? 'en';
    await installer.install('event', { ...event, language }, proof);
    return true;
  }

  function refuse(memberId: string, reason: string): false {
    log.warn('installation.refused', { memberId, reason });
    return false;
  }

  /** By its application token; where none is known yet, by the event's own access token, which then pins it. */
  async function isGenuine(event: PortalEvent, known: Installation): Promise<boolean> {
    if (known.applicationToken !== null) return isSameSecret(known.applicationToken, event.applicationToken);
    try {
      return await prover.proveAndPin(event.memberId, event.accessToken, event.applicationToken);
    } catch (error) {
      // The portal could not be asked: an event that proves nothing has no effect.
      if (error instanceof PortalError) return false;
      throw error;
    }
  }

  /**
   * The portal has wiped robots and event handlers: everything again, before any answer leaves (B8). What the event
   * brings is taken only when its token is proven at the stored address: the application token is no proof (A2b).
   */
  async function update(event: PortalEvent, { origin }: Installation): Promise<void> {
    const isTrusted =
      event.tokens !== null &&
      !installer.isForeign(event.tokens) &&
      (await prover.proveInTime({ ...event, origin })).ok;
    const saved = await installations.update(event.memberId, (known) => {
      if (!isLive(known)) return known;
      const wiped = { ...known, registered: {}, registeredAt: undefined };
      if (!isTrusted) return wiped;
      return {
        ...wiped,
        state: 'active' as const,
        pausedReason: undefined,
        tokens: event.tokens,
        // A new version may ask for other rights, and not every portal lists them when asked.
        scopes: event.scopes.length > 0 ? event.scopes : known.scopes,
        removal: undefined,
      };
    });
    log.info('portal.updated', { memberId: event.memberId });
    if (saved?.state === 'active') await installer.setUp(event.memberId);
  }

  async function announceRemoval({ memberId, clean }: PortalEvent): Promise<void> {
    const removal = { at: now().toISOString(), clean };
    await installations.update(memberId, (known) => (isLive(known) ? { ...known, removal } : known));
    log.info('removal.announced', { memberId, clean });
  }
}
