import type { ClaimsPort, Log } from '../robot/ports.ts';
import { type Answers, createAnswers } from './answers.ts';
import type { RobotCall } from './call.ts';
import { createDeals, type Deals } from './deals.ts';
import type { RefreshAsked } from './events.ts';
import { fetchFile } from './file-fetch.ts';
import { createInstaller, type Installer, type InstallerConfig } from './install.ts';
import {
  createInstallations,
  type InstallationStore,
  type Installations,
  isLive,
  withSpare,
} from './installation.ts';
import { createTokenKeeper, type RefreshResult } from './oauth.ts';
import { createPresence, type Presence } from './presence.ts';
import { createProver, isSameSecret } from './proof.ts';
import { createReader, type Reader } from './reader.ts';
import type { RobotRegistration } from './registration.ts';
import { createRegistrationCheck, type RegistrationCheck } from './registration-check.ts';
import { type BudgetPort, createRest, type PortalRest, type RequestHook } from './rest.ts';

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
  presence: Presence;
  proof: {
    /**
     * Is the call of a portal that installed us (bitrix24.md A4)? Without a pinned application token the portal is
     * asked. @throws PortalError with `retry` when it could not be
     */
    checkCall(call: RobotCall): CallCheck | Promise<CallCheck>;
  };
}

/** A pair that came with a call is kept at most so often: each call brings a new one (bitrix24.md C4). */
const KEEP_EVERY_MS = 600_000;

/** The whole portal side: nothing here touches network or store until it is called. */
export function createPortals(options: {
  config: InstallerConfig;
  store: InstallationStore;
  claims: ClaimsPort;
  budget: BudgetPort;
  /** Declared robots with option titles in the portal's language, which cannot be a map (bitrix24.md B2). */
  robots: (language: string) => readonly RobotRegistration[];
  now: () => Date;
  log: Log;
  timeoutMs?: number;
  onRequest?: RequestHook;
  onRefresh?: (result: RefreshResult) => void;
  /** A person asked for a document's newest state; without it the click is taken and ignored. */
  onRefreshAsked?: (refresh: RefreshAsked) => void | Promise<void>;
}): Portals {
  const { config, claims, now, log } = options;
  const installations = createInstallations({ store: options.store, claims, now, log });
  const keeper = createTokenKeeper({
    installations,
    claims,
    config,
    fetch,
    now,
    log,
    timeoutMs: options.timeoutMs,
    onRefresh: options.onRefresh,
  });
  const rest = createRest({
    installations,
    keeper,
    budget: options.budget,
    allowedOrigins: config.portals,
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
    claims,
    onRefreshAsked: options.onRefreshAsked,
    now,
    log,
  });
  const registration = createRegistrationCheck({
    rest,
    installations,
    claims,
    robots: options.robots,
    publicUrl: config.publicUrl,
    now,
    log,
  });
  const presence = createPresence({ rest, installations, now, log });
  const reader = createReader({ rest, installations, fetchFile });
  const answers = createAnswers({ rest, log });
  const deals = createDeals({ rest, installations, claims, log });
  const keptAt = new Map<string, number>();

  /** Remembers the newest pair of the call's user, and brings a paused installation back to life with it. */
  function keepPair(call: RobotCall): void {
    const { memberId, tokens: pair } = call;
    if (pair === null || pair.serverOrigin === null || !config.oauthServers.includes(pair.serverOrigin))
      return;
    const known = installations.get(memberId);
    if (known === undefined || known.tokens?.access === pair.access) return;
    const key = `${memberId}:${pair.userId ?? 0}`;
    const time = performance.now();
    if (known.state === 'active' && time - (keptAt.get(key) ?? Number.NEGATIVE_INFINITY) < KEEP_EVERY_MS)
      return;
    keptAt.set(key, time);
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
    presence,
    proof: {
      checkCall(call) {
        const { memberId, applicationToken, tokens } = call;
        const known = installations.get(memberId);
        if (!isLive(known)) return 'unknown';
        const toCheck = (genuine: boolean) => {
          if (!genuine) return 'forged';
          keepPair(call);
          presence.seen(memberId);
          return 'ok';
        };
        return known.applicationToken === null
          ? prover.proveAndPin(memberId, tokens?.access ?? null, applicationToken).then(toCheck)
          : toCheck(isSameSecret(known.applicationToken, applicationToken));
      },
    },
  };
}
