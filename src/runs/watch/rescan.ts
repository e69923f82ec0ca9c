import type { Observer } from '../../documents/observe/observe.ts';
import type { ChangesPort } from '../../documents/ports/changes.ts';
import type { Feed, FeedStep } from '../../lib/work/feed-runner.ts';
import { LEASE_MS } from '../../lib/work/leases.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { DocumentStore } from '../../store/documents/watched-documents.ts';
import type { Quarantine } from '../../store/feeds/quarantine.ts';
import type { WaitStore } from '../../store/runs/waits.ts';
import type { Waker } from './wake-runs.ts';

/** Most ids one filter surely takes (directum.md A.5). */
const GROUP = 10;

export interface RescanPorts {
  waits: WaitStore;
  documents: Pick<DocumentStore, 'rescannedAfter'>;
  quarantine: Quarantine;
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

/** Directum answered, and will answer the same again. */
const isRefusal = (error: unknown) => error instanceof RobotFailure && error.code === 'directum_refused';

type Waited = { id: number; taskId: number | null };

/** The feed of the full rescan. */
export const RESCAN = 'rescan';

/** The round that is under way or was the last, when it began, and the last document that it has read. */
interface RescanCursor {
  round?: number;
  startedAt?: string | null;
  after?: number | null;
}

/** The full rescan: reads every watched document again, for what `Modified` does not show. */
export function rescanFeed(ports: RescanPorts, waker: Waker): Feed {
  const { waits, documents, quarantine, observer, changes, now, log } = ports;

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
   * Directum may refuse the question for one of them. Then each is asked for alone, and what is refused again is put aside for
   * a day; when all are, it is not the documents' fault.
   */
  async function readWithout(group: Waited[], round: number, seesAssignments: boolean): Promise<void> {
    const keyOf = ({ id }: Waited) => String(id);
    const known = await quarantine.find(
      RESCAN,
      group.map((one) => ({ key: keyOf(one) })),
      now(),
    );
    const tried = group.filter((one) => known.get(keyOf(one))?.isAside !== true);
    if (tried.length === 0) return;
    const refused = new Map<Waited, unknown>();
    try {
      await readGroup(tried, round, seesAssignments);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      for (const one of tried)
        await readGroup([one], round, seesAssignments).catch((cause) => {
          if (!isRefusal(cause)) throw cause;
          refused.set(one, cause);
        });
      if (refused.size === tried.length) throw error;
    }
    for (const [{ id }, error] of refused) log.error('document.not_read', { error, documentId: id });
    const aside = [...refused].map(([one, reason]) => ({ key: keyOf(one), reason }));
    await quarantine.put(RESCAN, aside, now());
    const read = tried.filter((one) => known.has(keyOf(one)) && !refused.has(one));
    await quarantine.release(RESCAN, read.map(keyOf));
  }

  /**
   * Everything was read. What was missing before this round began is decided now; what is missing since may be the last few
   * of many that vanished in the middle of the round, so another round follows at once.
   */
  async function endRound(round: number, nextRound: Date): Promise<FeedStep> {
    const { before, since } = await observer.deletions.notedBy('sweep', round);
    await waker.missing(before, since.length, observer);
    return { cursor: { round }, dueAt: since.length > 0 ? now() : nextRound };
  }

  return {
    name: RESCAN,
    leaseMs: LEASE_MS.documents,
    // The same documents again, after a while: an outage is no reason to leave them out.
    retryMs: ports.retryMs,
    async step(cursor) {
      const known = cursor as RescanCursor;
      const startedAt = known.startedAt ?? now().toISOString();
      const round = (known.round ?? 0) + (known.startedAt == null ? 1 : 0);
      const nextRound = new Date(Date.parse(startedAt) + ports.everyMs);
      const { group, full } = await groupAfter(known.after ?? 0);
      const last = group.at(-1);
      if (last === undefined) return endRound(round, nextRound);
      await readWithout(group, round, await waits.seesAssignments());
      if (!full) return endRound(round, nextRound);
      return { cursor: { round, startedAt, after: last.id }, dueAt: now() };
    },
  };
}
