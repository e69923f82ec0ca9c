import type { Log } from '../robot/ports.ts';
import { zoneShift } from '../robot/zone.ts';
import type { Comparisons, Found } from '../store/comparisons.ts';
import { withoutBadRows } from '../store/data-error.ts';
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

type OnDifference = (difference: Difference) => void;

/**
 * Reads Directum's truth of everything watched, compares it with what the portals really show and makes what differs due
 * to be shown. What cannot be read is passed over. @returns documents seen, and how many could not be read or compared
 */
export async function reconcile(
  ports: ReconcilePorts,
  onDifference: OnDifference,
): Promise<Omit<Found, 'differences'>> {
  await letGo(ports);
  const result = { documents: 0, failed: 0 };
  for (let after = 0; ; ) {
    const step = await compareAfter(after, ports, onDifference);
    if (step === null) return result;
    result.documents += step.documents;
    result.failed += step.failed;
    after = step.last;
  }
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
  let differences = 0;
  const step = await compareAfter(turn.after, ports, ({ itemCode, documentId, what }) => {
    differences += 1;
    log.info('deal.differed', { item: itemCode, documentId, what });
  });
  if (step !== null) {
    await comparisons.keep(turn, step.last, { ...step, differences });
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

/** Compares the documents next to `after`; null when there are none. */
async function compareAfter(
  after: number,
  ports: ReconcilePorts,
  onDifference: OnDifference,
): Promise<{ last: number; documents: number; failed: number } | null> {
  const { comparisons, observer, portals, now, log } = ports;
  const ids = await comparisons.after(after, GROUP, new Date(now().getTime() - DELETED_DAYS * DAY_MS));
  const last = ids.at(-1);
  if (last === undefined) return null;
  let failed = 0;
  const compare = async (some: number[]) => {
    const awaited = new Map<string, Awaited>();
    for (const portal of portals.keys()) awaited.set(portal, await readAwaited(portal, some, ports));
    await observer.whole(some);
    for (const [portal, before] of awaited)
      for (const difference of await compareIn(portal, some, before, ports)) onDifference(difference);
  };
  try {
    await withoutBadRows(ids, compare, (documentId, error) => {
      failed += 1;
      log.error('document.not_compared', { error, documentId });
    });
    return { last, documents: ids.length, failed };
  } catch (error) {
    log.warn('reconcile.failed', { error, count: ids.length });
    return { last, documents: ids.length, failed: ids.length };
  }
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
