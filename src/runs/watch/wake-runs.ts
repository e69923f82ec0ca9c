import type { Observer } from '../../documents/observe/observe.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { Log } from '../../robot/ports/log.ts';
import { toSeen } from '../../robot/signature.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { WaitStore } from '../../store/runs/waits.ts';

interface WakerPorts {
  waits: WaitStore;
  now: () => Date;
  /** Runs became due. */
  onWake: () => void;
  log: Log;
}

/** The state of a task, told for one of the documents it is about. */
interface TaskOfDocument {
  documentId: number;
  id: number;
  status: string;
  startedAt: string | null;
}

/**
 * Wakes runs whose document or task shows other facts than their last attempt saw; the attempt itself decides. What it is
 * given goes to the observer of the documents that items show, too.
 */
export function createWaker({ waits, now, onWake, log }: WakerPorts) {
  const woken = (count: number) => {
    if (count > 0) onWake();
  };

  /** A row that the database refuses is left out and wakes no run. */
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

  async function deleted(ids: number[]): Promise<void> {
    if (ids.length > 0) woken(await waits.wakeMissing(ids, now()));
  }

  return {
    async documents(
      states: DocumentState[],
      askedAt: Date,
      observer: Pick<Observer, 'documents'>,
    ): Promise<void> {
      const changed = states.map((state) => ({ id: state.id, seen: toSeen(state) }));
      await wake('document', changed, (some) => waits.wakeChanged(some, now()));
      await observer.documents(states, askedAt);
    },

    tasks: (tasks: TaskOfDocument[]) => wake('task', tasks, (some) => waits.wakeTasks(some, now())),

    /** Wakes the runs of documents that count as deleted. */
    deleted,

    /** Decides, after everything was read, about the documents that were not found; `more` are decided later. */
    async missing(
      ids: number[],
      more: number,
      observer: Pick<Observer, 'vanished' | 'deletions'>,
    ): Promise<void> {
      if (ids.length === 0) return;
      const reading = { read: await observer.deletions.count(), more, whole: true };
      await deleted((await observer.vanished(ids, reading)).deleted);
    },
  };
}

export type Waker = ReturnType<typeof createWaker>;
