import type { Log } from '../robot/ports.ts';
import { zoneShift } from '../robot/zone.ts';
import type { Comparisons, Found } from '../store/comparisons.ts';
import { withoutBadRows } from '../store/data-error.ts';
import { type Awaited, readAwaited } from './awaited.ts';
import { type ComparePorts, compareIn, type Difference } from './compare.ts';
import type { Look } from './deletions.ts';
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
  observer: Pick<Observer, 'whole' | 'vanished' | 'deletions'>;
  log: Log;
}

type OnDifference = (difference: Difference) => void;

/** What a comparison by command comes to. */
export interface Compared extends Omit<Found, 'differences'> {
  /** Documents that Directum does not show and that do not count as deleted. */
  held: number[];
}

/**
 * Reads Directum's truth of everything watched, compares it with what the portals really show and makes what differs due
 * to be shown. What cannot be read is passed over. `accept`: whoever asks knows that all that Directum does not show was
 * deleted. @returns documents seen, and how many could not be read or compared
 */
export async function reconcile(
  ports: ReconcilePorts,
  onDifference: OnDifference,
  accept = false,
): Promise<Compared> {
  await letGo(ports);
  const result = { documents: 0, failed: 0 };
  const missing: number[] = [];
  for (let after = 0; ; ) {
    const step = await compareAfter(after, ports, onDifference);
    if (step === null) {
      const look = { looked: result.documents, whole: true, accept };
      return { ...result, held: await decide(missing, look, ports, onDifference) };
    }
    missing.push(...step.missing);
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
  const { deletions } = ports.observer;
  const onDifference: OnDifference = ({ itemCode, documentId, what }) => {
    differences += 1;
    log.info('deal.differed', { item: itemCode, documentId, what });
  };
  const step = await compareAfter(turn.after, ports, onDifference);
  if (step !== null) {
    await deletions.note('night', null, step.missing);
    await comparisons.keep(turn, step.last, { ...step, differences });
    return true;
  }
  try {
    const look = { looked: turn.documents, whole: true };
    const missing = await deletions.notedBy('night', null);
    await decide(missing.before, look, ports, onDifference);
  } catch (error) {
    log.warn('reconcile.failed', { error });
  }
  await comparisons.end(turn, toNextNight(now(), timeZone));
  const { documents, failed } = turn;
  if (documents > 0)
    log.info('reconcile.done', { documents, differences: turn.differences + differences, failed });
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
): Promise<{ last: number; documents: number; failed: number; missing: number[] } | null> {
  const { comparisons, observer, now, log } = ports;
  const ids = await comparisons.after(after, GROUP, new Date(now().getTime() - DELETED_DAYS * DAY_MS));
  const last = ids.at(-1);
  if (last === undefined) return null;
  let failed = 0;
  const missing: number[] = [];
  const compareSome = async (some: number[]) => {
    const awaited = await awaitedOf(some, ports);
    missing.push(...(await observer.whole(some)));
    await compare(some, awaited, ports, onDifference);
  };
  try {
    await withoutBadRows(ids, compareSome, (documentId, error) => {
      failed += 1;
      log.error('document.not_compared', { error, documentId });
    });
    return { last, documents: ids.length, failed, missing: [...new Set(missing)] };
  } catch (error) {
    log.warn('reconcile.failed', { error, count: ids.length });
    return { last, documents: ids.length, failed: ids.length, missing: [] };
  }
}

/** The end of a look over all documents: what counts as deleted, and what items show of it. @returns what is held */
async function decide(
  missing: number[],
  look: Look,
  ports: ReconcilePorts,
  onDifference: OnDifference,
): Promise<number[]> {
  const awaited = await awaitedOf(missing, ports);
  const { deleted, held } = await ports.observer.vanished(missing, look);
  if (deleted.length > 0) await compare(deleted, awaited, ports, onDifference);
  return held;
}

async function awaitedOf(ids: number[], ports: ReconcilePorts): Promise<Map<string, Awaited>> {
  const awaited = new Map<string, Awaited>();
  for (const portal of ports.portals.keys()) awaited.set(portal, await readAwaited(portal, ids, ports));
  return awaited;
}

async function compare(
  ids: number[],
  awaited: Map<string, Awaited>,
  ports: ReconcilePorts,
  onDifference: OnDifference,
): Promise<void> {
  for (const [portal, before] of awaited)
    for (const difference of await compareIn(portal, ids, before, ports)) onDifference(difference);
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
