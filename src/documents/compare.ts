import type { ItemRef } from '../robot/ports.ts';
import type { DocumentStore } from '../store/documents.ts';
import type { MirroredTasks } from '../store/mirrored-tasks.ts';
import type { ShowStore, ToShow } from '../store/showing.ts';
import { type Awaited, toName } from './awaited.ts';
import { compareTasks } from './compare-tasks.ts';
import type { ReachablePortals } from './ports.ts';
import { toCard, toFields } from './show.ts';

export interface ComparePorts {
  documents: Pick<DocumentStore, 'change'>;
  showing: ShowStore;
  mirrored: MirroredTasks;
  portals: ReachablePortals;
  toItem(itemCode: string): ItemRef | null;
  now: () => Date;
}

/** An item that showed a document otherwise than Directum does. */
export interface Difference {
  portal: string;
  itemCode: string;
  documentId: number;
  what: ('fields' | 'activity' | 'task')[];
}

/** Compares what one portal shows of these documents with what is known of them, and makes what differs due. */
export async function compareIn(
  portal: string,
  ids: number[],
  awaited: Awaited,
  ports: ComparePorts,
): Promise<Difference[]> {
  const rows = await ports.showing.shownOf(portal, ids);
  const shown = (await compareShown(portal, rows, ports)).filter((one) => !awaited.items.has(toName(one)));
  const tasks = await compareTasks(portal, ids, awaited, ports);
  const all = [...shown, ...tasks.map((task) => ({ ...task, what: ['task' as const] }))];
  return [...Map.groupBy(all, toName).values()].map((of) => {
    const { itemCode, documentId } = of[0] as (typeof all)[number];
    return { portal, itemCode, documentId, what: [...new Set(of.flatMap(({ what }) => what))] };
  });
}

async function compareShown(
  portal: string,
  rows: ToShow[],
  { showing, portals, toItem, now }: ComparePorts,
): Promise<(ToShow & { what: ('fields' | 'activity')[] })[]> {
  const asked = rows.flatMap((row) => {
    const item = toItem(row.itemCode);
    const card = toCard(row.documentId, row.sight);
    if (item === null || card === null) return [];
    const fields = row.ownsFields ? toFields(row.documentId, row.sight) : null;
    return [{ row, wanted: { item, fields, activityId: row.activityId, card } }];
  });
  if (asked.length === 0) return [];
  const found = await portals.deals(portal).compare(asked.map(({ wanted }) => wanted));
  const gone: ToShow[] = [];
  const wrong: (ToShow & { what: ('fields' | 'activity')[] })[] = [];
  for (const [n, { row }] of asked.entries()) {
    const what = found[n] ?? [];
    if (what === 'gone') gone.push(row);
    else if (what.length > 0) wrong.push({ ...row, what });
  }
  const parts = wrong.map((row) => ({
    ...row,
    fields: row.what.includes('fields'),
    activity: row.what.includes('activity'),
  }));
  if (parts.length > 0) await showing.forget(portal, parts, now());
  if (gone.length > 0)
    await showing.settle(
      portal,
      gone.map((row) => ({ ...row, result: 'gone' as const, retryMs: 0 })),
      now(),
    );
  return wrong;
}
