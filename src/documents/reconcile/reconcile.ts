import { zoneShift } from '../../lib/zone.ts';
import type { Log } from '../../robot/ports/log.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { Comparisons, Found } from '../../store/documents/comparisons.ts';
import type { Reading } from '../observe/deletions.ts';
import type { Observer } from '../observe/observe.ts';
import {
  type ComparePorts,
  compareIn,
  type Difference,
  type PendingWrites,
  readPendingWrites,
} from './compare.ts';

/** Documents a step: what one question surely takes (directum.md A.5). */
const GROUP = 10;
const DAY_MS = 86_400_000;
/** Rights that were lost come back within days: so long a deleted document is looked for. */
const DELETED_DAYS = 30;
/** An executed or annulled contract is rarely opened again after so long. */
const FINAL_DAYS = 180;
/** Offices sleep, and so do portals. */
const NIGHT_HOUR = 3;

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

/** What a comparison tells while it goes on. */
export interface Told {
  /** An item that differed, with all that differed of it. */
  onItem?(item: Pick<Difference, 'portal' | 'itemCode'>, differences: Difference[]): void;
  onUncompared?(cause: Uncompared): void;
  onStep?(documents: number, all: number): void;
}

/** What is compared by a command. */
export interface Asked {
  /** Only what this item shows. */
  itemCode: string | null;
  /** Whoever asks knows that all that Directum does not show was deleted. */
  accept: boolean;
}

/** What a comparison by a command comes to. */
export interface Compared extends Omit<Found, 'differences'> {
  /** Documents that Directum does not show and that do not count as deleted. */
  held: number[];
}

/**
 * Reads Directum's truth of everything watched, or of what one item shows, compares it with what the portals really show
 * and makes what differs due to be shown. What cannot be read is passed over. @returns documents seen, and how many could
 * not be read or compared
 */
export async function reconcile(
  ports: ReconcilePorts,
  told: Told,
  { itemCode, accept }: Asked = { itemCode: null, accept: false },
): Promise<Compared> {
  const { comparisons, now } = ports;
  if (itemCode === null) await letGo(ports);
  const all = await comparisons.count(deletedSince(now()), itemCode);
  const result = { documents: 0, failed: 0 };
  const missing: number[] = [];
  // An item has one line, so it waits until the last of its documents was compared.
  const open = new Map<string, Difference[]>();
  const tell = (names: Iterable<string>) => {
    for (const name of names) {
      const of = open.get(name) as Difference[];
      told.onItem?.(of[0] as Difference, of);
      open.delete(name);
    }
  };
  const take = (step: Pick<Step, 'failed' | 'differences' | 'uncompared'>) => {
    for (const one of step.differences) {
      const name = toItemName(one);
      open.set(name, [...(open.get(name) ?? []), one]);
    }
    for (const cause of step.uncompared) told.onUncompared?.(cause);
    result.failed += step.failed;
  };
  for (let after = 0; ; ) {
    const step = await compareAfter(after, ports, itemCode);
    if (step === null) {
      const reading = { read: result.documents, whole: itemCode === null, accept };
      const { held, ...decided } = await decide(missing, reading, ports, itemCode);
      take(decided);
      tell([...open.keys()]);
      return { ...result, held };
    }
    take(step);
    missing.push(...step.missing);
    result.documents += step.documents;
    after = step.last;
    const waiting = await comparisons.shownAfter(
      after,
      [...open.values()].map(([one]) => one as Difference),
    );
    const later = new Set(waiting.map(toItemName));
    tell([...open.keys()].filter((name) => !later.has(name)));
    told.onStep?.(result.documents, all);
  }
}

function toItemName({ portal, itemCode }: Pick<Difference, 'portal' | 'itemCode'>): string {
  return `${portal} ${itemCode}`;
}

function deletedSince(now: Date): Date {
  return new Date(now.getTime() - DELETED_DAYS * DAY_MS);
}

/**
 * One step of the comparison of the night, if it is due and no other process makes it; true while there is more. What a
 * killed process began goes on from its last step.
 */
export async function reconcileAtNight(ports: ReconcilePorts, timeZone: string): Promise<boolean> {
  const { comparisons, now, log } = ports;
  const turn = await comparisons.take(now(), toNextNight(now(), timeZone));
  if (turn === null) return false;
  if (turn.after === 0) await letGo(ports);
  const { deletions } = ports.observer;
  const say = (differences: Difference[]) => {
    for (const { itemCode, documentId, what } of differences)
      log.info('deal.differed', { item: itemCode, documentId, what });
    return differences.length;
  };
  const step = await compareAfter(turn.after, ports, null);
  if (step !== null) {
    await deletions.note('night', null, step.missing);
    await comparisons.keep(turn, step.last, { ...step, differences: say(step.differences) });
    return true;
  }
  let { differences, failed } = turn;
  try {
    const missing = await deletions.notedBy('night', null);
    const decided = await decide(missing.before, { read: turn.documents, whole: true }, ports, null);
    differences += say(decided.differences);
    failed += decided.failed;
  } catch (error) {
    log.warn('reconcile.failed', { error });
  }
  await comparisons.end(turn, toNextNight(now(), timeZone));
  const { documents } = turn;
  if (documents > 0) log.info('reconcile.done', { documents, differences, failed });
  return false;
}

async function letGo({ comparisons, now }: ReconcilePorts): Promise<void> {
  await comparisons.letGo(new Date(now().getTime() - FINAL_DAYS * DAY_MS), now());
}

interface Step {
  last: number;
  documents: number;
  failed: number;
  /** Documents that Directum did not show. */
  missing: number[];
  differences: Difference[];
  uncompared: Uncompared[];
}

/** Compares the documents next to `after`; null when there are none. */
async function compareAfter(
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
async function decide(
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

/** When the next night's comparison begins. */
export function toNextNight(now: Date, timeZone: string): Date {
  const isNight = (time: number) => new Date(time + zoneShift(time, timeZone)).getUTCHours() === NIGHT_HOUR;
  const quarter = 15 * 60_000;
  let at = now.getTime();
  // Out of this night, if it is one, and on to the next.
  while (isNight(at)) at += quarter;
  while (!isNight(at)) at = (Math.floor(at / quarter) + 1) * quarter;
  return new Date(at);
}
