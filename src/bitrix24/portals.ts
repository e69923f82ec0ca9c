import type { LocksPort } from '../robot/ports/locks.ts';
import type { Log } from '../robot/ports/log.ts';
import {
  createInstallations,
  type InstallationStore,
  type Installations,
  isLive,
  withSpare,
} from './auth/installation.ts';
import { createTokenKeeper, type RefreshResult } from './auth/oauth.ts';
import { createProver, isSameSecret } from './auth/proof.ts';
import type { TokenPair } from './auth/tokens.ts';
import { createReader, type Reader } from './crm/item-reader.ts';
import { createDeals, type Deals } from './deal/deals.ts';
import type { RefreshAsked } from './install/events.ts';
import { createInstaller, type Installer, type InstallerConfig } from './install/install.ts';
import { createRegistrationCheck, type RegistrationCheck } from './install/registration-check.ts';
import { createRemovals, type Removals } from './install/removals.ts';
import { createInstalledRobots, type InstalledRobots } from './registration/installed-robots.ts';
import type { RobotRegistration } from './registration/registration.ts';
import { createOutbound } from './rest/outbound.ts';
import { PortalError } from './rest/portal-error.ts';
import { createRest, type PortalRatePort, type PortalRest, type RequestHook } from './rest/rest.ts';
import { type Answers, createAnswers } from './robots/answers.ts';
import { type CallProof, type CallToProve, createCallProof } from './robots/call-proof.ts';
import { createProofDesk } from './robots/proof-desk.ts';
import type { RobotCall } from './robots/robot-call.ts';

/** What was found out about a call: nobody's is `unknown`, a portal's without its proof `forged`. */
export type CallCheck = 'ok' | 'unknown' | 'forged';

export interface Portals {
  installations: Installations;
  rest: PortalRest;
  installer: Installer;
  reader: Reader;
  answers: Answers;
  deals: Deals;
  registration: RegistrationCheck;
  installedRobots: InstalledRobots;
  removals: Removals;
  /** Does the portal vouch for the call of a run (bitrix24.md D3)? */
  proofOf(call: CallToProve & { receivedAt: Date }, log: Log): CallProof;
  proof: {
    /**
     * Is the call of a portal that installed us (bitrix24.md A4)? Without a pinned application token the portal is
     * asked. @throws PortalError with `retry` when it could not be
     */
    checkCall(call: RobotCall): Promise<CallCheck>;
  };
}

/** A pair that came with a call is kept at most so often: each call brings a new one (bitrix24.md C4). */
const KEEP_EVERY_MS = 600_000;
/** Pairs of calls that are not proven yet; more come with later calls. */
const OFFERS_KEPT = 200;

const toUser = (memberId: string, { userId }: TokenPair) => `${memberId}:${userId ?? 0}`;

/** The whole portal side: nothing here touches network or store until it is called. */
export function createPortals(options: {
  config: InstallerConfig & { outboundProxy?: string | undefined };
  store: InstallationStore;
  locks: LocksPort;
  portalRate: PortalRatePort;
  /** Declared robots with option titles in the portal's language, which cannot be a map (bitrix24.md B2). */
  robots: (language: string) => readonly RobotRegistration[];
  now: () => Date;
  log: Log;
  timeoutMs?: number;
  onRequest?: RequestHook;
  onRefresh?: (result: RefreshResult) => void;
  /** What employees are told of Directum when they open the application; without it, that it answers. */
  isDirectumDown?: () => boolean;
  /** A person asked for a document's newest state; without it the click is taken and ignored. */
  onRefreshAsked?: (refresh: RefreshAsked) => void | Promise<void>;
}): Portals {
  const { config, locks, now, log } = options;
  const outbound = createOutbound(config.outboundProxy);
  const installations = createInstallations({ store: options.store, locks, now, log });
  const keeper = createTokenKeeper({
    installations,
    locks,
    config,
    postForm: outbound.postForm,
    now,
    log,
    timeoutMs: options.timeoutMs,
    onRefresh: options.onRefresh,
  });
  const rest = createRest({
    installations,
    keeper,
    portalRate: options.portalRate,
    allowedOrigins: config.portals,
    agents: outbound.agents,
    now,
    log,
    timeoutMs: options.timeoutMs,
    onRequest: options.onRequest,
  });
  const prover = createProver({ config, installations, rest, log });
  const installer = createInstaller({
    config,
    installations,
    prover,
    rest,
    robots: options.robots,
    locks,
    isDirectumDown: options.isDirectumDown ?? (() => false),
    onRefreshAsked: options.onRefreshAsked,
    now,
    log,
  });
  const registration = createRegistrationCheck({
    rest,
    installations,
    locks,
    robots: options.robots,
    publicUrl: config.publicUrl,
    now,
    log,
  });
  const installedRobots = createInstalledRobots({ rest, installations, now, log });
  const reader = createReader({ rest, installations, fetchFile: outbound.fetchFile });
  const answers = createAnswers({ rest, log });
  const deals = createDeals({ rest, installations, locks, log });
  const desk = createProofDesk(rest);
  const keptAt = new Map<string, number>();

  const offered = new Map<string, TokenPair>();

  /**
   * The pair of a call brings a paused installation back to life, which else could not even ask for the call's proof.
   * Of any other call it is kept when that is given.
   */
  function offerPair({ memberId, eventToken, tokens: pair }: RobotCall): void {
    if (pair === null || pair.serverOrigin === null || !config.oauthServers.includes(pair.serverOrigin))
      return;
    const known = installations.get(memberId);
    if (known === undefined || known.tokens?.access === pair.access) return;
    if (known.state === 'paused') keepPair(memberId, pair);
    if (known.state !== 'active') return;
    const last = keptAt.get(toUser(memberId, pair)) ?? Number.NEGATIVE_INFINITY;
    if (performance.now() - last < KEEP_EVERY_MS) return;
    offered.set(`${memberId} ${eventToken}`, pair);
    if (offered.size > OFFERS_KEPT) offered.delete(offered.keys().next().value as string);
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
    installations,
    rest,
    installer,
    reader,
    answers,
    deals,
    registration,
    installedRobots,
    removals: createRemovals({ rest, keeper, installations, locks, now, log }),
    proofOf: (call, callLog) =>
      createCallProof(
        { rest, desk, installations, log: callLog },
        {
          ...call,
          async onAccepted() {
            const { memberId, eventToken, receivedAt } = call;
            installedRobots.seen(memberId, receivedAt);
            const pair = offered.get(`${memberId} ${eventToken}`);
            offered.delete(`${memberId} ${eventToken}`);
            if (pair !== undefined) keepPair(memberId, pair);
            await call.onAccepted();
          },
        },
      ),
    proof: {
      async checkCall(call) {
        const { memberId, applicationToken, tokens } = call;
        const known = installations.get(memberId);
        if (!isLive(known)) return 'unknown';
        // Kept until the portal is installed anew, for then it can be told.
        if (known.sealed) throw new PortalError({ code: 'SEALED', status: null, kind: 'auth', retry: true });
        const genuine =
          known.applicationToken === null
            ? await prover.proveAndPin(memberId, tokens?.access ?? null, applicationToken)
            : isSameSecret(known.applicationToken, applicationToken);
        if (!genuine) return 'forged';
        offerPair(call);
        return 'ok';
      },
    },
  };
}
