import { isDeepStrictEqual } from 'node:util';
import { LEASE_MS } from '../../lib/work/leases.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { DocumentClient, KeptSnapshot } from '../../store/documents/kept-snapshots.ts';
import type { DocumentStore } from '../../store/documents/watched-documents.ts';
import type { Quarantine } from '../../store/feeds/quarantine.ts';
import type { ChangedTask, ChangesPort } from '../ports/changes.ts';
import type {
  Assignment,
  DocumentDates,
  DocumentSnapshot,
  DocumentStatus,
  SnapshotChange,
} from '../ports/document.ts';
import type { DocumentContextPort } from '../ports/document-context.ts';
import { QUESTION, toGroups } from './ask-together.ts';
import type { Deletions, Reading } from './deletions.ts';
import { type Answer, isYoung, toChanged, toNextSnapshot } from './next-snapshot.ts';
import { keepOrPutAside } from './put-aside.ts';
import { toStatus } from './status.ts';

/** Each unknown value is logged once, and of many such values only so many. */
const MOST_LOGGED = 100;

interface ObservePorts {
  store: DocumentStore;
  /** Documents that cannot be kept. */
  quarantine: Pick<Quarantine, 'put' | 'find' | 'release'>;
  /** Records changes for people and the journal, the documents by their ids, in the transaction that keeps them. */
  onChange(changes: SnapshotChange[], client: DocumentClient): Promise<void>;
  /** A state holds an unknown value: `ExchangeState: Frozen`. */
  onUnknown(value: string): void;
  now: () => Date;
  log: Log;
}

/** Where an observer asks. */
export interface Asked {
  changes: Pick<ChangesPort, 'statesOf'>;
  documentContext: DocumentContextPort;
  deletions: Deletions;
}

/** Observers that ask Directum in different ways; an unknown value is logged once, whichever of them meets it. */
export function createObservers(ports: ObservePorts): (asked: Asked) => Observer {
  const logged = new Set<string>();
  return (asked) => createObserver(ports, asked, logged);
}

/**
 * Keeps what Directum shows of the documents that items show. Every method may throw what DocumentContextPort does; asking
 * again is harmless.
 */
function createObserver(ports: ObservePorts, asked: Asked, logged: Set<string>) {
  const { store, quarantine, now, log } = ports;
  const { changes, documentContext, deletions } = asked;

  /**
   * `whole`: the answers are all there is of the documents. A first snapshot with less would later show old things as new.
   * A document that cannot be kept is put aside, and comes again when it shows something else, or a day later.
   */
  async function record(answers: Map<number, Answer>, askedAt: Date, whole = false): Promise<void> {
    await keepOrPutAside(answers, (some) => keep(some, askedAt, whole), {
      quarantine,
      now,
      onRefused: (documentId, error) => log.error('document.not_kept', { error, documentId }),
    });
  }

  async function keep(answers: Map<number, Answer>, askedAt: Date, whole: boolean): Promise<void> {
    const statuses: Record<string, unknown>[] = [];
    await store.change([...answers.keys()], now(), async (known, client) => {
      const kept = new Map<number, KeptSnapshot>();
      const assignments: Assignment[] = [];
      const told: SnapshotChange[] = [];
      for (const [documentId, { snapshot: before, items, made }] of known) {
        const first = before.status === null;
        if (first && !made && !whole) continue;
        const after = toNextSnapshot(before, answers.get(documentId) ?? {}, askedAt, now(), statusOf);
        if (isDeepStrictEqual({ ...after, askedAt: null }, { ...before, askedAt: null })) continue;
        kept.set(documentId, after);
        assignments.push(...toChanged(before.assignments, after.assignments));
        told.push({
          documentId,
          items,
          made,
          before: first ? null : toSnapshot(before),
          assignmentsBefore: before.assignments,
          after: toSnapshot(after),
        });
        if (after.status !== null && before.status !== after.status)
          statuses.push({ documentId, status: after.status, before: before.status });
      }
      await store.keepAssignments(client, assignments);
      await ports.onChange(told, client);
      return kept;
    });
    for (const facts of statuses) log.info('document.changed', facts);
  }

  function statusOf(state: DocumentState, before: DocumentStatus | null): DocumentStatus | null {
    const { status, unknown } = toStatus(state, before === 'deleted' ? null : before);
    for (const value of unknown) {
      ports.onUnknown(value);
      if (logged.has(value) || logged.size >= MOST_LOGGED) continue;
      logged.add(value);
      log.warn('state.unknown', { documentId: state.id, value });
    }
    return status ?? before;
  }

  async function datesOf(ids: number[]): Promise<Map<number, DocumentDates>> {
    const dates = new Map<number, DocumentDates>();
    for (const group of toGroups(ids, QUESTION))
      for (const one of await documentContext.datesOf(group)) dates.set(one.id, one);
    return dates;
  }

  async function assignmentsOf(taskIds: number[]): Promise<Assignment[]> {
    const found: Assignment[] = [];
    for (const group of toGroups(taskIds, QUESTION))
      found.push(...(await documentContext.assignmentsOf(group)));
    return found;
  }

  /** Assignments by the known documents of their tasks. */
  async function toAnswers(assignments: Assignment[]): Promise<Map<number, Answer>> {
    const documentsOf = await store.documentsOf([...new Set(assignments.map((one) => one.taskId))]);
    const answers = new Map<number, { assignments: Assignment[] }>();
    for (const one of assignments) {
      for (const documentId of documentsOf.get(one.taskId) ?? []) {
        const known = answers.get(documentId);
        if (known) known.assignments.push(one);
        else answers.set(documentId, { assignments: [one] });
      }
    }
    return answers;
  }

  /** Assignments of all tasks of these documents, those not known before included. */
  async function around(ids: number[]): Promise<Map<number, Answer>> {
    const tasks: { id: number; documentIds: number[] }[] = [];
    for (const group of toGroups(ids, QUESTION)) tasks.push(...(await documentContext.tasksOf(group)));
    await store.keepTasks(tasks);
    return toAnswers(await assignmentsOf(tasks.map(({ id }) => id)));
  }

  async function documents(states: DocumentState[], askedAt: Date): Promise<void> {
    await deletions.shown(states.map(({ id }) => id));
    const known = await store.statesOf(states.map(({ id }) => id));
    const changed = states.filter((state) => {
      const kept = known.get(state.id);
      return kept !== undefined && (!isDeepStrictEqual(kept.state, state) || isYoung(state, kept.askedAt));
    });
    if (changed.length === 0) return;
    const ids = changed.map(({ id }) => id);
    const dates = await datesOf(ids);
    // What sent a document back is told with it, and the window of assignments comes only afterwards.
    const returned = changed.filter((state) => toStatus(state, null).status === 'rework');
    const answers: Map<number, Answer> = await around(returned.map(({ id }) => id));
    for (const state of changed)
      answers.set(state.id, {
        ...answers.get(state.id),
        state,
        dates: dates.get(state.id) ?? null,
      });
    await record(answers, askedAt);
    await store.keepAsked(ids, askedAt);
  }

  async function vanished(ids: number[], reading: Reading): Promise<{ deleted: number[]; held: number[] }> {
    if (ids.length === 0) return { deleted: [], held: [] };
    const askedAt = now();
    const { deleted, held, shown } = await deletions.judge(ids, reading);
    const answers = new Map<number, Answer>(shown.map((state) => [state.id, { state }]));
    for (const id of deleted) answers.set(id, { deleted: true });
    await record(answers, askedAt, true);
    await deletions.settle({ deleted, shown });
    return { deleted, held };
  }

  async function whole(ids: number[]): Promise<number[]> {
    const askedAt = now();
    const states = await changes.statesOf(ids);
    const found = states.map(({ id }) => id);
    await deletions.shown(found);
    const answers = await around(found);
    const dates = await datesOf(found);
    for (const state of states)
      answers.set(state.id, {
        ...answers.get(state.id),
        state,
        dates: dates.get(state.id) ?? null,
      });
    await record(answers, askedAt, true);
    return ids.filter((id) => !found.includes(id));
  }

  return {
    /** Documents as a question asked at `askedAt` showed them; those that are not watched are left out. */
    documents,
    /**
     * Everything about these documents, at most ten at a time. @returns those that Directum does not show, of which nothing
     * is kept yet
     */
    whole,
    /** Decides about documents that a reading did not show, and keeps it. */
    vanished,
    deletions,

    /** Tasks that changed. Of a task not known before, all assignments are read. */
    async tasks(tasks: ChangedTask[]): Promise<void> {
      const fresh = await store.keepTasks(tasks.filter(({ status }) => status !== 'Draft'));
      if (fresh.length === 0) return;
      const askedAt = now();
      await record(await toAnswers(await assignmentsOf(fresh)), askedAt);
    },

    async assignments(assignments: Assignment[], askedAt: Date): Promise<void> {
      if (assignments.length > 0) await record(await toAnswers(assignments), askedAt);
    },

    /** Refreshes documents that are due to be read on their own, ten at the most; answers how many there were. */
    async refreshDue(): Promise<number> {
      const at = now();
      const ids = await store.takeRefreshes(at, LEASE_MS.documents, QUESTION);
      if (ids.length === 0) return 0;
      await vanished(await whole(ids), { read: ids.length });
      await store.endRefreshes(ids, new Date(at.getTime() + LEASE_MS.documents));
      return ids.length;
    },
  };
}

export type Observer = ReturnType<typeof createObserver>;

function toSnapshot({ state, status, since, dates, assignments }: KeptSnapshot): DocumentSnapshot {
  return { state, status, since, dates, assignments };
}
