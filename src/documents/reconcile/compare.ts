import type { ItemRef } from '../../robot/ports/portal.ts';
import type { DealProjection, DueUpdate } from '../../store/documents/deal-projection.ts';
import type { SyncedTasks } from '../../store/documents/synced-tasks.ts';
import type { DocumentStore } from '../../store/documents/watched-documents.ts';
import { toCard, toFields } from '../deliver/update-deal.ts';
import type { Deviation, ReachablePortals } from '../ports/deal.ts';
import { compareTasks } from './compare-tasks.ts';

export interface ComparePorts {
  documents: Pick<DocumentStore, 'change'>;
  projection: DealProjection;
  syncedTasks: SyncedTasks;
  portals: ReachablePortals;
  toItem(itemCode: string): ItemRef | null;
  now: () => Date;
}

/** An item that showed a document otherwise than Directum does. */
export interface Difference {
  portal: string;
  itemCode: string;
  documentId: number;
  what: Deviation['part'][];
  deviations: Deviation[];
}

/** A document of an item of which the portal does not show everything. */
interface Refused {
  itemCode: string;
  documentId: number;
  reason: string;
}

type Row = Pick<DueUpdate, 'itemCode' | 'documentId'> & { deviations: Deviation[] };

/**
 * Compares what one portal shows of these documents with what is known of them, and makes what differs due; with an item,
 * only what that item shows.
 */
export async function compareIn(
  portal: string,
  ids: number[],
  pending: PendingWrites,
  ports: ComparePorts,
  itemCode: string | null = null,
): Promise<{ differences: Difference[]; refused: Refused[] }> {
  const rows = (await ports.projection.shownOf(portal, ids)).filter(
    (row) => itemCode === null || row.itemCode === itemCode,
  );
  const { wrong, refused } = await compareShown(portal, rows, ports);
  const shown = wrong.filter((one) => !pending.items.has(toName(one)));
  const tasks = await compareTasks(portal, ids, pending, ports, itemCode);
  const all: Row[] = [...shown, ...tasks];
  const differences = [...Map.groupBy(all, toName).values()].map((of) => {
    const { itemCode, documentId } = of[0] as Row;
    const deviations = of.flatMap((one) => one.deviations);
    const what = [...new Set(deviations.map(({ part }) => part))];
    return { portal, itemCode, documentId, what, deviations };
  });
  return { differences, refused };
}

async function compareShown(
  portal: string,
  rows: DueUpdate[],
  { projection, portals, toItem, now }: ComparePorts,
): Promise<{ wrong: (DueUpdate & { deviations: Deviation[] })[]; refused: Refused[] }> {
  const asked = rows.flatMap((row) => {
    const item = toItem(row.itemCode);
    const card = toCard(row.documentId, row.snapshot);
    if (item === null || card === null) return [];
    const fields = row.ownsFields ? toFields(row.documentId, row.snapshot) : null;
    return [{ row, wanted: { item, fields, activityId: row.activityId, card } }];
  });
  if (asked.length === 0) return { wrong: [], refused: [] };
  const found = await portals.deals(portal).compare(asked.map(({ wanted }) => wanted));
  const gone: DueUpdate[] = [];
  const wrong: (DueUpdate & { deviations: Deviation[] })[] = [];
  const refused: Refused[] = [];
  for (const [n, { row }] of asked.entries()) {
    const one = found[n];
    if (one === undefined) continue;
    if (one === 'gone') {
      gone.push(row);
      continue;
    }
    if (one.deviations.length > 0) wrong.push({ ...row, deviations: one.deviations });
    if (one.refused !== null) refused.push({ ...row, reason: one.refused });
  }
  const parts = wrong.map((row) => ({
    ...row,
    fields: row.deviations.some(({ part }) => part === 'fields'),
    activity: row.deviations.some(({ part }) => part === 'activity'),
  }));
  if (parts.length > 0) await projection.forget(portal, parts, now());
  if (gone.length > 0)
    await projection.settle(
      portal,
      gone.map((row) => ({ ...row, result: 'gone' as const, retryMs: 0 })),
      now(),
    );
  return { wrong, refused };
}

/** What is shown in a moment anyway: it is repaired too, but nothing of it was lost. */
export interface PendingWrites {
  /** As `DEAL_915 5001`. */
  items: ReadonlySet<string>;
  /** By their assignments. */
  tasks: ReadonlySet<number>;
}

export async function readPendingWrites(
  portal: string,
  ids: number[],
  { projection, syncedTasks }: { projection: DealProjection; syncedTasks: SyncedTasks },
): Promise<PendingWrites> {
  const tasks = (await syncedTasks.of(portal, ids)).filter(({ due }) => due);
  return {
    items: await projection.pendingWrites(portal, ids),
    tasks: new Set(tasks.map(({ assignmentId }) => assignmentId)),
  };
}

export function toName({ itemCode, documentId }: Pick<DueUpdate, 'itemCode' | 'documentId'>): string {
  return `${itemCode} ${documentId}`;
}
