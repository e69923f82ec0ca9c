import type { Observer } from '../../documents/observe/observe.ts';
import type { ChangedTask, ChangesPort } from '../../documents/ports/changes.ts';
import type { Assignment } from '../../documents/ports/document.ts';
import type { DocumentContextPort } from '../../documents/ports/document-context.ts';
import type { Feed, FeedStep } from '../../lib/work/feed-runner.ts';
import { LEASE_MS } from '../../lib/work/leases.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { DocumentStore } from '../../store/documents/watched-documents.ts';
import type { Feeds } from '../../store/feeds/feeds.ts';
import type { Quarantine } from '../../store/feeds/quarantine.ts';
import type { WaitStore } from '../../store/runs/waits.ts';
import { createAskChanges } from './ask-changes.ts';
import { RESCAN, type RescanPorts, rescanFeed } from './rescan.ts';
import { createWaker } from './wake-runs.ts';

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
  documentContext: Pick<DocumentContextPort, 'newestAssignment' | 'assignments' | 'newestAssignments'>;
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
 * items show. Cursors are kept in the database, and of several processes one at a time asks; what one remembers besides (ask-changes.ts)
 * only saves work.
 */
export function createWatch(ports: WatchPorts) {
  const { waits, feeds, documents, observer, changes, documentContext, now, log } = ports;
  const { atCommonRate, pollMs, rescanMs } = ports;
  const waker = createWaker(ports);
  /** What the present cycle could not keep is asked for again. */
  let missed = false;
  // Runs are woken even while what items show cannot be kept.
  const observed = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      missed = true;
      log.warn('observation.failed', { error });
    }
  };
  let hold = async (): Promise<void> => undefined;
  const asking = { now, onPage: () => hold() };
  const askDocuments = createAskChanges<DocumentState>(
    {
      page: changes.documents,
      newest: changes.newestDocuments,
      take: (rows, askedAt) => observed(() => waker.documents(rows, askedAt, observer)),
      awaitedSince: waits.savedSince,
    },
    asking,
  );
  const askTasks = createAskChanges<ChangedTask>(
    {
      page: changes.tasks,
      newest: changes.newestTasks,
      take: takeTasks,
      awaitedSince: waits.tasksSavedSince,
    },
    asking,
  );
  const askAssignments = createAskChanges<Assignment>(
    {
      page: documentContext.assignments,
      newest: documentContext.newestAssignments,
      take: (rows, askedAt) => observed(() => observer.assignments(rows, askedAt)),
      // No run waits for an assignment.
      awaitedSince: async () => new Set(),
    },
    asking,
  );

  async function takeTasks(rows: ChangedTask[]): Promise<void> {
    const started = rows.filter((row) => row.status !== 'Draft');
    const tasks = started.flatMap(({ documentIds, id, status, startedAt: since }) =>
      documentIds.map((documentId) => ({ documentId, id, status, startedAt: since })),
    );
    await waker.tasks(tasks);
    await observed(() => observer.tasks(started));
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
  async function poll(cursor: unknown, holding: () => Promise<void>): Promise<FeedStep> {
    const turn = toCursors(cursor);
    const dueAt = new Date(now().getTime() + pollMs);
    missed = false;
    hold = holding;
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
    const asked = [await askDocuments(turn.documents), await askTasks(turn.tasks)];
    const [documentsAsked, tasksAsked] = asked;
    let assignments: Date | null;
    if (turn.assignments === null) ({ assignments } = await begin(turn));
    else {
      const found = await askAssignments(turn.assignments);
      asked.push(found);
      assignments = found.cursor;
    }
    if (missed) return { cursor, dueAt };
    for (const { keep } of asked) keep();
    return {
      cursor: {
        documents: documentsAsked?.cursor ?? turn.documents,
        tasks: tasksAsked?.cursor ?? turn.tasks,
        assignments,
      },
      dueAt,
    };
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
