import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { robots } from '../robots/index.ts';
import { type Installation, isLive, toSealed } from './bitrix24/auth/installation.ts';
import { createPortals } from './bitrix24/portals.ts';
import { toLanguage } from './bitrix24/rest/values.ts';
import type { Config } from './config.ts';
import { openDealDocuments } from './deal-documents.ts';
import { createDirectum } from './directum/directum.ts';
import { createMetrics, UNMEASURED } from './http/metrics.ts';
import { within } from './lib/timeout.ts';
import { toDescriptor } from './robot/descriptor.ts';
import type { LocalText } from './robot/failure.ts';
import type { Log } from './robot/ports/log.ts';
import { portalKeyOf } from './store/documents/document-slots.ts';
import { requireEmbedded } from './store/postgres/embedded.ts';
import { takeFormerCrowds } from './store/runs/former-crowds.ts';
import { createIncomingCalls } from './store/runs/incoming-calls.ts';
import { createOpenRuns } from './store/runs/open-runs.ts';
import { createRunStore } from './store/runs/runs.ts';
import { createWaits } from './store/runs/waits.ts';
import { loadSecretKeys, SecretError } from './store/secrets/secrets.ts';
import { openDiskSpool } from './store/spool/disk-spool.ts';
import { openStore } from './store/store.ts';

/** A database that is silent for so long counts as down for /readyz and /metrics. */
export const DATABASE_MS = 2_000;

/** Title of a robot by its code. */
export const toRobotName = (code: string): LocalText =>
  robots.find((robot) => robot.code === code)?.name ?? { ru: code, en: code };

/**
 * Everything that talks to the portals and to Directum, on an open store; shared by the service and the scripts.
 * @throws NotThere when there is nothing to open yet, with `onlyOpen`
 */
export async function openRooms(
  config: Config,
  { log, now, leaseMs, onlyOpen }: { log: Log; now: () => Date; leaseMs?: number; onlyOpen?: boolean },
) {
  // Said before anything of a key that is missing, too.
  if (onlyOpen && config.DATABASE_URL === undefined) await requireEmbedded(config.DATA_DIR);
  const keys = await loadSecretKeys({
    secretKeys: config.SECRET_KEYS,
    dataDir: config.DATA_DIR,
    ...(onlyOpen && { onlyOpen }),
  });
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
  const runs = createRunStore(store.pool, store.asyncCommitPool);
  const open = createOpenRuns(store.pool);
  const calls = createIncomingCalls({ pool: store.pool, keys, now });
  if (!onlyOpen) await takeFormerCrowds({ pool: store.pool, keys, calls, log });
  const waits = createWaits(store.pool);
  const spool = await openDiskSpool({ folder: join(config.DATA_DIR, 'spool'), keys, log });
  const measure = async () => ({
    ...(await open.measure(now())),
    portals: await Promise.all(
      portals.installations
        .list()
        .filter(isLive)
        .map(async ({ memberId, state }) => ({
          label: createHash('sha256').update(memberId).digest('hex').slice(0, 8),
          paused: state === 'paused',
          budgetLeft: await store.portalRate.left(memberId),
        })),
    ),
    ...(await waits.measure(now())),
  });
  const metrics = createMetrics(async () => ({
    ...(await within(DATABASE_MS, measure()).catch(() => UNMEASURED)),
    spoolCalls: spool.waiting(),
  }));
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
    cache: store.cache,
    now,
    log,
    onBack: hasten,
    onRequest: ({ operation, seconds, errorCode }) => {
      metrics.directumSeconds.observe({ operation }, seconds);
      if (errorCode) metrics.directumErrors.inc({ code: errorCode });
    },
  });
  const documents = store.installations<Installation>();
  const sealed = new Map<string, Promise<Installation>>();
  async function toSealedOnce(memberId: string): Promise<Installation> {
    log.error('installation.sealed', {
      memberId,
      todo: 'give back the key that is missing in SECRET_KEYS, or let an administrator of the portal open the application',
    });
    // The key of its contracts stands open in its runs.
    return toSealed(memberId, (await portalKeyOf(store.pool, memberId)) ?? memberId, now());
  }
  function standIn(memberId: string): Promise<Installation> {
    const known = sealed.get(memberId) ?? toSealedOnce(memberId);
    sealed.set(memberId, known);
    known.catch(() => sealed.delete(memberId));
    return known;
  }
  const portals = createPortals({
    config: {
      portals: config.BITRIX24_PORTALS,
      oauthServers: config.BITRIX24_OAUTH_SERVERS,
      clientId: config.BITRIX24_CLIENT_ID,
      clientSecret: config.BITRIX24_CLIENT_SECRET,
      publicUrl: config.PUBLIC_URL,
      outboundProxy: config.OUTBOUND_PROXY,
    },
    store: {
      get: async (memberId) => {
        try {
          return (await documents.get(memberId)) ?? undefined;
        } catch (error) {
          if (!(error instanceof SecretError)) throw error;
          return standIn(memberId);
        }
      },
      set: documents.set,
      list: async () => Promise.all((await documents.list()).map(({ key, value }) => value ?? standIn(key))),
    },
    locks: store.locks,
    portalRate: store.portalRate,
    robots: (language) => robots.map((robot) => toDescriptor(robot, toLanguage(language))),
    now,
    log,
    onRequest: ({ method, seconds }) => metrics.portalSeconds.observe({ method }, seconds),
    onRefresh: (result) => metrics.refreshes.inc({ result }),
    isDirectumDown: () => directum.isDown(),
    onRefreshAsked: (asked) => deals.refresh(asked),
  });
  const deals = openDealDocuments({
    config,
    store,
    keys,
    directum,
    portals,
    robotName: toRobotName,
    onUnknown: () => metrics.unknownStates.inc(),
    onRightsBack: hasten,
    now,
    log,
  });
  await portals.installations.load();
  return {
    keys,
    store,
    spool,
    calls,
    runs,
    open,
    waits,
    metrics,
    directum,
    portals,
    deals,
    async close() {
      await directum.close();
      await store.close();
    },
  };
}
