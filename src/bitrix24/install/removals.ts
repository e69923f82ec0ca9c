import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { Installation, Installations } from '../auth/installation.ts';
import type { TokenKeeper } from '../auth/oauth.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { PortalMoved } from '../rest/sdk-client.ts';

/** A portal that let the application go: what it leaves behind is to be tidied up. */
export interface Removed {
  memberId: string;
  portalKey: string;
  /** The administrator asked to wipe settings. */
  clean: boolean;
}

/** Finds out whether announced removals are true: anybody who knows the application token can announce one. */
export interface Removals {
  /**
   * Asks about announced removals, each portal on its own. `tidy` may be repeated; the portal is not installed anew
   * before it has ended. Resolves when all were asked about.
   */
  check(tidy: (removed: Removed) => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

/** How long after the event the portal is asked about it; then the event counts as forged (interface.md §2). */
const DOUBT_MS = 600_000;
const LEAST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;
/** The portal's or its OAuth server's word that the application is not installed; no other refusal says so (A5, A6). */
const GONE: ReadonlySet<string | undefined> = new Set([
  'APPLICATION_NOT_FOUND',
  'NOT_INSTALLED',
  'wrong_client',
]);
const RENEW = new Set(['expired_token', 'invalid_token']);

export function createRemovals(options: {
  rest: PortalRest;
  keeper: TokenKeeper;
  installations: Installations;
  locks: LocksPort;
  now: () => Date;
  log: Log;
}): Removals {
  const { rest, keeper, installations, locks, now, log } = options;
  const askedAt = new Map<string, number>();
  const running = new Map<string, Promise<void>>();

  /** What the portal says of the stored tokens. */
  async function isGone({ memberId, origin, tokens, state, pausedReason }: Installation): Promise<boolean> {
    if (state === 'paused' && GONE.has(pausedReason)) return true;
    if (tokens === null) return false;
    try {
      await rest.probe({ memberId, origin, access: tokens.access }, 'app.info');
      return false;
    } catch (error) {
      if (error instanceof PortalMoved) return false;
      if (!(error instanceof PortalError)) throw error;
      if (!RENEW.has(error.code)) return GONE.has(error.code);
    }
    try {
      await keeper.renew(memberId, tokens.access);
      return false;
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      // Its code may be the keeper's own; why the portal is paused since then is not.
      const after = await installations.fresh(memberId);
      return after?.state === 'paused' && GONE.has(after.pausedReason);
    }
  }

  async function look(asked: Installation, tidy: (removed: Removed) => Promise<void>): Promise<void> {
    const { memberId, removal } = asked;
    if (removal === undefined) return;
    if (asked.state === 'uninstalled') return finish(asked, tidy);
    const age = now().getTime() - Date.parse(removal.at);
    if (age > DOUBT_MS) {
      await change(asked, (known) => ({ ...known, removal: undefined }));
      log.warn('removal.not_believed', { memberId });
      return;
    }
    const pause = Math.min(Math.max(age / 4, LEAST_PAUSE_MS), LONGEST_PAUSE_MS);
    if (performance.now() - (askedAt.get(memberId) ?? Number.NEGATIVE_INFINITY) < pause) return;
    askedAt.set(memberId, performance.now());
    if (!(await isGone(asked))) {
      log.info('removal.not_confirmed', { memberId });
      return;
    }
    const dropped = await change(asked, (known) =>
      known.tokens?.access === asked.tokens?.access ? drop(known) : known,
    );
    if (dropped?.state === 'uninstalled') await finish(dropped, tidy);
  }

  /** Changes the installation unless it was installed anew, or announced as removed once more, since it was read. */
  function change(
    { memberId, removal }: Installation,
    how: (known: Installation) => Installation,
  ): Promise<Installation | undefined> {
    return installations.update(memberId, (known) =>
      known?.removal !== undefined && known.removal.at === removal?.at ? how(known) : known,
    );
  }

  async function finish(
    { memberId, origin }: Installation,
    tidy: (removed: Removed) => Promise<void>,
  ): Promise<void> {
    // A new installation takes the same lock first, so what it brings is not tidied up.
    await locks.hold(`portal:${origin}`, async () => {
      const known = await installations.fresh(memberId);
      if (known?.state !== 'uninstalled' || known.removal === undefined) return;
      const { portalKey, removal } = known;
      await tidy({ memberId, portalKey, clean: removal.clean });
      await change(known, (one) => ({ ...one, removal: undefined }));
      log.info('portal.uninstalled', { memberId, clean: removal.clean });
    });
  }

  const stop = async () => void (await Promise.all(running.values()));
  return {
    check(tidy) {
      for (const installation of installations.list()) {
        const { memberId, removal } = installation;
        if (removal === undefined || running.has(memberId)) continue;
        const started = look(installation, tidy)
          .catch((error) => log.warn('removal.failed', { memberId, error }))
          .finally(() => running.delete(memberId));
        running.set(memberId, started);
      }
      return stop();
    },
    stop,
  };
}

function drop(known: Installation): Installation {
  return {
    ...known,
    state: 'uninstalled',
    tokens: null,
    spares: {},
    registered: {},
    registeredAt: undefined,
  };
}
