import { isReady } from './bitrix24/auth/installation.ts';
import type { Portals } from './bitrix24/portals.ts';
import { toItemRef } from './bitrix24/robots/robot-call.ts';
import type { Config } from './config.ts';
import type { DirectumService, Watching } from './directum/directum.ts';
import { tellFailures } from './documents/deliver/failures.ts';
import { syncTasks } from './documents/deliver/task-sync.ts';
import { tell } from './documents/deliver/tell.ts';
import { updateDueDeals } from './documents/deliver/update-deal.ts';
import { createChangeRecorder } from './documents/facts/record-changes.ts';
import { createDeletions } from './documents/observe/deletions.ts';
import { createObservers } from './documents/observe/observe.ts';
import type { ReachablePortals } from './documents/ports/deal.ts';
import { type Asked, reconcile, reconcileAtNight, type Told } from './documents/reconcile/reconcile.ts';
import type { LocalText } from './robot/failure.ts';
import type { Log } from './robot/ports/log.ts';
import { createComparisons } from './store/documents/comparisons.ts';
import { createDateChecks } from './store/documents/date-checks.ts';
import { createDealProjection } from './store/documents/deal-projection.ts';
import { createMissingDocuments } from './store/documents/missing-documents.ts';
import { createSyncedTasks } from './store/documents/synced-tasks.ts';
import { createDocumentStore } from './store/documents/watched-documents.ts';
import { createDirectumRate } from './store/limits/directum-rate.ts';
import { createFailures } from './store/outbox/kept-failures.ts';
import { createOutbox } from './store/outbox/outbox.ts';
import type { SecretKeys } from './store/secrets/secrets.ts';
import type { Store } from './store/store.ts';

export interface DealDocumentsPorts {
  config: Config;
  store: Store;
  keys: SecretKeys;
  directum: DirectumService;
  portals: Portals;
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
export function openDealDocuments(ports: DealDocumentsPorts) {
  const { config, store, keys, directum, portals, now, log } = ports;
  const documents = createDocumentStore(store.pool);
  const projection = createDealProjection(store.pool);
  const outbox = createOutbox(store.pool);
  const failures = createFailures(store.pool);
  const syncedTasks = createSyncedTasks({
    pool: store.pool,
    seal: keys,
    log,
    on: config.DIRECTUM_TASKS === 'on',
  });
  const dateChecks = createDateChecks(store.pool);
  const recordChanges = createChangeRecorder({
    outbox,
    syncedTasks,
    dateChecks,
    seal: keys,
    timeZone: config.TIME_ZONE,
    steps: config.DIRECTUM_DUE_DAYS,
    now,
  });
  const observeBy = createObservers({
    store: documents,
    onChange: recordChanges.record,
    onUnknown: ports.onUnknown,
    now,
    log,
  });
  const missing = createMissingDocuments(store.pool);
  const watchBy = ({ changes, documentContext }: Watching) => {
    const deletions = createDeletions({
      store: missing,
      changes,
      quietMs: config.DIRECTUM_POLL_SECONDS * 1_000,
      onBack: ports.onRightsBack,
      now,
      log,
    });
    return observeBy({ changes, documentContext, deletions });
  };
  const observer = watchBy(directum);
  const pace = createDirectumRate(store.asyncCommitPool);
  const slowly = directum.paced(pace.take);
  const paced = { changes: slowly.changes, observer: watchBy(slowly) };
  // A document that an item was just given, or that somebody wants to see anew, does not wait for a long row of others.
  const { refreshDue } = watchBy(directum.paced(pace.owe));

  const ready = () => portals.installations.list().filter(isReady);
  const reachable: ReachablePortals = {
    keys: () => [...new Set(ready().map(({ portalKey }) => portalKey))],
    deals(portal) {
      const installation = ready().find(({ portalKey }) => portalKey === portal);
      if (installation === undefined) throw new Error('the portal cannot be reached any more');
      return portals.deals(installation.memberId);
    },
  };
  const deal = { portals: reachable, toItem: (code: string) => toItemRef(code), now, log };
  const show = async () => (await updateDueDeals({ store: projection, ...deal })) > 0;
  const comparing = {
    comparisons: createComparisons(store.pool),
    documents,
    projection,
    syncedTasks,
    observer: paced.observer,
    ...deal,
  };

  return {
    documents,
    observer,
    /** What is read at the common pace: many questions, urgent to nobody. */
    paced,
    /** Steps; each answers whether there is more of it. */
    steps: {
      async look() {
        if ((await refreshDue()) === 0) return false;
        await pace.take();
        return true;
      },
      show,
      tell: () => tell({ outbox, failures, seal: keys, ...deal }),
      failures: () =>
        tellFailures({
          failures,
          outbox,
          shown: config.FAILURES_SHOWN,
          robotName: ports.robotName,
          seal: keys,
          ...deal,
        }),
      mirror: () => syncTasks({ syncedTasks, ...deal }),
      dates: recordChanges.checkDates,
      night: () => reconcileAtNight(comparing, config.TIME_ZONE),
    },
    /** Dates are looked at when the service starts (interface.md §5). */
    restartDates: dateChecks.restart,
    /** Compares everything now, or what one item shows. */
    compare: (told: Told, asked: Asked) => reconcile(comparing, told, asked),
    /** Items of reachable portals that show these documents. */
    async itemsOf(ids: number[]): Promise<{ itemCode: string; documentId: number }[]> {
      const shown = await Promise.all(reachable.keys().map((portal) => projection.shownOf(portal, ids)));
      return shown.flat();
    },
    /** Does Directum withhold documents for lost rights? */
    isBlind: async () => (await missing.heldCount()) > 0,
    /** How many items of reachable portals are still to be told of a document, and tasks to be written. */
    dueCount: async () =>
      (await projection.dueCount(reachable.keys())) + (await syncedTasks.dueCount(reachable.keys())),
    /** Somebody pressed "refresh now" on the activity of a document. */
    async refresh({ memberId, documentId }: { memberId: string; documentId: number }): Promise<void> {
      const portal = portals.installations.get(memberId)?.portalKey;
      if (portal === undefined || !(await documents.refresh(portal, documentId, now()))) return;
      await refreshDue();
    },
    /** The application was removed from a portal: of what failed before nobody there is told any more. */
    dropFailures: failures.forget,
    /** Drops what was told in a portal (uninstallation with CLEAN=1). */
    async forget(portal: string): Promise<void> {
      await outbox.forget(portal);
      await syncedTasks.forget(portal);
    },
  };
}

export type DealDocuments = ReturnType<typeof openDealDocuments>;
