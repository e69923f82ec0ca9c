import { createDirectum, type DirectumOptions } from '../../src/directum/directum.ts';
import type { CachePort } from '../../src/directum/odata/lookup-cache.ts';
import type { AbsencePort } from '../../src/documents/ports/changes.ts';
import type { CounterpartyLinksPort } from '../../src/robot/ports/counterparty-links.ts';
import type { AttemptLocks, HeldLock } from '../../src/robot/ports/locks.ts';
import type { Log } from '../../src/robot/ports/log.ts';
import type { Party, Requisite } from '../../src/robot/ports/portal.ts';

export const quietLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

export function memoryCache(): CachePort & { entries: Map<string, unknown> } {
  const entries = new Map<string, unknown>();
  return {
    entries,
    // Through JSON, as the real one keeps it.
    get: async (key) => (entries.has(key) ? JSON.parse(String(entries.get(key))) : undefined),
    set: async (key, value) => void entries.set(key, JSON.stringify(value)),
  };
}

export function memoryCounterpartyLinks(): CounterpartyLinksPort & {
  held: Map<string, Awaited<ReturnType<CounterpartyLinksPort['find']>>>;
} {
  const held = new Map<string, Awaited<ReturnType<CounterpartyLinksPort['find']>>>();
  return {
    held,
    find: async (key) => held.get(key) ?? null,
    bind: async (key, { id, type }) => void held.set(key, { id, type }),
    making: async () => undefined,
    changing: async () => undefined,
    changed: async () => undefined,
    release: async (key) => void held.delete(key),
    others: async (type, except) =>
      [...held.values()].flatMap((one) => (one?.type === type && one.id !== except ? [one.id] : [])),
    externalId: (key) => `b24:portal-1:${key}`,
  };
}

export function memoryLocks(): AttemptLocks {
  const tails = new Map<string, Promise<unknown>>();
  return {
    hold<T>(key: string, work: (claim: HeldLock) => Promise<T>): Promise<T> {
      const mine = () => work({ isHeld: () => true });
      const next = (tails.get(key) ?? Promise.resolve()).catch(() => undefined).then(mine);
      tails.set(key, next);
      return next;
    },
    check: () => undefined,
  };
}

/** Whatever is not shown is gone. */
export const gone: AbsencePort = {
  ofDocument: async () => 'gone',
  tasksOf: async () => ({ own: [], others: [] }),
};

/** The adapter on a stand, with what the store would give it kept in memory. */
export function adapter(at: { url: string; webUrl: string }, options: Partial<DirectumOptions> = {}) {
  const cache = memoryCache();
  const counterpartyLinks = memoryCounterpartyLinks();
  const made: { operation: string; status: number | 'network'; errorCode?: string }[] = [];
  const service = createDirectum({
    baseUrl: at.url,
    webUrl: at.webUrl,
    login: 'bitrix24',
    password: 'secret',
    auth: 'basic',
    timeouts: { connectMs: 1_000, headersMs: 1_500, bodyMs: 1_500 },
    cache,
    now: () => new Date(),
    log: quietLog,
    onRequest: ({ seconds: _, ...rest }) => made.push(rest),
    ...options,
  });
  const directum = service.forPortal({
    counterpartyLinks,
    locks: memoryLocks(),
    absence: gone,
    log: quietLog,
  });
  return { service, directum, cache, counterpartyLinks, made };
}

export function requisite(values: Partial<Requisite> = {}): Requisite {
  return {
    id: 1,
    countryId: 1,
    inn: null,
    foreignIds: [],
    kpp: null,
    ogrn: null,
    ogrnip: null,
    okpo: null,
    okved: null,
    companyName: null,
    companyFullName: null,
    lastName: null,
    firstName: null,
    secondName: null,
    bank: null,
    legalAddress: null,
    postalAddress: null,
    ...values,
  };
}

export function company(values: Partial<Requisite> | null = {}, party: Partial<Party> = {}): Party {
  return {
    kind: 'company',
    id: 44,
    name: 'Ромашка',
    lastName: null,
    firstName: null,
    secondName: null,
    phones: [],
    emails: [],
    webs: [],
    requisite:
      values === null ? null : requisite({ inn: INN, kpp: KPP, companyName: 'ООО «Ромашка»', ...values }),
    ...party,
  };
}

export function contact(values: Partial<Requisite> | null = null, party: Partial<Party> = {}): Party {
  return {
    ...company(null),
    kind: 'contact',
    id: 8,
    name: 'Пётр Петров',
    lastName: 'Петров',
    firstName: 'Пётр',
    requisite: values === null ? null : requisite(values),
    ...party,
  };
}

/** Valid by their check digits. */
export const INN = '7736050003';
export const KPP = '997250001';
export const OTHER_KPP = '773601001';
export const PERSON_INN = '500100732259';
export const OGRNIP = '304500116000157';

export const label = { ru: 'Поле', en: 'Field' };
