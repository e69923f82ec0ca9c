import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { FieldFacts } from '../deal/fields/field-facts.ts';
import type { TokenPair } from './tokens.ts';

export type { TokenPair } from './tokens.ts';

/** The application on one portal. */
export interface Installation {
  memberId: string;
  /** The only address anything is sent to. */
  origin: string;
  /** `member_id` of the first installation ever from this origin; part of every ExternalId. */
  portalKey: string;
  /** null until somebody proves it (bitrix24.md A4). */
  applicationToken: string | null;
  state: 'active' | 'paused' | 'uninstalled';
  pausedReason?: string | undefined;
  language: string;
  scopes: string[];
  installerUserId: number | null;
  tokens: TokenPair | null;
  /** Pairs that came with calls, for the day the installer is dismissed; newest of each user. */
  spares: Record<string, TokenPair>;
  /** Hash of what was last registered, by robot code; triggers as `trigger:CODE`. */
  registered: Record<string, string>;
  /** Our fields by entityTypeId; absent while unknown (interface.md §5). */
  fields?: Record<string, FieldFacts> | undefined;
  /** Absent while the registration is unknown: no answer may leave then (bitrix24.md B8). */
  registeredAt?: string | undefined;
  /** Methods the tariff has, of those asked for. */
  methods?: string[] | undefined;
  /** The portal has accepted the signature of a call once: from then on its refusal counts (bitrix24.md D3). */
  provesCalls?: true | undefined;
  /** An event said that the application was removed; kept until that is confirmed and tidied up, or found to be forged. */
  removal?: { at: string; clean: boolean } | undefined;
  /** What is stored of it cannot be opened, for its key is not in SECRET_KEYS: only a new installation changes it. */
  sealed?: true;
  version: number;
}

export interface InstallationStore {
  get(memberId: string): Promise<Installation | undefined>;
  /** `before` is what is replaced. */
  set(memberId: string, installation: Installation, before: Installation | undefined): Promise<void>;
  list(): Promise<Installation[]>;
}

export interface Installations {
  /** Reads all installations into memory; throws when the store is away. */
  load(): Promise<void>;
  /** As `load`, but an outage keeps what is in memory. */
  reload(): Promise<void>;
  get(memberId: string): Installation | undefined;
  list(): Installation[];
  /** Reads the store anew and refreshes memory. */
  fresh(memberId: string): Promise<Installation | undefined>;
  /**
   * One change at a time across processes; `change` answers undefined to leave things as they are. One that cannot be opened
   * is left alone, unless it is replaced as a whole.
   */
  update(
    memberId: string,
    change: (current: Installation | undefined) => Installation | undefined,
  ): Promise<Installation | undefined>;
}

/** Calls of its portal are taken: it was not removed. */
export function isLive(installation: Installation | undefined): installation is Installation {
  return installation !== undefined && installation.state !== 'uninstalled';
}

/** Something may be sent to its portal: its tokens work, and its robots are known to be there (bitrix24.md B8). */
export function isReady(installation: Installation | undefined): installation is Installation {
  return installation?.state === 'active' && installation.registeredAt !== undefined;
}

/**
 * Takes the place of an installation that cannot be opened. Its portal is paused until a new authorisation, and nothing is
 * sent anywhere meanwhile.
 */
export function toSealed(memberId: string, portalKey: string, now: Date): Installation {
  return {
    memberId,
    origin: 'https://sealed.invalid',
    portalKey,
    applicationToken: null,
    state: 'paused',
    pausedReason: 'what is stored of it cannot be opened: its key is not in SECRET_KEYS',
    language: 'ru',
    scopes: [],
    installerUserId: null,
    tokens: null,
    spares: {},
    registered: {},
    sealed: true,
    // Above any that was stored: its own number is sealed too.
    version: Math.floor(now.getTime() / 1000),
  };
}

const MAX_SPARES = 5;

/** Installations in memory over a store, so that calls are checked while the database is away. */
export function createInstallations(options: {
  store: InstallationStore;
  locks: LocksPort;
  now: () => Date;
  log: Log;
}): Installations {
  const { store, locks, log } = options;
  const memory = new Map<string, Installation>();

  function remember(installation: Installation): void {
    const known = memory.get(installation.memberId);
    // Another process may have other keys, and what it wrote says nothing against what is known here.
    if (known !== undefined && installation.sealed) return;
    // A slow reload must not bring back what a change has just replaced.
    if (known === undefined || known.version <= installation.version) {
      memory.set(installation.memberId, installation);
    }
  }

  async function load(): Promise<void> {
    for (const installation of await store.list()) remember(installation);
  }

  async function fresh(memberId: string): Promise<Installation | undefined> {
    const stored = await store.get(memberId);
    if (stored !== undefined) remember(stored);
    return stored;
  }

  return {
    load,
    async reload() {
      try {
        await load();
      } catch {
        log.warn('installations.not_reloaded', { known: memory.size });
      }
    },
    get: (memberId) => memory.get(memberId),
    list: () => [...memory.values()],
    fresh,
    update: (memberId, change) =>
      locks.hold(`installation:${memberId}`, async () => {
        const current = await store.get(memberId);
        const changed = change(current);
        if (changed === undefined || changed === current || changed.sealed) return current;
        const saved = { ...changed, memberId, version: (current?.version ?? 0) + 1 };
        await store.set(memberId, saved, current);
        remember(saved);
        return saved;
      }),
  };
}

/** Spare pairs with one more, the newest pair of each user, five at most (bitrix24.md C4). */
export function withSpare(spares: Record<string, TokenPair>, pair: TokenPair): Record<string, TokenPair> {
  const key = String(pair.userId ?? 0);
  const all = Object.entries({ ...spares, [key]: pair });
  all.sort(([, a], [, b]) => b.expiresAt.localeCompare(a.expiresAt));
  return Object.fromEntries(all.slice(0, MAX_SPARES));
}

/** Whether the portal gave what `scope` stands for. */
export function hasScope(given: readonly string[], scope: string): boolean {
  // The portal has narrower kinds of `user` that our reading can do with (F5).
  const kinds = scope === 'user' ? ['user', 'user_basic', 'user_brief'] : [scope];
  return kinds.some((kind) => given.includes(kind));
}

/** Scopes as the portal prints them: comma-separated text or a list. */
export function parseScopes(value: unknown): string[] {
  const items = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [];
  return items
    .filter((item) => typeof item === 'string')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
