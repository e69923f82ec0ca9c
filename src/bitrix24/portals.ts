import type { LocksPort } from '../robot/ports/locks.ts';
import type { Log } from '../robot/ports/log.ts';
import { createInstallations, type InstallationStore, type Installations } from './auth/installation.ts';
import { createTokenKeeper, type RefreshResult } from './auth/oauth.ts';
import { createProver } from './auth/proof.ts';
import { createItemFields, type ItemFieldsReader } from './crm/item-fields.ts';
import { createItemReader, type ItemReader } from './crm/item-reader.ts';
import { createDeals, type Deals } from './deal/deals.ts';
import type { RefreshAsked } from './install/events.ts';
import { createEventHandler, type HandleEvent } from './install/handle-event.ts';
import { createInstaller, type InstallerConfig } from './install/install.ts';
import { createPageOpener, type OpenPage } from './install/open-page.ts';
import { createRegistrationCheck, type RegistrationCheck } from './install/registration-check.ts';
import { createRemovals, type Removals } from './install/removals.ts';
import { createInstalledRobots, type InstalledRobots } from './registration/installed-robots.ts';
import type { RobotRegistration } from './registration/registration.ts';
import { createOutbound } from './rest/outbound.ts';
import { createRest, type PortalRatePort, type PortalRest, type RequestHook } from './rest/rest.ts';
import { type Answers, createAnswers } from './robots/answers.ts';
import { type CallCheck, createCallCheck } from './robots/call-check.ts';
import { type CallProof, type CallToProve, createCallProof } from './robots/call-proof.ts';
import { createProofDesk } from './robots/proof-desk.ts';
import { createReadAhead, type ReadAhead } from './robots/read-ahead.ts';

interface Portals {
  installations: Installations;
  rest: PortalRest;
  installer: { openPage: OpenPage; handleEvent: HandleEvent };
  reader: ItemReader;
  readAhead: ReadAhead;
  itemFields: ItemFieldsReader;
  answers: Answers;
  deals: Deals;
  registration: RegistrationCheck;
  installedRobots: InstalledRobots;
  removals: Removals;
  checkCall: CallCheck['check'];
  /** Has any portal ever registered a robot of this code? */
  hasRegistered(code: string): boolean;
  /** Does the portal vouch for the call of a run (bitrix24.md D3)? */
  proofOf(call: CallToProve & { receivedAt: Date }, log: Log): CallProof;
}

/** The whole portal side: nothing here touches network or store until it is called. */
export function createPortals(options: {
  config: InstallerConfig & { outboundProxy?: string | undefined };
  store: InstallationStore;
  locks: LocksPort;
  portalRate: PortalRatePort;
  /** Declared robots with option titles in the portal's language, which cannot be a map (bitrix24.md B2). */
  robots: (language: string) => readonly RobotRegistration[];
  /** An earlier release works on the same database: what it does not know is not registered meanwhile. */
  isOlderThere?: () => Promise<boolean>;
  now: () => Date;
  log: Log;
  timeoutMs?: number;
  onRequest?: RequestHook;
  onRefresh?: (result: RefreshResult) => void;
  /** What employees who open the application read about Directum; without it, that it answers. */
  isDirectumDown?: () => boolean;
  /** A person asked for a document's newest state; without it the click is taken and ignored. */
  onRefreshAsked?: (refresh: RefreshAsked) => void | Promise<void>;
}): Portals {
  const { config, locks, robots, timeoutMs, isOlderThere = async () => false, now, log } = options;
  const { agents, postForm, fetchFile } = createOutbound(config.outboundProxy);
  const installations = createInstallations({ store: options.store, locks, now, log });
  const keeper = createTokenKeeper({
    installations,
    locks,
    config,
    postForm,
    now,
    log,
    timeoutMs,
    onRefresh: options.onRefresh,
  });
  const rest = createRest({
    installations,
    keeper,
    portalRate: options.portalRate,
    allowedOrigins: config.portals,
    agents,
    now,
    log,
    timeoutMs,
    onRequest: options.onRequest,
  });
  const prover = createProver({ config, installations, rest, log });
  const installer = createInstaller({
    ...{ config, installations, rest, robots, locks, isOlderThere, now, log },
  });
  const installedRobots = createInstalledRobots({ rest, installations, now, log });
  const { oauthServers, publicUrl } = config;
  const callCheck = createCallCheck({ installations, prover, oauthServers, log });
  const desk = createProofDesk(rest);
  const itemFields = createItemFields(rest);

  return {
    installations,
    rest,
    installer: {
      openPage: createPageOpener({
        installer,
        installations,
        prover,
        isDirectumDown: options.isDirectumDown ?? (() => false),
        now,
      }),
      handleEvent: createEventHandler({
        installer,
        installations,
        prover,
        onRefreshAsked: options.onRefreshAsked,
        now,
        log,
      }),
    },
    reader: createItemReader({ rest, installations, fetchFile, itemFields }),
    readAhead: createReadAhead({ rest, desk, log }),
    itemFields,
    answers: createAnswers({ rest, log }),
    deals: createDeals({ rest, installations, locks, log }),
    registration: createRegistrationCheck({
      ...{ rest, installations, locks, robots, publicUrl, isOlderThere, now, log },
    }),
    installedRobots,
    removals: createRemovals({ rest, keeper, installations, locks, now, log }),
    checkCall: callCheck.check,
    hasRegistered: (code) => installations.list().some(({ registered }) => Object.hasOwn(registered, code)),
    proofOf: (call, callLog) =>
      createCallProof(
        { rest, desk, installations, log: callLog },
        {
          ...call,
          async onAccepted() {
            installedRobots.seen(call.memberId, call.receivedAt);
            callCheck.keepPairOf(call);
            await call.onAccepted();
          },
        },
      ),
  };
}
