import type { Observer } from '../../documents/observe/observe.ts';
import type { ChangesPort } from '../../documents/ports/changes.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { DocumentStore } from '../../store/documents/watched-documents.ts';
import type { WaitStore } from '../../store/runs/waits.ts';
import type { Waker } from './wake-runs.ts';

/** Most ids one filter surely takes (directum.md A.5). */
const GROUP = 10;

export interface RescanPorts {
  waits: WaitStore;
  documents: Pick<DocumentStore, 'rescannedAfter'>;
  /** Both ask at the common rate: nobody waits for the rescan. */
  observer: Pick<Observer, 'documents' | 'vanished' | 'whole' | 'deletions'>;
  changes: Pick<ChangesPort, 'statesOf' | 'taskStatesOf'>;
  /** After a failure the same step is made again so much later. */
  retryMs: number;
  /** From the beginning of one rescan to that of the next. */
  everyMs: number;
  now: () => Date;
  log: Log;
}

type Waited = { id: number; taskId: number | null };

/**
 * The full rescan: reads every watched document again, for what `Modified` does not show. Goes in steps, of which several
 * processes make one at a time. The answer is one step; true while there is more of it.
 */
export function createRescan(ports: RescanPorts, waker: Waker): () => Promise<boolean> {
  const { waits, documents, observer, changes, now, log } = ports;

  /** The next documents, one list of those that runs wait for and those that items show. */
  async function groupAfter(after: number): Promise<{ group: Waited[]; full: boolean }> {
    const waited = await waits.watchedAfter(after, GROUP);
    const shown = await documents.rescannedAfter(after, GROUP);
    const byId = new Map(
      [...shown.map((id) => ({ id, taskId: null })), ...waited].map((one) => [one.id, one]),
    );
    const all = [...byId.values()].sort((a, b) => a.id - b.id);
    return { group: all.slice(0, GROUP), full: all.length >= GROUP };
  }

  /** Only where the installation does not show which tasks changed. */
  async function readTasks(group: Waited[]): Promise<void> {
    const documentOf = new Map(
      group.flatMap(({ id, taskId }) => (taskId === null ? [] : [[taskId, id] as const])),
    );
    if (documentOf.size === 0) return;
    const states = await changes.taskStatesOf([...documentOf.keys()]);
    if (states === null) return;
    await waker.tasks(
      states.flatMap((state) => {
        const documentId = documentOf.get(state.id);
        return documentId === undefined ? [] : [{ ...state, documentId }];
      }),
    );
  }

  async function readGroup(group: Waited[], round: number, seesAssignments: boolean): Promise<void> {
    const ids = group.map(({ id }) => id);
    const askedAt = now();
    const states = await changes.statesOf(ids);
    const found = new Set(states.map((state) => state.id));
    await waker.documents(states, askedAt, observer);
    // Runs that wait for one that is known to be deleted; about the others the end of the round decides.
    const missing = ids.filter((id) => !found.has(id));
    await waker.deleted(await observer.deletions.note('sweep', round, missing));
    await readTasks(group);
    if (!seesAssignments) await observer.whole(ids.filter((id) => found.has(id)));
  }

  /**
   * Everything was read. What was missing before this round began is decided now; what is missing since may be the last few
   * of many that vanished in the middle of the round, so another round follows at once. True when one does.
   */
  async function endRound(round: number, nextRound: Date): Promise<boolean> {
    const { before, since } = await observer.deletions.notedBy('sweep', round);
    await waker.missing(before, since.length, observer);
    const again = since.length > 0;
    await waits.endRescan(again ? now() : nextRound, null);
    return again;
  }

  return async () => {
    const turn = await waits.takeRescan(now());
    if (turn === null) return false;
    const nextRound = new Date(turn.startedAt.getTime() + ports.everyMs);
    const { group, full } = await groupAfter(turn.after);
    const last = group.at(-1);
    try {
      if (last === undefined) return await endRound(turn.round, nextRound);
      await readGroup(group, turn.round, turn.seesAssignments);
      if (!full) return await endRound(turn.round, nextRound);
      await waits.endRescan(now(), last.id);
      return true;
    } catch (error) {
      log.warn('sweep.failed', { error });
      // The same documents again, after a while: an outage is no reason to leave them out.
      await waits.endRescan(new Date(now().getTime() + ports.retryMs), turn.after);
      return false;
    }
  };
}
