import type { ChangesPort, Log } from '../robot/ports.ts';
import { toSeen } from '../robot/signature.ts';
import type { WaitStore } from '../store/waits.ts';

/** Times come from Directum's clock and rows may appear late: each window looks back a little (directum.md G.2). */
const OVERLAP_MS = 5 * 60_000;
/** Most ids one filter surely takes (directum.md A.5). */
const GROUP = 10;
/** A sweep asks at most three times a second. */
const PAUSE_MS = 340;
const BEGINNING = new Date(0);

export interface WatchPorts {
  waits: WaitStore;
  changes: ChangesPort;
  pollMs: number;
  /** How often every watched document is read again, for what `Modified` does not show. */
  sweepMs: number;
  now: () => Date;
  sleep: (ms: number) => Promise<void>;
  /** Runs became due. */
  onWake: () => void;
  log: Log;
}

/**
 * Wakes the runs whose document shows other facts than their last attempt saw; the attempt itself decides. Nothing
 * is kept in memory, and of several processes one at a time asks.
 */
export function createWatch({ waits, changes, pollMs, sweepMs, now, sleep, onWake, log }: WatchPorts) {
  const woken = (count: number) => {
    if (count > 0) onWake();
  };

  /** Asks what changed since `cursor`, page by page; answers the new cursor. */
  async function window<T extends { modified: string | null }>(
    cursor: Date,
    page: (since: string, after: number) => Promise<{ rows: T[]; next: number | null }>,
    take: (rows: T[]) => Promise<number>,
  ): Promise<Date> {
    const since = new Date(Math.max(0, cursor.getTime() - OVERLAP_MS)).toISOString();
    let latest = cursor.getTime();
    for (let after: number | null = 0; after !== null; ) {
      const { rows, next } = await page(since, after);
      if (rows.length > 0) woken(await take(rows));
      for (const { modified } of rows) if (modified !== null) latest = Math.max(latest, Date.parse(modified));
      after = next;
      if (after !== null) await waits.keepPoll(now());
    }
    // One card dated in the future must not blind the window until then.
    return new Date(Math.min(latest, Math.max(cursor.getTime(), now().getTime())));
  }

  async function firstCursor(kind: 'documents' | 'tasks'): Promise<Date> {
    const newest = await changes.newest(kind);
    return newest === null ? BEGINNING : new Date(Math.min(Date.parse(newest), now().getTime()));
  }

  return {
    /** One cycle, when it is due: two questions, however many runs wait. */
    async poll(): Promise<void> {
      const startedAt = now();
      const turn = await waits.takePoll(startedAt);
      if (turn === null) return;
      const nextAt = new Date(startedAt.getTime() + pollMs);
      try {
        if (await waits.isEmpty()) {
          // An old cursor would make the first window of the next wait span everything since.
          return await waits.endPoll(nextAt, { documents: null, tasks: null });
        }
        if (turn.documents === null || turn.tasks === null) {
          const cursors = { documents: await firstCursor('documents'), tasks: await firstCursor('tasks') };
          await waits.endPoll(nextAt, cursors);
          // Whatever changed between the waits' first reading and this beginning is found by reading all once.
          return await waits.sweepNow();
        }
        const documents = await window(turn.documents, changes.documents, (rows) =>
          waits.wakeChanged(
            rows.map((row) => ({ id: row.id, seen: toSeen(row) })),
            now(),
          ),
        );
        const tasks = await window(turn.tasks, changes.tasks, async (rows) => {
          const started = rows.filter((row) => row.status !== 'Draft');
          const pairs = started.flatMap(({ documentIds, id, status, startedAt: since }) =>
            documentIds.map((documentId) => ({ documentId, id, status, startedAt: since })),
          );
          return pairs.length === 0 ? 0 : waits.wakeTasks(pairs, now());
        });
        await waits.endPoll(nextAt, { documents, tasks });
      } catch (error) {
        log.warn('watch.failed', { error });
        await waits.endPoll(nextAt);
      }
    },

    /** One step of the slow sweep; true while there is more of it. */
    async sweep(): Promise<boolean> {
      const turn = await waits.takeSweep(now());
      if (turn === null) return false;
      const nextRound = new Date(turn.startedAt.getTime() + sweepMs);
      const group = await waits.watchedAfter(turn.after, GROUP);
      const last = group.at(-1);
      if (last === undefined) {
        await waits.endSweep(nextRound, null);
        return false;
      }
      try {
        const ids = group.map(({ id }) => id);
        const states = await changes.statesOf(ids);
        const found = new Set(states.map((state) => state.id));
        const missing = ids.filter((id) => !found.has(id));
        woken(
          await waits.wakeChanged(
            states.map((state) => ({ id: state.id, seen: toSeen(state) })),
            now(),
          ),
        );
        if (missing.length > 0) woken(await waits.wakeMissing(missing, now()));
        await sweepTasks(group);
        await sleep(PAUSE_MS);
      } catch (error) {
        log.warn('sweep.failed', { error });
        // The same group again, after a while: an outage is not a reason to pass documents over.
        await waits.endSweep(new Date(now().getTime() + Math.min(pollMs, sweepMs)), turn.after);
        return false;
      }
      const more = group.length === GROUP;
      await waits.endSweep(more ? now() : nextRound, more ? last.id : null);
      return more;
    },
  };

  /** Only where the installation does not show which tasks changed. */
  async function sweepTasks(group: { id: number; taskId: number | null }[]): Promise<void> {
    const byTask = new Map(
      group.flatMap(({ id, taskId }) => (taskId === null ? [] : [[taskId, id] as const])),
    );
    if (byTask.size === 0) return;
    const states = await changes.taskStatesOf([...byTask.keys()]);
    if (states === null) return;
    await sleep(PAUSE_MS);
    const pairs = states.map((state) => ({ ...state, documentId: byTask.get(state.id) as number }));
    woken(await waits.wakeTasks(pairs, now()));
  }
}
