import type { Log } from '../../robot/ports/log.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { Comparisons } from '../../store/documents/comparisons.ts';
import type { Reading } from '../observe/deletions.ts';
import type { Observer } from '../observe/observe.ts';
import {
  type ComparePorts,
  compareIn,
  type Difference,
  type PendingWrites,
  readPendingWrites,
} from './compare.ts';

/** Documents of a step: what one question surely takes (directum.md A.5). */
const GROUP = 10;
const DAY_MS = 86_400_000;
/** Rights that were lost come back within days: so long a deleted document is asked for. */
const DELETED_DAYS = 30;

export interface ReconcilePorts extends ComparePorts {
  comparisons: Comparisons;
  observer: Pick<Observer, 'whole' | 'vanished' | 'deletions'>;
  log: Log;
}

/** Why documents could not be compared. */
export interface Uncompared {
  documents: number;
  /** What was thrown, or null where the portal answered `reason` of an item. */
  error: unknown;
  reason: string | null;
  portal: string | null;
}

export interface Step {
  last: number;
  documents: number;
  failed: number;
  /** Documents that Directum did not show. */
  missing: number[];
  differences: Difference[];
  uncompared: Uncompared[];
}

/** Compares the documents next to `after`; null when there are none. */
export async function compareAfter(
  after: number,
  ports: ReconcilePorts,
  itemCode: string | null,
): Promise<Step | null> {
  const { comparisons, observer, now, log } = ports;
  const ids = await comparisons.after(after, GROUP, deletedSince(now()), itemCode);
  const last = ids.at(-1);
  if (last === undefined) return null;
  const comparing = startComparing(ports, itemCode);
  const missing = new Set<number>();
  try {
    const pending = await pendingOf(ids, ports);
    const observe = async (some: number[]) => {
      for (const id of await observer.whole(some)) missing.add(id);
    };
    await withoutBadRows(ids, observe, (documentId, error) => {
      log.error('document.not_compared', { error, documentId });
      comparing.fail([documentId], { error, reason: null, portal: null });
    });
    await comparing.compare(ids, pending);
  } catch (error) {
    comparing.fail(ids, { error, reason: null, portal: null });
  }
  return { last, documents: ids.length, missing: [...missing], ...comparing.found() };
}

/** The end of a reading of all documents: what counts as deleted, and what items show of it. */
export async function decide(
  missing: number[],
  reading: Reading,
  ports: ReconcilePorts,
  itemCode: string | null,
): Promise<Omit<Step, 'last' | 'documents' | 'missing'> & { held: number[] }> {
  const comparing = startComparing(ports, itemCode);
  const pending = await pendingOf(missing, ports);
  const { deleted, held } = await ports.observer.vanished(missing, reading);
  if (deleted.length > 0) await comparing.compare(deleted, pending);
  return { ...comparing.found(), held };
}

async function pendingOf(ids: number[], ports: ReconcilePorts): Promise<Map<string, PendingWrites>> {
  const pending = new Map<string, PendingWrites>();
  for (const portal of ports.portals.keys()) pending.set(portal, await readPendingWrites(portal, ids, ports));
  return pending;
}

/** Gathers what differs and what could not be compared. A portal that is away holds up no other. */
function startComparing(ports: ReconcilePorts, itemCode: string | null) {
  const { projection, log } = ports;
  const failed = new Set<number>();
  const differences: Difference[] = [];
  const uncompared: Uncompared[] = [];
  const fail = (documents: number[], cause: Omit<Uncompared, 'documents'>) => {
    for (const id of documents) failed.add(id);
    uncompared.push({ ...cause, documents: documents.length });
    log.warn('reconcile.failed', { error: cause.error, reason: cause.reason, count: documents.length });
  };
  return {
    fail,
    found: () => ({ failed: failed.size, differences, uncompared }),
    async compare(ids: number[], pending: Map<string, PendingWrites>): Promise<void> {
      for (const [portal, before] of pending) {
        try {
          const found = await compareIn(portal, ids, before, ports, itemCode);
          differences.push(...found.differences);
          for (const { documentId, reason } of found.refused)
            fail([documentId], { error: null, reason, portal });
        } catch (error) {
          const shown = (await projection.shownOf(portal, ids)).map(({ documentId }) => documentId);
          fail([...new Set(shown)], { error, reason: null, portal });
        }
      }
    },
  };
}

/** Documents whose deletion is younger are compared too. */
export function deletedSince(now: Date): Date {
  return new Date(now.getTime() - DELETED_DAYS * DAY_MS);
}
