import type { Installation } from '../../src/bitrix24/auth/installation.ts';
import { createPortals } from '../../src/bitrix24/portals.ts';
import type { PortalRatePort } from '../../src/bitrix24/rest/rest.ts';
import type { ActivityCard, DealFields } from '../../src/documents/ports/deal.ts';
import type { ItemRef } from '../../src/robot/ports/portal.ts';
import { type Portal, startPortal } from '../sandbox/portal/portal.ts';
import { installation, memoryLocks } from './fake-portal.ts';

const APP = { clientId: 'local.sandbox.1', clientSecret: 'sandbox-secret' };

/** Our portal side on the sandbox portal, already installed there by its administrator; `restart` forgets memory. */
export async function dealStand(
  options: {
    language?: string;
    timeoutMs?: number;
    /** What the portal lets through, kept to by `portalRate`. */
    rate?: { perSecond: number; bucket: number };
    portalRate?: PortalRatePort;
  } = {},
) {
  const portal: Portal = await startPortal({
    ...APP,
    language: options.language ?? 'ru',
    rate: options.rate ?? { perSecond: 1_000, bucket: 1_000 },
  });
  const rows = new Map<string, string>();
  const lines: [event: string, facts: Record<string, unknown>][] = [];
  const write = (event: string, facts: Record<string, unknown> = {}) => void lines.push([event, facts]);
  const log = { debug() {}, info: write, warn: write, error: write };
  /** Whether a lock is still held when its work asks. */
  const claim = { isHeld: true };
  const open = async () => {
    const portals = createPortals({
      config: {
        ...APP,
        publicUrl: 'https://directum.example',
        portals: [portal.url],
        oauthServers: [portal.oauthUrl],
      },
      store: {
        get: async (id) => (rows.has(id) ? JSON.parse(rows.get(id) as string) : undefined),
        set: async (id, row) => void rows.set(id, JSON.stringify(row)),
        list: async () => [...rows.values()].map((row) => JSON.parse(row) as Installation),
      },
      locks: memoryLocks(() => claim.isHeld),
      portalRate: options.portalRate ?? { take: async () => {} },
      robots: () => [],
      now: () => new Date('2026-09-01T10:00:00Z'),
      log,
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    });
    await portals.installations.load();
    return { portals, deals: portals.deals(portal.memberId) };
  };
  const { accessToken, refreshToken } = portal.tokens(1);
  const stored = installation(
    { origin: portal.url },
    {
      memberId: portal.memberId,
      applicationToken: portal.applicationToken,
      language: options.language ?? 'ru',
      tokens: {
        access: accessToken,
        refresh: refreshToken,
        expiresAt: '2026-09-01T11:00:00.000Z',
        userId: 1,
        serverOrigin: portal.oauthUrl,
      },
    },
  );
  rows.set(portal.memberId, JSON.stringify(stored));
  let from = portal.journal.length;
  return {
    portal,
    lines,
    claim,
    ...(await open()),
    restart: open,
    /** REST hits since the last question, without what stood inside batches. */
    hits: () => {
      const seen = portal.journal.slice(from).filter(({ viaBatch }) => !viaBatch);
      from = portal.journal.length;
      return seen.map(({ method }) => method);
    },
    logged: (event: string) => lines.filter(([name]) => name === event),
  };
}

export const deal = (id: number): ItemRef => ({ typeId: 2, id, code: `DEAL_${id}` });

export const FIELDS: DealFields = {
  status: 'on_approval',
  documentId: 4711,
  url: 'https://rx.example/Client/#/card/4711',
  number: 'Д-17',
  since: '2026-08-30T09:00:00+03:00',
};

export const CARD: ActivityCard = {
  documentId: 4711,
  name: 'Договор поставки',
  url: 'https://rx.example/Client/#/card/4711',
  status: 'on_approval',
  since: '2026-08-30T09:00:00+03:00',
  number: null,
  holders: [{ name: 'Иванов И. И.', since: '2026-08-31T12:00:00+03:00' }],
  signer: 'Петров П. П.',
};
