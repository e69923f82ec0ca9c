import type { ItemRef, Log } from '../robot/ports.ts';
import type { DocumentStore } from '../store/documents.ts';
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
  store: DocumentStore;
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

/**
 * Reads Directum's truth of everything watched, compares it with what the portals really show and makes what differs due
 * to be shown. What cannot be read is passed over. @returns documents seen, and how many could not be read or compared
 */
export async function reconcile(
  ports: ReconcilePorts,
  onDifference: (difference: Difference) => void,
): Promise<{ documents: number; failed: number }> {
  const { store, observer, portals, now, sleep, log } = ports;
  await store.endOld(new Date(now().getTime() - FINAL_DAYS * DAY_MS), now());
  const deletedSince = new Date(now().getTime() - DELETED_DAYS * DAY_MS);
  const result = { documents: 0, failed: 0 };
  for (let after = 0; ; ) {
    const ids = await store.comparedAfter(after, GROUP, deletedSince);
    const last = ids.at(-1);
    if (last === undefined) return result;
    result.documents += ids.length;
    try {
      await observer.whole(ids);
      for (const portal of portals.keys()) await compareIn(portal, ids, ports, onDifference);
    } catch (error) {
      log.warn('reconcile.failed', { error, count: ids.length });
      result.failed += ids.length;
    }
    after = last;
    await sleep(PAUSE_MS);
  }
}

async function compareIn(
  portal: string,
  ids: number[],
  { showing, portals, toItem, now }: ReconcilePorts,
  onDifference: (difference: Difference) => void,
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
