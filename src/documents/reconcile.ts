import type { ItemRef, Log } from '../robot/ports.ts';
import type { Comparisons, Found } from '../store/comparisons.ts';
import type { ShowStore, ToShow } from '../store/showing.ts';
import type { Observer } from './observe.ts';
import type { ReachablePortals } from './ports.ts';
import { toCard, toFields } from './show.ts';

/** Documents a step: what one question surely takes (directum.md A.5). */
const GROUP = 10;
const PAUSE_MS = 340;
const DAY_MS = 86_400_000;
/** Rights that were lost come back within days: so long a deleted document is looked for. */
const DELETED_DAYS = 30;
/** An executed or annulled contract is rarely opened again after so long. */
const FINAL_DAYS = 180;
/** Offices sleep, and so do portals. */
const NIGHT_HOUR = 3;

export interface ReconcilePorts {
  comparisons: Comparisons;
  showing: ShowStore;
  observer: Pick<Observer, 'whole'>;
  portals: ReachablePortals;
  toItem(itemCode: string): ItemRef | null;
  now: () => Date;
  sleep: (ms: number) => Promise<void>;
  log: Log;
}

/** An item that showed a document otherwise than Directum does. */
export interface Difference {
  portal: string;
  itemCode: string;
  documentId: number;
  what: ('fields' | 'activity')[];
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
  await endOld(ports);
  const result = { documents: 0, failed: 0 };
  for (let after = 0; ; ) {
    const step = await compareAfter(after, ports, onDifference);
    if (step === null) return result;
    result.documents += step.documents;
    result.failed += step.failed;
    after = step.last;
    await ports.sleep(PAUSE_MS);
  }
}

/**
 * One step of the comparison of the night, if it is due and no other process makes it; true while there is more. What a
 * killed process began goes on from its last step.
 */
export async function reconcileAtNight(ports: ReconcilePorts, timeZone: string): Promise<boolean> {
  const { comparisons, now, sleep, log } = ports;
  const turn = await comparisons.take(now(), toNextNight(now(), timeZone));
  if (turn === null) return false;
  if (turn.after === 0) await endOld(ports);
  let differences = 0;
  const step = await compareAfter(turn.after, ports, ({ itemCode, documentId, what }) => {
    differences += 1;
    log.info('deal.differed', { item: itemCode, documentId, what });
  });
  if (step !== null) {
    await comparisons.keep(turn, step.last, { ...step, differences });
    await sleep(PAUSE_MS);
    return true;
  }
  await comparisons.end(turn, toNextNight(now(), timeZone));
  const { documents, failed } = turn;
  if (documents > 0) log.info('reconcile.done', { documents, differences: turn.differences, failed });
  return false;
}

async function endOld({ comparisons, now }: ReconcilePorts): Promise<void> {
  await comparisons.endOld(new Date(now().getTime() - FINAL_DAYS * DAY_MS), now());
}

/** Compares the documents next to `after`; null when there are none. */
async function compareAfter(
  after: number,
  ports: ReconcilePorts,
  onDifference: OnDifference,
): Promise<{ last: number; documents: number; failed: number } | null> {
  const { comparisons, showing, observer, portals, now, log } = ports;
  const ids = await comparisons.after(after, GROUP, new Date(now().getTime() - DELETED_DAYS * DAY_MS));
  const last = ids.at(-1);
  if (last === undefined) return null;
  try {
    const keys = portals.keys();
    const awaited = await Promise.all(keys.map((portal) => showing.awaited(portal, ids)));
    await observer.whole(ids);
    for (const [at, portal] of keys.entries())
      await compareIn(portal, ids, awaited[at] as Set<string>, ports, onDifference);
    return { last, documents: ids.length, failed: 0 };
  } catch (error) {
    log.warn('reconcile.failed', { error, count: ids.length });
    return { last, documents: ids.length, failed: ids.length };
  }
}

async function compareIn(
  portal: string,
  ids: number[],
  awaited: ReadonlySet<string>,
  { showing, portals, toItem, now }: ReconcilePorts,
  onDifference: OnDifference,
): Promise<void> {
  const rows = (await showing.shownOf(portal, ids)).flatMap((row) => {
    const item = toItem(row.itemCode);
    const card = toCard(row.documentId, row.sight);
    if (item === null || card === null) return [];
    const fields = row.ownsFields ? toFields(row.documentId, row.sight) : null;
    return [{ row, wanted: { item, fields, activityId: row.activityId, card } }];
  });
  if (rows.length === 0) return;
  const found = await portals.deals(portal).compare(rows.map(({ wanted }) => wanted));
  const gone: ToShow[] = [];
  const wrong: (ToShow & { fields: boolean; activity: boolean })[] = [];
  for (const [n, { row }] of rows.entries()) {
    const what = found[n] ?? [];
    if (what === 'gone') gone.push(row);
    else if (what.length > 0) {
      wrong.push({ ...row, fields: what.includes('fields'), activity: what.includes('activity') });
      // What is shown in a moment anyway is repaired too, but nothing was lost.
      if (!awaited.has(`${row.itemCode} ${row.documentId}`))
        onDifference({ portal, itemCode: row.itemCode, documentId: row.documentId, what });
    }
  }
  if (wrong.length > 0) await showing.forget(portal, wrong, now());
  if (gone.length > 0)
    await showing.settle(
      portal,
      gone.map((row) => ({ ...row, result: 'gone' as const, retryMs: 0 })),
      now(),
    );
}

/** When the next night's comparison begins. */
export function toNextNight(now: Date, timeZone: string): Date {
  const hourIn = new Intl.DateTimeFormat('en', { timeZone, hour: 'numeric', hourCycle: 'h23' });
  const isNight = (time: number) => Number(hourIn.format(time)) === NIGHT_HOUR;
  const quarter = 15 * 60_000;
  let at = now.getTime();
  // Out of this night, if it is one, and on to the next.
  while (isNight(at)) at += quarter;
  while (!isNight(at)) at = (Math.floor(at / quarter) + 1) * quarter;
  return new Date(at);
}
