import { createHash } from 'node:crypto';
import { type Installation, isLive, isReady } from './bitrix24/auth/installation.ts';
import { createSealedInstallations } from './bitrix24/auth/sealed-installations.ts';
import { createPortals } from './bitrix24/portals.ts';
import { toLanguage } from './bitrix24/rest/values.ts';
import { toItemRef } from './bitrix24/robots/robot-call.ts';
import type { Config } from './config.ts';
import { createDirectum } from './directum/directum.ts';
import { createDealDocuments } from './documents/deal-documents.ts';
import type { ReachablePortals } from './documents/ports/deal.ts';
import type { Metrics } from './http/metrics.ts';
import { loadRobots } from './own-robots/load-robots.ts';
import { toDescriptor } from './robot/descriptor.ts';
import type { Log } from './robot/ports/log.ts';
import type { AnyRobot } from './robot/robot.ts';
import { openDocumentStores } from './store/document-stores.ts';
import { portalKeyOf } from './store/documents/document-slots.ts';
import { writeJournal } from './store/journal/write-journal.ts';
import { requireEmbedded } from './store/postgres/embedded.ts';
import { takeFormerCrowds } from './store/runs/former-crowds.ts';
import { createIncomingCalls } from './store/runs/incoming-calls.ts';
import { createOpenRuns } from './store/runs/open-runs.ts';
import { createRunStore } from './store/runs/runs.ts';
import { createWaits } from './store/runs/waits.ts';
import { loadSecretKeys, SecretError, type SecretKeys } from './store/secrets/secrets.ts';
import { openStore, type Store } from './store/store.ts';

interface ModulesPorts {
  log: Log;
  now: () => Date;
  /** Loaded anew when absent, as the robots are. */
  keys?: SecretKeys;
  robots?: readonly AnyRobot[];
  /** Counts what goes to both platforms; a command counts nothing. */
  metrics?: Metrics;
  leaseMs?: number | undefined;
  /** What was read of Directum before does not count: for a check of how things are now. */
  asksAnew?: boolean;
  /** Nothing is made or changed that is not there yet: for commands beside the service. */
  onlyOpen?: boolean;
}

/**
 * What the service and the commands share, put together on an open store: the store, the portals, Directum, and what deals
 * show of their documents. @throws NotThere when there is nothing to open yet, with `onlyOpen`
 */
export async function openModules(config: Config, ports: ModulesPorts) {
  const { log, now, metrics, leaseMs, onlyOpen, asksAnew } = ports;
  // Said before anything of a key that is missing, too.
  if (onlyOpen && config.DATABASE_URL === undefined) await requireEmbedded(config.DATA_DIR);
  const robots = ports.robots ?? (await loadRobots(config.ROBOTS_DIR));
  const keys =
    ports.keys ??
    (await loadSecretKeys({
      secretKeys: config.SECRET_KEYS,
      dataDir: config.DATA_DIR,
      ...(onlyOpen && { onlyOpen }),
    }));
  const store = await openStore({
    onlyOpen,
    databaseUrl: config.DATABASE_URL,
    dataDir: config.DATA_DIR,
    keys,
    log,
    now,
    rate: config.BITRIX24_RATE,
    leaseMs,
  });
  await store.clock.look();
  const runs = createRunStore(store.pool, store.asyncCommitPool, store.content);
  const calls = createIncomingCalls({ pool: store.pool, keys, now });
  if (!onlyOpen) await takeFormerCrowds({ pool: store.pool, keys, calls, log });

  const hasten = () => {
    runs.hasten('directum_unavailable', now()).catch((error) => log.warn('runs.not_hastened', { error }));
  };
  const directum = createDirectum({
    baseUrl: config.DIRECTUM_URL,
    webUrl: config.DIRECTUM_WEB_URL,
    login: config.DIRECTUM_LOGIN,
    password: config.DIRECTUM_PASSWORD,
    auth: config.DIRECTUM_AUTH,
    ...(config.DIRECTUM_CA_FILE !== undefined && { ca: config.DIRECTUM_CA_FILE }),
    cache: asksAnew ? { get: async () => undefined, set: async () => undefined } : store.cache,
    now,
    log,
    onBack: hasten,
    onRequest: ({ operation, seconds, errorCode }) => {
      metrics?.directumSeconds.observe({ operation }, seconds);
      if (errorCode) metrics?.directumErrors.inc({ code: errorCode });
    },
  });

  const installations = store.installations<Installation>();
  const portals = createPortals({
    config: {
      portals: config.BITRIX24_PORTALS,
      oauthServers: config.BITRIX24_OAUTH_SERVERS,
      clientId: config.BITRIX24_CLIENT_ID,
      clientSecret: config.BITRIX24_CLIENT_SECRET,
      publicUrl: config.PUBLIC_URL,
      outboundProxy: config.OUTBOUND_PROXY,
    },
    store: createSealedInstallations({
      stored: {
        ...installations,
        set: (memberId, installation, lines) =>
          installations.set(
            memberId,
            installation,
            lines.length === 0 ? undefined : (client) => writeJournal(client, lines),
          ),
      },
      isKeyGone: (error) => error instanceof SecretError,
      portalKeyOf: (memberId) => portalKeyOf(store.pool, memberId),
      actor: onlyOpen ? 'operator' : 'service',
      now,
      log,
    }),
    locks: store.locks,
    portalRate: store.portalRate,
    robots: (language) => robots.map((robot) => toDescriptor(robot, toLanguage(language))),
    now,
    log,
    onRequest: ({ method, seconds }) => metrics?.portalSeconds.observe({ method }, seconds),
    onRefresh: (result) => metrics?.refreshes.inc({ result }),
    isOlderThere: store.isOlderConnected,
    isDirectumDown: () => directum.isDown(),
    async onRefreshAsked({ memberId, documentId }) {
      const portal = portals.installations.get(memberId)?.portalKey;
      if (portal !== undefined) await deals.refresh(portal, documentId);
    },
  });
  const ready = () => portals.installations.list().filter(isReady);
  const reachable: ReachablePortals = {
    keys: () => [...new Set(ready().map(({ portalKey }) => portalKey))],
    deals(portal) {
      const installation = ready().find(({ portalKey }) => portalKey === portal);
      if (installation === undefined) throw new Error('the portal cannot be reached any more');
      return portals.deals(installation.memberId);
    },
  };

  const openDeals = (pool: Store['pool'], onRightsBack: () => void) =>
    createDealDocuments({
      stores: openDocumentStores({
        pool,
        asyncCommitPool: store.asyncCommitPool,
        keys,
        content: store.content,
        syncsTasks: config.DIRECTUM_TASKS === 'on',
        log,
      }),
      settings: {
        pollMs: config.DIRECTUM_POLL_SECONDS * 1_000,
        timeZone: config.TIME_ZONE,
        dueDays: config.DIRECTUM_DUE_DAYS,
        failuresShown: config.FAILURES_SHOWN,
      },
      seal: keys,
      directum,
      portals: reachable,
      toItem: (code) => toItemRef(code),
      robotName: (code) => robots.find((robot) => robot.code === code)?.name ?? { ru: code, en: code },
      onUnknown: () => metrics?.unknownStates.inc(),
      onRightsBack,
      now,
      log,
    });
  const deals = openDeals(store.pool, hasten);
  await portals.installations.load();
  return {
    robots,
    keys,
    store,
    runs,
    calls,
    openRuns: createOpenRuns(store.pool),
    waits: createWaits(store.pool, store.content),
    directum,
    portals,
    deals,
    /** What deals show, by the tables of another pool. */
    openDeals,
    async close() {
      await directum.close();
      await store.close();
    },
  };
}

export type Modules = Awaited<ReturnType<typeof openModules>>;

/** What the gauges of /metrics show, read now. @throws while the database is away */
export async function measure({ openRuns, waits, portals, store, deals }: Modules, now: Date) {
  const live = portals.installations.list().filter(isLive);
  return {
    ...(await openRuns.measure(now)),
    ...(await waits.measure(now)),
    quarantined: await deals.quarantine.counts(now),
    portals: await Promise.all(
      live.map(async ({ memberId, state }) => ({
        label: createHash('sha256').update(memberId).digest('hex').slice(0, 8),
        paused: state === 'paused',
        budgetLeft: await store.portalRate.left(memberId),
      })),
    ),
  };
}
