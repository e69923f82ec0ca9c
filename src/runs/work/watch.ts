import type { Observer } from '../../documents/observe/observe.ts';
import type { ChangesPort } from '../../documents/ports/changes.ts';
import type { DocumentContextPort } from '../../documents/ports/document-context.ts';
import type { Feed, FeedStep } from '../../lib/work/feed-runner.ts';
import { LEASE_MS } from '../../lib/work/leases.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { DocumentStore } from '../../store/documents/watched-documents.ts';
import type { Feeds } from '../../store/feeds/feeds.ts';
import type { Quarantine } from '../../store/feeds/quarantine.ts';
import type { WaitStore } from '../../store/runs/waits.ts';
import { RESCAN, type RescanPorts, rescanFeed } from './rescan.ts';
import { createWaker } from './wake-runs.ts';

/** Times come from Directum's clock and rows may appear late: each question asks a little further back (directum.md G.2). */
const OVERLAP_MS = 5 * 60_000;
const BEGINNING = new Date(0);
/** Directum's clock is surely not further behind ours; `npm run doctor` reports smaller differences already. */
const LAG_MS = 60 * 60_000;

/** The feed of the question what changed. */
const POLL = 'poll';

/** How far each question was asked; by Directum's clock. */
interface Cursors {
  documents: Date | null;
  tasks: Date | null;
  assignments: Date | null;
}

interface WatchPorts {
  waits: WaitStore;
  feeds: Pick<Feeds, 'restart' | 'hasten'>;
  quarantine: Quarantine;
  /** Documents that CRM items show. */
  documents: Pick<DocumentStore, 'isEmpty' | 'rescannedAfter' | 'refreshAll'>;
  observer: Pick<Observer, 'documents' | 'tasks' | 'assignments' | 'vanished' | 'deletions'>;
  changes: Omit<ChangesPort, 'statesOf' | 'taskStatesOf' | 'anyOfTypes'>;
  documentContext: Pick<DocumentContextPort, 'newestAssignment' | 'assignments'>;
  /** For the full rescan. */
  atCommonRate: Pick<RescanPorts, 'observer' | 'changes'>;
  pollMs: number;
  /** How often every watched document is read again. */
  rescanMs: number;
  now: () => Date;
  /** Runs became due. */
  onWake: () => void;
  log: Log;
}

/**
 * Asks Directum what changed, wakes the runs that wait for it, and hands everything to the observer of the documents that
 * items show. Nothing is kept in memory, and of several processes one at a time asks.
 */
export function createWatch(ports: WatchPorts) {
  const { waits, feeds, documents, observer, changes, documentContext, now, log } = ports;
  const { atCommonRate, pollMs, rescanMs } = ports;
  const waker = createWaker(ports);

  /** Asks what changed since `cursor`, page by page; answers the new cursor. */
  async function askChanges<T extends { modified: string | null }>(
    cursor: Date,
    page: (since: string, after: number) => Promise<{ rows: T[]; next: number | null }>,
    take: (rows: T[], askedAt: Date) => Promise<void>,
    hold: () => Promise<void>,
  ): Promise<Date> {
    const since = new Date(Math.max(0, cursor.getTime() - OVERLAP_MS)).toISOString();
    let latest = cursor.getTime();
    for (let after: number | null = 0; after !== null; ) {
      const askedAt = now();
      const { rows, next } = await page(since, after);
      if (rows.length > 0) await take(rows, askedAt);
      for (const { modified } of rows) if (modified !== null) latest = Math.max(latest, Date.parse(modified));
      after = next;
      if (after !== null) await hold();
    }
    // A card dated in the future must not hide all changes until then.
    return new Date(Math.min(latest, Math.max(cursor.getTime(), now().getTime())));
  }

  function toCursor(newest: string | null): Date {
    return newest === null ? BEGINNING : new Date(Math.min(Date.parse(newest), now().getTime()));
  }

  /** The newest change is searched among all records, which a size guard may refuse (directum.md A.5). */
  async function newest(ask: () => Promise<string | null>): Promise<string | null> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof RobotFailure) || error.code !== 'directum_refused') throw error;
      return new Date(now().getTime() - LAG_MS).toISOString();
    }
  }

  async function begin(cursors: Cursors): Promise<Cursors> {
    const newestAssignment =
      cursors.assignments === null ? await newest(documentContext.newestAssignment) : null;
    return {
      documents: cursors.documents ?? toCursor(await newest(() => changes.newest('documents'))),
      tasks: cursors.tasks ?? toCursor(await newest(() => changes.newest('tasks'))),
      // Where the installation shows none, the rescan reads the assignments.
      assignments: cursors.assignments ?? (newestAssignment === null ? null : toCursor(newestAssignment)),
    };
  }

  /** Documents that are held for lost rights may be shown again, or be deleted after all. */
  async function recheckHeld(): Promise<void> {
    try {
      const found = await observer.deletions.recheck();
      if (found === null) return;
      await waker.missing(found.missing, 0, observer);
      if (found.back.length > 0) await feeds.hasten([RESCAN]);
    } catch (error) {
      log.warn('rights.not_looked_at', { error });
    }
  }

  /** One cycle: three questions, however many runs wait and documents are shown. */
  async function poll(cursor: unknown, hold: () => Promise<void>): Promise<FeedStep> {
    const turn = toCursors(cursor);
    const dueAt = new Date(now().getTime() + pollMs);
    let missed = false;
    // Runs are woken even while what items show cannot be kept; the same questions are then asked again.
    const observed = async (work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        missed = true;
        log.warn('observation.failed', { error });
      }
    };
    await recheckHeld();
    await hold();
    // With an old cursor the first question of the next wait would ask for everything since.
    if ((await waits.isEmpty()) && (await documents.isEmpty())) return { cursor: {}, dueAt };
    if (turn.documents === null || turn.tasks === null) {
      const begun = await begin(turn);
      // Whatever changed between the first reading and this beginning is found by reading all once.
      await documents.refreshAll(now());
      await feeds.restart(RESCAN, { startedAt: null, after: null });
      return { cursor: begun, dueAt };
    }
    const documentCursor = await askChanges(
      turn.documents,
      changes.documents,
      (rows, askedAt) => observed(() => waker.documents(rows, askedAt, observer)),
      hold,
    );
    const taskCursor = await askChanges(
      turn.tasks,
      changes.tasks,
      async (rows) => {
        const started = rows.filter((row) => row.status !== 'Draft');
        const tasks = started.flatMap(({ documentIds, id, status, startedAt: since }) =>
          documentIds.map((documentId) => ({ documentId, id, status, startedAt: since })),
        );
        await waker.tasks(tasks);
        await observed(() => observer.tasks(started));
      },
      hold,
    );
    const { assignments } =
      turn.assignments === null
        ? await begin(turn)
        : {
            assignments: await askChanges(
              turn.assignments,
              documentContext.assignments,
              (rows, askedAt) => observed(() => observer.assignments(rows, askedAt)),
              hold,
            ),
          };
    return { cursor: missed ? cursor : { documents: documentCursor, tasks: taskCursor, assignments }, dueAt };
  }

  return {
    poll: { name: POLL, leaseMs: LEASE_MS.poll, retryMs: pollMs, step: poll } satisfies Feed,
    rescan: rescanFeed(
      {
        ...{ waits, documents, quarantine: ports.quarantine, ...atCommonRate, now, log },
        ...{ retryMs: Math.min(pollMs, rescanMs), everyMs: rescanMs },
      },
      waker,
    ),
  };
}

/** As a step has left them; empty before the first one. */
function toCursors(cursor: unknown): Cursors {
  const { documents, tasks, assignments } = cursor as Partial<Record<keyof Cursors, string | null>>;
  const toDate = (moment: string | null | undefined) => (moment == null ? null : new Date(moment));
  return { documents: toDate(documents), tasks: toDate(tasks), assignments: toDate(assignments) };
}
