import type { Observer } from '../../documents/observe/observe.ts';
import type { ChangesPort } from '../../documents/ports/changes.ts';
import type { DocumentContextPort } from '../../documents/ports/document-context.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { Log } from '../../robot/ports/log.ts';
import { toSeen } from '../../robot/signature.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { DocumentStore } from '../../store/documents/watched-documents.ts';
import type { Cursors, WaitStore } from '../../store/runs/waits.ts';

/** Times come from Directum's clock and rows may appear late: each window looks back a little (directum.md G.2). */
const OVERLAP_MS = 5 * 60_000;
/** Most ids one filter surely takes (directum.md A.5). */
const GROUP = 10;
const BEGINNING = new Date(0);
/** By how much Directum's clock surely does not go behind ours; `npm run doctor` tells of less. */
const LAG_MS = 60 * 60_000;

export interface WatchPorts {
  waits: WaitStore;
  /** Documents that CRM items show. */
  documents: Pick<DocumentStore, 'isEmpty' | 'sweptAfter' | 'lookAtAll'>;
  observer: Pick<Observer, 'documents' | 'tasks' | 'assignments' | 'vanished' | 'deletions'>;
  changes: Omit<ChangesPort, 'statesOf' | 'taskStatesOf' | 'anyOfTypes'>;
  documentContext: Pick<DocumentContextPort, 'newestAssignment' | 'assignments'>;
  /** For the rescan, which asks at the common pace. */
  paced: {
    observer: Pick<Observer, 'documents' | 'vanished' | 'whole' | 'deletions'>;
    changes: Pick<ChangesPort, 'statesOf' | 'taskStatesOf'>;
  };
  pollMs: number;
  /** How often every watched document is read again, for what `Modified` does not show. */
  rescanMs: number;
  now: () => Date;
  /** Runs became due. */
  onWake: () => void;
  log: Log;
}

/**
 * Looks at what changed in Directum: wakes the runs whose document shows other facts than their last attempt saw (the
 * attempt itself decides), and hands everything to the observer of the documents that items show. Nothing is kept in
 * memory, and of several processes one at a time asks.
 */
export function createWatch(ports: WatchPorts) {
  const { waits, documents, observer, changes, documentContext, paced, pollMs, rescanMs, now, onWake, log } =
    ports;
  const woken = (count: number) => {
    if (count > 0) onWake();
  };

  /** Wakes the runs that wait for these; one that the database refuses wakes nobody and is left out. */
  async function wake<T extends { id: number }>(
    what: 'document' | 'task',
    rows: T[],
    work: (rows: T[]) => Promise<number>,
  ): Promise<void> {
    await withoutBadRows(
      rows,
      async (some) => woken(await work(some)),
      ({ id }, error) => log.error('change.not_compared', { error, what, id }),
    );
  }

  /** Asks what changed since `cursor`, page by page; answers the new cursor. */
  async function window<T extends { modified: string | null }>(
    cursor: Date,
    page: (since: string, after: number) => Promise<{ rows: T[]; next: number | null }>,
    take: (rows: T[], askedAt: Date) => Promise<void>,
  ): Promise<Date> {
    const since = new Date(Math.max(0, cursor.getTime() - OVERLAP_MS)).toISOString();
    let latest = cursor.getTime();
    for (let after: number | null = 0; after !== null; ) {
      const askedAt = now();
      const { rows, next } = await page(since, after);
      if (rows.length > 0) await take(rows, askedAt);
      for (const { modified } of rows) if (modified !== null) latest = Math.max(latest, Date.parse(modified));
      after = next;
      if (after !== null) await waits.keepPoll(now());
    }
    // One card dated in the future must not blind the window until then.
    return new Date(Math.min(latest, Math.max(cursor.getTime(), now().getTime())));
  }

  function toCursor(newest: string | null): Date {
    return newest === null ? BEGINNING : new Date(Math.min(Date.parse(newest), now().getTime()));
  }

  /** The newest change is looked for among all records, which a size guard may refuse (directum.md A.5). */
  async function newest(ask: () => Promise<string | null>): Promise<string | null> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof RobotFailure) || error.code !== 'directum_refused') throw error;
      return new Date(now().getTime() - LAG_MS).toISOString();
    }
  }

  async function seen(
    states: DocumentState[],
    askedAt: Date,
    by: Pick<Observer, 'documents'>,
  ): Promise<void> {
    const changed = states.map((state) => ({ id: state.id, seen: toSeen(state) }));
    await wake('document', changed, (some) => waits.wakeChanged(some, now()));
    await by.documents(states, askedAt);
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

  return {
    /** One cycle, when it is due: three questions, however many runs wait and documents are shown. */
    async poll(): Promise<void> {
      const startedAt = now();
      const turn = await waits.takePoll(startedAt);
      if (turn === null) return;
      const nextAt = new Date(startedAt.getTime() + pollMs);
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
      try {
        await lookAtHeld();
        if ((await waits.isEmpty()) && (await documents.isEmpty())) {
          // An old cursor would make the first window of the next wait span everything since.
          return await waits.endPoll(nextAt, { documents: null, tasks: null, assignments: null });
        }
        if (turn.documents === null || turn.tasks === null) {
          await waits.endPoll(nextAt, await begin(turn));
          // Whatever changed between the first reading and this beginning is found by reading all once.
          await documents.lookAtAll(now());
          return await waits.sweepNow();
        }
        const documentCursor = await window(turn.documents, changes.documents, (rows, askedAt) =>
          observed(() => seen(rows, askedAt, observer)),
        );
        const taskCursor = await window(turn.tasks, changes.tasks, async (rows) => {
          const started = rows.filter((row) => row.status !== 'Draft');
          const counterpartyLinks = started.flatMap(({ documentIds, id, status, startedAt: since }) =>
            documentIds.map((documentId) => ({ documentId, id, status, startedAt: since })),
          );
          await wake('task', counterpartyLinks, (some) => waits.wakeTasks(some, now()));
          await observed(() => observer.tasks(started));
        });
        const { assignments } =
          turn.assignments === null
            ? await begin(turn)
            : {
                assignments: await window(turn.assignments, documentContext.assignments, (rows, askedAt) =>
                  observed(() => observer.assignments(rows, askedAt)),
                ),
              };
        const cursors = { documents: documentCursor, tasks: taskCursor, assignments };
        await waits.endPoll(nextAt, missed ? undefined : cursors);
      } catch (error) {
        log.warn('watch.failed', { error });
        await waits.endPoll(nextAt);
      }
    },

    /** One step of the slow rescan; true while there is more of it. */
    async rescan(): Promise<boolean> {
      const turn = await waits.takeSweep(now());
      if (turn === null) return false;
      const nextRound = new Date(turn.startedAt.getTime() + rescanMs);
      const { group, full } = await groupAfter(turn.after);
      const last = group.at(-1);
      try {
        if (last === undefined) return await endRound(turn.round, nextRound);
        const ids = group.map(({ id }) => id);
        const askedAt = now();
        const states = await paced.changes.statesOf(ids);
        const found = new Set(states.map((state) => state.id));
        const missing = ids.filter((id) => !found.has(id));
        await seen(states, askedAt, paced.observer);
        // Runs that wait for one that is known to be deleted; of the others the end of the round decides.
        const deleted = await paced.observer.deletions.note('sweep', turn.round, missing);
        if (deleted.length > 0) woken(await waits.wakeMissing(deleted, now()));
        await sweepTasks(group);
        if (!turn.seesAssignments) await paced.observer.whole(ids.filter((id) => found.has(id)));
        if (!full) return await endRound(turn.round, nextRound);
        await waits.endSweep(now(), last.id);
        return true;
      } catch (error) {
        log.warn('sweep.failed', { error });
        // The same group again, after a while: an outage is not a reason to pass documents over.
        await waits.endSweep(new Date(now().getTime() + Math.min(pollMs, rescanMs)), turn.after);
        return false;
      }
    },
  };

  /**
   * Everything was looked at. What was missing before this round began is decided now; what is missing since may be the
   * last few of many that vanished in its middle, so another round follows at once. True when one does.
   */
  async function endRound(round: number, nextRound: Date): Promise<boolean> {
    const { before, since } = await paced.observer.deletions.notedBy('sweep', round);
    await decided(before, since.length, paced.observer);
    const again = since.length > 0;
    await waits.endSweep(again ? now() : nextRound, null);
    return again;
  }

  async function decided(
    missing: number[],
    more: number,
    by: Pick<Observer, 'vanished' | 'deletions'>,
  ): Promise<void> {
    if (missing.length === 0) return;
    const look = { looked: await by.deletions.count(), more, whole: true };
    const { deleted } = await by.vanished(missing, look);
    if (deleted.length > 0) woken(await waits.wakeMissing(deleted, now()));
  }

  /** What is held for lost rights may be shown again, or be deleted after all. */
  async function lookAtHeld(): Promise<void> {
    try {
      const found = await observer.deletions.recheck();
      if (found === null) return;
      await decided(found.missing, 0, observer);
      if (found.back.length > 0) await waits.sweepSoon();
    } catch (error) {
      log.warn('rights.not_looked_at', { error });
    }
    await waits.keepPoll(now());
  }

  /** The next documents of the rescan, one list of those waited for and those shown. */
  async function groupAfter(
    after: number,
  ): Promise<{ group: { id: number; taskId: number | null }[]; full: boolean }> {
    const waited = await waits.watchedAfter(after, GROUP);
    const shown = await documents.sweptAfter(after, GROUP);
    const byId = new Map(
      [...shown.map((id) => ({ id, taskId: null })), ...waited].map((one) => [one.id, one]),
    );
    const all = [...byId.values()].sort((a, b) => a.id - b.id);
    return { group: all.slice(0, GROUP), full: all.length >= GROUP };
  }

  /** Only where the installation does not show which tasks changed. */
  async function sweepTasks(group: { id: number; taskId: number | null }[]): Promise<void> {
    const byTask = new Map(
      group.flatMap(({ id, taskId }) => (taskId === null ? [] : [[taskId, id] as const])),
    );
    if (byTask.size === 0) return;
    const states = await paced.changes.taskStatesOf([...byTask.keys()]);
    if (states === null) return;
    const counterpartyLinks = states.map((state) => ({
      ...state,
      documentId: byTask.get(state.id) as number,
    }));
    await wake('task', counterpartyLinks, (some) => waits.wakeTasks(some, now()));
  }
}
