import { isDeepStrictEqual } from 'node:util';
import { pauseMs } from '../../lib/work/backoff.ts';
import { LEASE_MS } from '../../lib/work/leases.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import { isSignedByUs } from '../../robot/signature.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { DealProjection, DueUpdate } from '../../store/documents/deal-projection.ts';
import type { Quarantine } from '../../store/feeds/quarantine.ts';
import type { ActivityCard, DealFields, DealPort, ReachablePortals, WriteResult } from '../ports/deal.ts';
import type { DocumentSnapshot } from '../ports/document.ts';

/** Most writes of one REST batch (bitrix24.md H3). */
const BATCH = 50;
/** An item that was put aside is written again so much later. */
const ASIDE_MS = 86_400_000;

interface UpdatePorts {
  store: DealProjection;
  /** Items of which our database cannot keep what was written. */
  quarantine: Pick<Quarantine, 'put' | 'release'>;
  portals: ReachablePortals;
  toItem(itemCode: string): ItemRef | null;
  now: () => Date;
  log: Log;
}

/** What the fields of an item hold for the document of that slot (FIELDS_SLOT). */
export function toFields(documentId: number, { state, status, since }: DocumentSnapshot): DealFields {
  return {
    status,
    documentId,
    url: state?.url ?? null,
    number: state?.registrationNumber ?? null,
    since,
  };
}

/** What the document's activity shows; null while nothing is known that could be shown. */
export function toCard(
  documentId: number,
  { state, status, since, assignments }: DocumentSnapshot,
): ActivityCard | null {
  if (state === null || status === null || since === null) return null;
  const open = status === 'deleted' ? [] : assignments.filter((one) => one.status === 'InProcess');
  return {
    documentId,
    name: state.name,
    url: state.url,
    status,
    since,
    number: state.registrationNumber,
    holders: open.flatMap(({ performer, created }) =>
      performer === null ? [] : [{ name: performer.name, since: created }],
    ),
    signer: isSignedByUs(state) ? state.ourSignatory : null,
  };
}

/**
 * Brings the fields and activities of items in line with what is known of their documents. Only differences are written,
 * several changes of one moment as one. @returns how many items were taken, so that the caller goes on while there are more
 */
export async function updateDueDeals(ports: UpdatePorts): Promise<number> {
  const { portals } = ports;
  const taken = await Promise.all(
    portals.keys().map((portal) => updateIn({ portal, deals: portals.deals(portal) }, ports)),
  );
  return taken.reduce((sum, count) => sum + count, 0);
}

async function updateIn(
  { portal, deals }: { portal: string; deals: DealPort },
  ports: UpdatePorts,
): Promise<number> {
  const { store, quarantine, now, log } = ports;
  const due = await store.takeDue(portal, now(), LEASE_MS.portal, BATCH);
  if (due.length === 0) return 0;
  const rows = due.flatMap((row) => {
    const item = ports.toItem(row.itemCode);
    const card = toCard(row.documentId, row.snapshot);
    return item === null || card === null ? [] : [{ row, item, card }];
  });
  const failed = new Map<DueUpdate, 'retry' | 'gone'>();
  /** True when the write was done; a refused one is not tried again until something changes. */
  const isDone = (row: DueUpdate, result: WriteResult | undefined, what: string): boolean => {
    if (result?.ok) return true;
    const why = result?.why ?? 'retry';
    if (why !== 'refused') failed.set(row, why);
    else if (result?.ok === false && !result.said)
      log.error('deal.refused', { item: row.itemCode, documentId: row.documentId, what });
    return false;
  };
  const unkept = new Map<DueUpdate, unknown>();
  /** A write that our database cannot keep counts as failed; its item is put aside for a day, or until it changes. */
  const kept = <T extends DueUpdate>(written: T[], keep: (written: T[]) => Promise<void>) =>
    withoutBadRows(written, keep, ({ itemCode, documentId }, error) => {
      log.error('deal.not_kept', { error, item: itemCode, documentId });
      for (const row of due)
        if (row.itemCode === itemCode && row.documentId === documentId) {
          failed.set(row, 'retry');
          unkept.set(row, error);
        }
    });
  try {
    const fields = rows
      .map(({ row, item }) => ({ row, item, fields: toFields(row.documentId, row.snapshot) }))
      .filter((one) => one.row.ownsFields && !isDeepStrictEqual(one.fields, one.row.shownFields));
    if (fields.length > 0) {
      const results = await deals.writeFields(fields);
      const written = fields.filter(({ row }, n) => isDone(row, results[n], 'fields'));
      const shown = written.map((one) => ({
        ...one.row,
        shownFields: one.fields,
        changed: toChangedNames(one.row.shownFields, one.fields),
      }));
      await kept(shown, (some) => store.keepFields(portal, some, now()));
    }
    const cards = rows.filter(({ row, card }) => !failed.has(row) && !isDeepStrictEqual(card, row.shownCard));
    if (cards.length > 0) {
      const results = await deals.putActivities(
        cards.map(({ row, item, card }) => ({ item, activityId: row.activityId, card })),
      );
      const written = cards.flatMap(({ row, card }, n) => {
        const result = results[n];
        if (!isDone(row, result, 'activity') || !result?.ok) return [];
        const changed = toChangedNames(row.shownCard, card);
        return [{ ...row, activityId: result.id ?? row.activityId, shownCard: card, changed }];
      });
      await kept(written, (some) => store.keepCards(portal, some, now()));
    }
  } catch (error) {
    log.warn('deals.failed', { error, count: rows.length });
    for (const row of due) if (!failed.has(row)) failed.set(row, 'retry');
  }
  const settled = due.map((row) => ({
    ...row,
    result: failed.get(row) ?? ('shown' as const),
    retryMs: unkept.has(row) ? ASIDE_MS : pauseMs(row.attempts + 1),
  }));
  await store.settle(portal, settled, now());
  const toKey = ({ itemCode, documentId }: DueUpdate) => `${portal} ${itemCode} ${documentId}`;
  const aside = [...unkept].map(([row, reason]) => ({ key: toKey(row), reason }));
  await quarantine.put('deals', aside, now());
  await quarantine.release('deals', due.filter((row) => !failed.has(row)).map(toKey));
  return due.length;
}

/** Names of what is shown otherwise than before; all of them where nothing was shown. */
function toChangedNames<T extends object>(before: T | null, after: T): string[] {
  const known = new Map(Object.entries(before ?? {}));
  return Object.entries(after).flatMap(([name, value]) =>
    known.has(name) && isDeepStrictEqual(known.get(name), value) ? [] : [name],
  );
}
