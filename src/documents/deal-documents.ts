import type { LocalText } from '../robot/failure.ts';
import type { Log } from '../robot/ports/log.ts';
import type { ItemRef } from '../robot/ports/portal.ts';
import type { DocumentStores } from '../store/document-stores.ts';
import { commentHandler } from './deliver/failures.ts';
import { noticeHandlers } from './deliver/notices.ts';
import { taskHandler } from './deliver/task-sync.ts';
import { triggerHandler } from './deliver/triggers.ts';
import { updateDueDeals } from './deliver/update-deal.ts';
import { createChangeRecorder } from './facts/record-changes.ts';
import { createDeletions } from './observe/deletions.ts';
import { createObservers } from './observe/observe.ts';
import type { ChangesPort } from './ports/changes.ts';
import type { ReachablePortals } from './ports/deal.ts';
import type { DocumentContextPort } from './ports/document-context.ts';
import { type Asked, nightFeed, reconcile, type Told } from './reconcile/reconcile.ts';

/** Bulk questions about watched documents and what stands around them. */
interface Watching {
  changes: ChangesPort;
  documentContext: DocumentContextPort;
}

interface DealDocumentsPorts {
  stores: DocumentStores;
  settings: {
    /** DIRECTUM_POLL_SECONDS, in milliseconds. */
    pollMs: number;
    timeZone: string;
    /** DIRECTUM_DUE_DAYS. */
    dueDays: readonly number[];
    failuresShown: 'comment' | 'notice' | 'both' | 'off';
  };
  seal: { encrypt(text: string): string; decrypt(text: string): string };
  directum: Watching & { atRate(take: () => Promise<void>): Watching };
  portals: ReachablePortals;
  toItem(code: string): ItemRef | null;
  /** Title of a robot by its code. */
  robotName(code: string): LocalText;
  /** A state of Directum holds a value nobody knows. */
  onUnknown: (value: string) => void;
  /** Directum shows again what it did not for lost rights. */
  onRightsBack: () => void;
  now: () => Date;
  log: Log;
}

/**
 * Everything by which deals show their documents (interface.md §5), put together for the service and the commands. Its
 * steps are made again and again by whoever holds them; several processes do not disturb one another.
 */
export function createDealDocuments(ports: DealDocumentsPorts) {
  const { stores, settings, seal, directum, portals, toItem, now, log } = ports;
  const { documents, projection, toldFacts, failures, syncedTasks, dateChecks, missing, directumRate } =
    stores;
  const recorder = createChangeRecorder({
    toldFacts,
    syncedTasks,
    dateChecks,
    quarantine: stores.quarantine,
    journal: stores.journal,
    seal,
    timeZone: settings.timeZone,
    steps: settings.dueDays,
    now,
    log,
  });
  const observeBy = createObservers({
    store: documents,
    quarantine: stores.quarantine,
    onChange: recorder.record,
    onUnknown: ports.onUnknown,
    now,
    log,
  });
  const watchBy = ({ changes, documentContext }: Watching) => {
    const deletions = createDeletions({
      store: missing,
      changes,
      quietMs: settings.pollMs,
      onBack: ports.onRightsBack,
      now,
      log,
    });
    return observeBy({ changes, documentContext, deletions });
  };
  const observer = watchBy(directum);
  const slowly = directum.atRate(directumRate.take);
  const atCommonRate = { changes: slowly.changes, observer: watchBy(slowly) };
  // A document that an item was just given, or that somebody wants to see anew, does not wait for a long row of others.
  const { refreshDue } = watchBy(directum.atRate(directumRate.owe));
  const deal = { portals, toItem, now, log };
  const sending = {
    ...deal,
    ...{ queue: stores.queue, notices: stores.notices, failures, seal },
    ...{ shown: settings.failuresShown, robotName: ports.robotName },
  };
  const comparing = { ...stores, observer: atCommonRate.observer, ...deal };

  return {
    documents,
    observer,
    quarantine: stores.quarantine,
    /** What is read at the common rate: many questions, urgent to nobody. */
    atCommonRate,
    /** Steps of work whose rows are taken one by one, so that all processes share it; each answers whether there is more of it. */
    steps: {
      async refresh() {
        if ((await refreshDue()) === 0) return false;
        await directumRate.take();
        return true;
      },
      show: async () =>
        (await updateDueDeals({ store: projection, quarantine: stores.quarantine, ...deal })) > 0,
    },
    /** What is due again and again, and one process does for all. */
    feeds: [recorder.dates, nightFeed(comparing, settings.timeZone)],
    /** How triggers, notices, comments and tasks leave by the outbox. */
    handlers: [
      triggerHandler(sending),
      commentHandler(sending),
      ...noticeHandlers(sending),
      taskHandler({ ...sending, syncedTasks }),
    ],
    /** Compares everything now, or what one item shows. */
    compare: (told: Told, asked: Asked) => reconcile(comparing, told, asked),
    /** Items of reachable portals that show these documents. */
    async itemsOf(ids: number[]): Promise<{ itemCode: string; documentId: number }[]> {
      const shown = await Promise.all(portals.keys().map((portal) => projection.shownOf(portal, ids)));
      return shown.flat();
    },
    /** Does Directum withhold documents for lost rights? */
    isBlind: async () => (await missing.heldCount()) > 0,
    /** How many items of reachable portals are still to be told of a document, and tasks to be written. */
    dueCount: async () =>
      (await projection.dueCount(portals.keys())) + (await syncedTasks.dueCount(portals.keys())),
    /** Somebody pressed "refresh now" on the activity of a document; `portal` is the slots' portal key. */
    async refresh(portal: string, documentId: number): Promise<void> {
      if (await documents.refresh(portal, documentId, now())) await refreshDue();
    },
    /** The application was removed from a portal: of what failed before nobody there is told any more. */
    dropFailures: failures.forget,
    /** Drops what was told in a portal (uninstallation with CLEAN=1). */
    async forget(portal: string): Promise<void> {
      await toldFacts.forget(portal);
      await syncedTasks.forget(portal);
    },
  };
}
