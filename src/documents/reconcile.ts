import type { Log } from '../robot/ports.ts';
import { zoneShift } from '../robot/zone.ts';
import type { Comparisons, Found } from '../store/comparisons.ts';
import { type Awaited, readAwaited } from './awaited.ts';
import { type ComparePorts, compareIn, type Difference } from './compare.ts';
import type { Observer } from './observe.ts';

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
  observer: Pick<Observer, 'whole'>;
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
export interface Watching {
  /** An item that differed, with all that differed of it. */
  onItem?(item: Pick<Difference, 'portal' | 'itemCode'>, differences: Difference[]): void;
  onUncompared?(cause: Uncompared): void;
  onStep?(documents: number, all: number): void;
}

/**
 * Reads Directum's truth of everything watched, or of what one item shows, compares it with what the portals really show
 * and makes what differs due to be shown. What cannot be read is passed over. @returns documents seen, and how many could
 * not be read or compared
 */
export async function reconcile(
  ports: ReconcilePorts,
  watching: Watching,
  itemCode: string | null = null,
): Promise<Omit<Found, 'differences'>> {
  const { comparisons, now } = ports;
  if (itemCode === null) await letGo(ports);
  const all = await comparisons.count(deletedSince(now()), itemCode);
  const result = { documents: 0, failed: 0 };
  // An item has one line, so it waits until the last of its documents was compared.
  const open = new Map<string, Difference[]>();
  const tell = (names: Iterable<string>) => {
    for (const name of names) {
      const of = open.get(name) as Difference[];
      watching.onItem?.(of[0] as Difference, of);
      open.delete(name);
    }
  };
  for (let after = 0; ; ) {
    const step = await compareAfter(after, ports, itemCode);
    if (step === null) {
      tell([...open.keys()]);
      return result;
    }
    for (const one of step.differences) {
      const name = toItemName(one);
      open.set(name, [...(open.get(name) ?? []), one]);
    }
    for (const cause of step.uncompared) watching.onUncompared?.(cause);
    result.documents += step.documents;
    result.failed += step.failed;
    after = step.last;
    const waiting = await comparisons.shownAfter(
      after,
      [...open.values()].map(([one]) => one as Difference),
    );
    const later = new Set(waiting.map(toItemName));
    tell([...open.keys()].filter((name) => !later.has(name)));
    watching.onStep?.(result.documents, all);
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
  const step = await compareAfter(turn.after, ports, null);
  if (step !== null) {
    for (const { itemCode, documentId, what } of step.differences)
      log.info('deal.differed', { item: itemCode, documentId, what });
    await comparisons.keep(turn, step.last, { ...step, differences: step.differences.length });
    return true;
  }
  await comparisons.end(turn, toNextNight(now(), timeZone));
  const { documents, failed } = turn;
  if (documents > 0) log.info('reconcile.done', { documents, differences: turn.differences, failed });
  return false;
}

async function letGo({ comparisons, now }: ReconcilePorts): Promise<void> {
  await comparisons.letGo(new Date(now().getTime() - FINAL_DAYS * DAY_MS), now());
}

interface Step {
  last: number;
  documents: number;
  failed: number;
  differences: Difference[];
  uncompared: Uncompared[];
}

/** Compares the documents next to `after`; null when there are none. A portal that is away holds up no other. */
async function compareAfter(
  after: number,
  ports: ReconcilePorts,
  itemCode: string | null,
): Promise<Step | null> {
  const { comparisons, observer, portals, showing, now, log } = ports;
  const ids = await comparisons.after(after, GROUP, deletedSince(now()), itemCode);
  const last = ids.at(-1);
  if (last === undefined) return null;
  const step: Step = { last, documents: ids.length, failed: 0, differences: [], uncompared: [] };
  const failed = new Set<number>();
  const fail = (documents: number[], cause: Omit<Uncompared, 'documents'>) => {
    for (const id of documents) failed.add(id);
    step.uncompared.push({ ...cause, documents: documents.length });
    log.warn('reconcile.failed', { error: cause.error, reason: cause.reason, count: documents.length });
  };
  const awaited = new Map<string, Awaited>();
  try {
    for (const portal of portals.keys()) awaited.set(portal, await readAwaited(portal, ids, ports));
    await observer.whole(ids);
  } catch (error) {
    fail(ids, { error, reason: null, portal: null });
    awaited.clear();
  }
  for (const [portal, before] of awaited) {
    try {
      const { differences, refused } = await compareIn(portal, ids, before, ports, itemCode);
      step.differences.push(...differences);
      for (const { documentId, reason } of refused) fail([documentId], { error: null, reason, portal });
    } catch (error) {
      const shown = (await showing.shownOf(portal, ids)).map(({ documentId }) => documentId);
      fail([...new Set(shown)], { error, reason: null, portal });
    }
  }
  return { ...step, failed: failed.size };
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
