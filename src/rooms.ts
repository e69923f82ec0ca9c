import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { robots } from '../robots/index.ts';
import { type Installation, isLive } from './bitrix24/installation.ts';
import { createPortals } from './bitrix24/portals.ts';
import type { Config } from './config.ts';
import { openDealDocuments } from './deal-documents.ts';
import { createDirectum } from './directum/directum.ts';
import { createMetrics, UNMEASURED } from './http/metrics.ts';
import { toDescriptor } from './robot/descriptor.ts';
import type { Language } from './robot/failure.ts';
import type { Log } from './robot/ports.ts';
import { within } from './runs/patience.ts';
import { createIncomingCalls } from './store/incoming-calls.ts';
import { createRunStore } from './store/runs.ts';
import { loadSecretKeys } from './store/secrets.ts';
import { openSpool } from './store/spool.ts';
import { openStore } from './store/store.ts';
import { createWaits } from './store/waits.ts';

/** A database that is silent for so long counts as down for /readyz and /metrics. */
export const DATABASE_MS = 2_000;

/** Russian for `ru`, `ua`, `by`, `kz`, else English (interface.md §3 Values). */
export function toLanguage(portalLanguage: string): Language {
  return ['ru', 'ua', 'by', 'kz'].includes(portalLanguage.toLowerCase()) ? 'ru' : 'en';
}

/** Everything that talks to the portals and to Directum, on an open store; shared by the service and the scripts. */
export async function openRooms(config: Config, { log, now }: { log: Log; now: () => Date }) {
  const keys = await loadSecretKeys({ secretKeys: config.SECRET_KEYS, dataDir: config.DATA_DIR });
  const store = await openStore({
    databaseUrl: config.DATABASE_URL,
    dataDir: config.DATA_DIR,
    keys,
    log,
    now,
    rate: config.BITRIX24_RATE,
  });
  await store.clock.look();
  const runs = createRunStore(store.pool, store.relaxed);
  const calls = createIncomingCalls({ pool: store.pool, relaxed: store.relaxed, keys, now, log });
  const waits = createWaits(store.pool);
  const spool = await openSpool({ folder: join(config.DATA_DIR, 'spool'), keys, log });
  const measure = async () => ({
    ...(await runs.measure(now())),
    portals: await Promise.all(
      portals.installations
        .list()
        .filter(isLive)
        .map(async ({ memberId, state }) => ({
          label: createHash('sha256').update(memberId).digest('hex').slice(0, 8),
          paused: state === 'paused',
          budgetLeft: await store.budget.left(memberId),
        })),
    ),
    ...(await waits.measure(now())),
  });
  const metrics = createMetrics(async () => ({
    ...(await within(DATABASE_MS, measure()).catch(() => UNMEASURED)),
    spoolCalls: spool.waiting(),
  }));
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
    onBack: () => {
      runs.hasten('directum_unavailable', now()).catch((error) => log.warn('runs.not_hastened', { error }));
    },
    onRequest: ({ operation, seconds, errorCode }) => {
      metrics.directumSeconds.observe({ operation }, seconds);
      if (errorCode) metrics.directumErrors.inc({ code: errorCode });
    },
  });
  const documents = store.installations<Installation>();
  const portals = createPortals({
    config: {
      portals: config.BITRIX24_PORTALS,
      oauthServers: config.BITRIX24_OAUTH_SERVERS,
      clientId: config.BITRIX24_CLIENT_ID,
      clientSecret: config.BITRIX24_CLIENT_SECRET,
      publicUrl: config.PUBLIC_URL,
    },
    store: {
      get: async (memberId) => (await documents.get(memberId)) ?? undefined,
      set: documents.set,
      list: async () => (await documents.list()).map((document) => document.value),
    },
    claims: store.claims,
    budget: store.budget,
    robots: (language) => robots.map((robot) => toDescriptor(robot, toLanguage(language))),
    now,
    log,
    onRequest: ({ method, seconds }) => metrics.portalSeconds.observe({ method }, seconds),
    onRefresh: (result) => metrics.refreshes.inc({ result }),
    onRefreshAsked: (asked) => deals.refresh(asked),
  });
  const deals = openDealDocuments({
    config,
    store,
    keys,
    directum,
    portals,
    onUnknown: () => metrics.unknownStates.inc(),
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
