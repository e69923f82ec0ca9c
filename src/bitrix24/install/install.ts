import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import { type Installation, type Installations, isLive, isReady } from '../auth/installation.ts';
import { isSameSecret, type Proof, type Prover } from '../auth/proof.ts';
import type { TokenPair } from '../auth/tokens.ts';
import type { RobotRegistration } from '../registration/registration.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { isRecord, toLanguage, toText } from '../rest/values.ts';
import { type PortalEvent, parseEvent, parsePage, type RefreshAsked, toRefresh } from './events.ts';
import { renderCalmPage, renderInstallPage, renderRefusal } from './install-page.ts';
import { runInstallSteps, type StepsResult } from './install-steps.ts';

export interface InstallerConfig {
  /** Origins that may install; nothing is ever sent to another. */
  portals: readonly string[];
  oauthServers: readonly string[];
  clientId: string;
  clientSecret: string;
  publicUrl: string;
}

export interface EventOutcome {
  result: 'ok' | 'forbidden';
  /** Upper-cased name of the event that was accepted. */
  event?: string;
  memberId?: string;
  /** Set when the event says that the application was removed, which is still to be believed. */
  removal?: true;
  /** Set when somebody clicked "refresh now" on a document's activity. */
  refresh?: RefreshAsked;
}

export interface Installer {
  /** ONAPPINSTALL of a script-only application, or any later one (bitrix24.md A3, A4). */
  installByEvent(form: unknown): Promise<{ ok: true; memberId: string } | { ok: false; reason: string }>;
  /** The installer page in the portal's frame (bitrix24.md A1, A2). */
  openPage(query: unknown, body: unknown): Promise<{ status: number; html: string }>;
  /** ONAPPUPDATE, ONAPPUNINSTALL and whatever else is posted to /bitrix24/events (bitrix24.md A3, G). */
  handleEvent(form: unknown): Promise<EventOutcome>;
  proveAndPin: Prover['proveAndPin'];
}

interface Arrival {
  memberId: string;
  origin: string;
  tokens: TokenPair | null;
  applicationToken: string | null;
  scopes: string[];
  language: string;
}

export function createInstaller(options: {
  config: InstallerConfig;
  installations: Installations;
  prover: Prover;
  rest: PortalRest;
  robots: (language: string) => readonly RobotRegistration[];
  locks: LocksPort;
  /** What an employee who opens the application is told of Directum. */
  isDirectumDown: () => boolean;
  /** Told of each click on "refresh now" after its proof; the answer to the portal does not wait for it. */
  onRefreshAsked?: ((refresh: RefreshAsked) => void | Promise<void>) | undefined;
  now: () => Date;
  log: Log;
}): Installer {
  const { config, installations, prover, log } = options;

  /** Stores what a proof has shown; the first installation of an origin gives the key for all later ones. */
  function store(arrival: Arrival, proof: Proof & { ok: true }): Promise<Installation | undefined> {
    const { memberId, origin } = arrival;
    return options.locks.hold(`portal:${origin}`, async () => {
      await installations.load();
      const first = installations
        .list()
        .find((known) => known.origin === origin && known.memberId !== memberId);
      return installations.update(memberId, (known) => {
        const fresh = known === undefined || known.state === 'uninstalled' || !proof.finished;
        // The pair must be renewable by us, so its user is the one the proof has named.
        const tokens = arrival.tokens && { ...arrival.tokens, userId: arrival.tokens.userId ?? proof.userId };
        return {
          memberId,
          origin,
          portalKey: known?.portalKey ?? first?.portalKey ?? memberId,
          // A new installation has a new application token: an old one would lock its calls out.
          applicationToken: arrival.applicationToken ?? (fresh ? null : known.applicationToken),
          state: 'active',
          language: arrival.language,
          scopes: arrival.scopes.length > 0 ? arrival.scopes : (known?.scopes ?? []),
          installerUserId: proof.userId ?? tokens?.userId ?? null,
          tokens: tokens ?? known?.tokens ?? null,
          spares: known?.spares ?? {},
          // The portal may have dropped robots since (B8): until the list is read again nothing is known.
          registered: known?.registered ?? {},
          fields: known?.fields,
          methods: known?.methods,
          provesCalls: known?.provesCalls,
          version: known?.version ?? 0,
        };
      });
    });
  }

  function steps(memberId: string): Promise<StepsResult> {
    return options.locks.hold(`registration:${memberId}`, () =>
      runInstallSteps({ ...options, memberId, publicUrl: config.publicUrl }),
    );
  }

  function refusedServer(tokens: TokenPair | null): boolean {
    return tokens?.serverOrigin != null && !config.oauthServers.includes(tokens.serverOrigin);
  }

  async function installByEvent(
    form: unknown,
  ): Promise<{ ok: true; memberId: string } | { ok: false; reason: string }> {
    const event = parseEvent(form, options.now());
    if (event?.event !== 'ONAPPINSTALL') return { ok: false, reason: 'unreadable' };
    return install(event);
  }

  async function install(
    event: PortalEvent,
  ): Promise<{ ok: true; memberId: string } | { ok: false; reason: string }> {
    const { memberId, origin, tokens } = event;
    if (refusedServer(tokens)) return refuse(memberId, 'oauth_server_not_listed');
    if (tokens === null) {
      // It brings no pair to keep, but its access token may prove the application token of a page installation.
      const known = installations.get(memberId);
      const pins = isLive(known) && known.applicationToken === null && (await isGenuine(event, known));
      return pins ? { ok: true, memberId } : refuse(memberId, 'no_refresh_token');
    }
    const proof = await prover.proveInTime(event);
    if (!proof.ok) return proof;
    const language = event.language ?? proof.language ?? 'en';
    await store({ ...event, origin: origin as string, language }, proof);
    log.info('portal.installed', { memberId, by: 'event' });
    await steps(memberId);
    return { ok: true, memberId };
  }

  function refuse(memberId: string, reason: string): { ok: false; reason: string } {
    log.warn('installation.refused', { memberId, reason });
    return { ok: false, reason };
  }

  async function openPage(query: unknown, body: unknown): Promise<{ status: number; html: string }> {
    const page = parsePage(query, body, options.now());
    const asked = page?.language ?? (isRecord(query) ? toText(query['LANG']) : null);
    const language = toLanguage(asked ?? 'en');
    const known = page === null ? undefined : installations.get(page.memberId);
    const refused = (reason: string) => ({
      status: 403,
      html: renderRefusal(language, reason, known !== undefined),
    });
    if (page === null) return refused('unreadable');
    if (refusedServer(page.tokens)) return refused('oauth_server_not_listed');
    const proof = await prover.prove(page);
    if (!proof.ok) {
      if (proof.reason !== 'not_an_administrator' || !isLive(known)) return refused(proof.reason);
      const health = { portal: isReady(known), directum: !options.isDirectumDown() };
      return { status: 200, html: renderCalmPage(language, health) };
    }
    if (page.tokens === null) return refused('no_refresh_token');
    await store({ ...page, origin: page.origin as string, language: proof.language ?? page.language }, proof);
    log.info('portal.installed', { memberId: page.memberId, by: 'page' });
    const { failures, missingScopes, notes } = await steps(page.memberId);
    const html = renderInstallPage({
      language,
      failures: failures.map((failure) => failure[language]),
      missingScopes,
      notes: notes.map((note) => note[language]),
      finished: proof.finished,
      again: isLive(known) && proof.finished,
      directumAway: options.isDirectumDown(),
    });
    return { status: 200, html };
  }

  /** Constant-time; an installation without a token is pinned by the event's own access token. */
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

  async function handleEvent(form: unknown): Promise<EventOutcome> {
    const event = parseEvent(form, options.now());
    if (event === null) return { result: 'forbidden' };
    const { memberId } = event;
    if (event.event === 'ONAPPINSTALL') {
      const { ok } = await install(event);
      return ok ? { result: 'ok', event: event.event, memberId } : { result: 'forbidden' };
    }
    const known = installations.get(memberId) ?? (await installations.fresh(memberId));
    if (known === undefined || !(await isGenuine(event, known))) {
      log.warn('event.forged', { memberId, event: event.event });
      return { result: 'forbidden' };
    }
    const outcome: EventOutcome = { result: 'ok', event: event.event, memberId };
    if (event.event === 'ONAPPUPDATE') await update(event, known);
    const refresh = toRefresh(event);
    if (refresh !== null && isLive(known)) {
      outcome.refresh = refresh;
      Promise.resolve(refresh)
        .then(options.onRefreshAsked)
        .catch((error: unknown) => log.error('refresh.failed', { memberId, error }));
    }
    if (event.event === 'ONAPPUNINSTALL' && isLive(known)) {
      const removal = { at: options.now().toISOString(), clean: event.clean };
      await installations.update(memberId, (current) =>
        isLive(current) ? { ...current, removal } : current,
      );
      log.info('removal.announced', { memberId, clean: event.clean });
      outcome.removal = true;
    }
    return outcome;
  }

  /**
   * The portal has wiped robots and event handlers: everything again, before any answer leaves (B8). What the event
   * brings is taken only when its token is proven at the stored address: the application token is no proof (A2b).
   */
  async function update(event: PortalEvent, { origin }: Installation): Promise<void> {
    const isTrusted =
      event.tokens !== null &&
      !refusedServer(event.tokens) &&
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
    if (saved?.state === 'active') await steps(event.memberId);
  }

  return { installByEvent, openPage, handleEvent, proveAndPin: prover.proveAndPin };
}
