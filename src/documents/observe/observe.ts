import { isDeepStrictEqual } from 'node:util';
import { LEASE_MS } from '../../lib/leases.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { Log } from '../../robot/ports/log.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { DocumentClient, DocumentStore, KeptSnapshot } from '../../store/documents/watched-documents.ts';
import type { ChangedTask, ChangesPort } from '../ports/changes.ts';
import type {
  Assignment,
  ContractDates,
  DocumentSnapshot,
  DocumentStatus,
  SnapshotChange,
} from '../ports/document.ts';
import type { DocumentContextPort } from '../ports/document-context.ts';
import type { Deletions, Look } from './deletions.ts';
import { toStatus } from './status.ts';

/** Most ids one filter surely takes (directum.md A.5). */
const GROUP = 10;
const YOUNG_MS = 2_000;
/** Each unknown value is logged once; a stand may make up many. */
const MOST_SAID = 100;

export interface ObservePorts {
  store: DocumentStore;
  /** Records what people are told of changes, the documents by their ids, in the transaction that keeps them. */
  onChange(changes: SnapshotChange[], client: DocumentClient): Promise<void>;
  /** A state holds a value nobody knows: `ExchangeState: Frozen`. */
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

/** What one answer of Directum says of a document; what it does not say is absent. */
interface News {
  state?: DocumentState;
  deleted?: true;
  dates?: ContractDates | null;
  assignments?: Assignment[];
}

/** Observers that ask in several ways and tell what nobody knows once, whichever of them meets it. */
export function createObservers(ports: ObservePorts): (asked: Asked) => Observer {
  const said = new Set<string>();
  return (asked) => createObserver(ports, asked, said);
}

/**
 * Keeps what Directum shows of the documents that items show. The same answer twice, or an answer that comes late,
 * changes nothing. Every method may throw what SurroundingsPort does; asking again is harmless.
 */
function createObserver(ports: ObservePorts, asked: Asked, said: Set<string>) {
  const { store, now, log } = ports;
  const { changes, documentContext, deletions } = asked;

  /**
   * `whole`: the news is everything there is. A first sight of less would make news of what is old. A document that the
   * database refuses is left out.
   */
  async function record(recordChanges: Map<number, News>, askedAt: Date, whole = false): Promise<void> {
    await withoutBadRows(
      [...recordChanges],
      (some) => keep(new Map(some), askedAt, whole),
      ([documentId], error) => log.error('document.not_kept', { error, documentId }),
    );
  }

  async function keep(recordChanges: Map<number, News>, askedAt: Date, whole: boolean): Promise<void> {
    const statuses: Record<string, unknown>[] = [];
    await store.change([...recordChanges.keys()], now(), async (known, client) => {
      const kept = new Map<number, KeptSnapshot>();
      const assignments: Assignment[] = [];
      const told: SnapshotChange[] = [];
      for (const [documentId, { snapshot: before, items, made }] of known) {
        const first = before.status === null;
        if (first && !made && !whole) continue;
        const after = toNext(before, recordChanges.get(documentId) as News, askedAt);
        if (isDeepStrictEqual({ ...after, askedAt: null }, { ...before, askedAt: null })) continue;
        kept.set(documentId, after);
        assignments.push(...toChanged(before.assignments, after.assignments));
        if (after.status === null) continue;
        told.push({
          documentId,
          items,
          made,
          before: first ? null : toSnapshot(before),
          after: toSnapshot(after),
        });
        if (before.status !== after.status)
          statuses.push({ documentId, status: after.status, before: before.status });
      }
      await store.keepAssignments(client, assignments);
      await ports.onChange(told, client);
      return kept;
    });
    for (const facts of statuses) log.info('document.changed', facts);
  }

  function toNext(before: KeptSnapshot, recordChanges: News, askedAt: Date): KeptSnapshot {
    const after = { ...before };
    if (recordChanges.deleted) {
      const isLate = before.askedAt !== null && askedAt < before.askedAt;
      if (before.status !== 'deleted' && !isLate)
        Object.assign(after, { status: 'deleted', since: toMoment(now()), ended: true, askedAt });
    } else if (recordChanges.state !== undefined && !isStale(recordChanges.state, before, askedAt)) {
      const status = statusOf(recordChanges.state, before.status);
      Object.assign(after, { state: recordChanges.state, status, askedAt });
      // Rights that came back, say; one that ended for another reason stays so.
      if (before.status === 'deleted') after.ended = false;
      if (status !== before.status) after.since = recordChanges.state.modified ?? toMoment(now());
    }
    // A contract stays one: dates that are not shown may be rights lost since its state was asked for.
    if (recordChanges.dates) after.dates = recordChanges.dates;
    if (recordChanges.assignments !== undefined) {
      const byId = new Map(before.assignments.map((one) => [one.id, one]));
      for (const one of recordChanges.assignments) {
        const known = byId.get(one.id);
        if (known === undefined || !isBefore(one.modified, known.modified)) byId.set(one.id, one);
      }
      after.assignments = [...byId.values()].sort((a, b) => a.id - b.id);
    }
    return after;
  }

  function statusOf(state: DocumentState, before: DocumentStatus | null): DocumentStatus | null {
    const { status, unknown } = toStatus(state, before === 'deleted' ? null : before);
    for (const value of unknown) {
      ports.onUnknown(value);
      if (said.has(value) || said.size >= MOST_SAID) continue;
      said.add(value);
      log.warn('state.unknown', { documentId: state.id, value });
    }
    return status ?? before;
  }

  async function datesOf(ids: number[]): Promise<Map<number, ContractDates>> {
    const dates = new Map<number, ContractDates>();
    for (const group of toGroups(ids))
      for (const one of await documentContext.datesOf(group)) dates.set(one.id, one);
    return dates;
  }

  async function assignmentsOf(taskIds: number[]): Promise<Assignment[]> {
    const found: Assignment[] = [];
    for (const group of toGroups(taskIds)) found.push(...(await documentContext.assignmentsOf(group)));
    return found;
  }

  /** Assignments by the known documents of their tasks. */
  async function toNews(assignments: Assignment[]): Promise<Map<number, News>> {
    const documentsOf = await store.documentsOf([...new Set(assignments.map((one) => one.taskId))]);
    const recordChanges = new Map<number, { assignments: Assignment[] }>();
    for (const one of assignments) {
      for (const documentId of documentsOf.get(one.taskId) ?? []) {
        const known = recordChanges.get(documentId);
        if (known) known.assignments.push(one);
        else recordChanges.set(documentId, { assignments: [one] });
      }
    }
    return recordChanges;
  }

  /** Assignments of all tasks of these documents, those not known before included. */
  async function around(ids: number[]): Promise<Map<number, News>> {
    const tasks: { id: number; documentIds: number[] }[] = [];
    for (const group of toGroups(ids)) tasks.push(...(await documentContext.tasksOf(group)));
    await store.keepTasks(tasks);
    return toNews(await assignmentsOf(tasks.map(({ id }) => id)));
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
    const recordChanges: Map<number, News> = await around(returned.map(({ id }) => id));
    for (const state of changed)
      recordChanges.set(state.id, {
        ...recordChanges.get(state.id),
        state,
        dates: dates.get(state.id) ?? null,
      });
    await record(recordChanges, askedAt);
    await store.keepAsked(ids, askedAt);
  }

  async function vanished(ids: number[], look: Look): Promise<{ deleted: number[]; held: number[] }> {
    if (ids.length === 0) return { deleted: [], held: [] };
    const askedAt = now();
    const { deleted, held, shown } = await deletions.judge(ids, look);
    const recordChanges = new Map<number, News>(shown.map((state) => [state.id, { state }]));
    for (const id of deleted) recordChanges.set(id, { deleted: true });
    await record(recordChanges, askedAt, true);
    await deletions.settle({ deleted, shown });
    return { deleted, held };
  }

  async function whole(ids: number[]): Promise<number[]> {
    const askedAt = now();
    const states = await changes.statesOf(ids);
    const found = states.map(({ id }) => id);
    await deletions.shown(found);
    const recordChanges = await around(found);
    const dates = await datesOf(found);
    for (const state of states)
      recordChanges.set(state.id, {
        ...recordChanges.get(state.id),
        state,
        dates: dates.get(state.id) ?? null,
      });
    await record(recordChanges, askedAt, true);
    return ids.filter((id) => !found.includes(id));
  }

  return {
    /** Documents as a question asked at `askedAt` showed them; those nobody watches are passed over. */
    documents,
    /**
     * Everything about these documents, at most ten at a time. @returns those that Directum does not show, of which nothing
     * is kept yet
     */
    whole,
    /** Decides about documents that a look did not show, and keeps it. */
    vanished,
    deletions,

    /** Tasks that changed. Of a task not known before, all assignments are read. */
    async tasks(tasks: ChangedTask[]): Promise<void> {
      const fresh = await store.keepTasks(tasks.filter(({ status }) => status !== 'Draft'));
      if (fresh.length === 0) return;
      const askedAt = now();
      await record(await toNews(await assignmentsOf(fresh)), askedAt);
    },

    async assignments(assignments: Assignment[], askedAt: Date): Promise<void> {
      if (assignments.length > 0) await record(await toNews(assignments), askedAt);
    },

    /** Reads what waits to be read on its own, ten documents at the most; answers how many there were. */
    async look(): Promise<number> {
      const at = now();
      const ids = await store.takeLooks(at, LEASE_MS.documents, GROUP);
      if (ids.length === 0) return 0;
      await vanished(await whole(ids), { looked: ids.length });
      await store.endLooks(ids, new Date(at.getTime() + LEASE_MS.documents));
      return ids.length;
    },
  };
}

export type Observer = ReturnType<typeof createObserver>;

/** Of two answers of one moment the one asked for later counts, unless the other shows a later change. */
function isStale(state: DocumentState, before: KeptSnapshot, askedAt: Date): boolean {
  if (before.askedAt === null || askedAt >= before.askedAt) return false;
  return before.status === 'deleted' || !isBefore(before.state?.modified ?? null, state.modified);
}

/** It was read in the second of its change, in which it may have changed once more without another `Modified`. */
function isYoung(state: DocumentState, askedAt: Date | null): boolean {
  if (askedAt === null || state.modified === null) return false;
  return Math.abs(askedAt.getTime() - Date.parse(state.modified)) < YOUNG_MS;
}

/** Portals keep whole seconds. */
function toMoment(at: Date): string {
  return at.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Unknown times are before nothing. */
function isBefore(one: string | null, other: string | null): boolean {
  return one !== null && other !== null && Date.parse(one) < Date.parse(other);
}

function toChanged(before: Assignment[], after: Assignment[]): Assignment[] {
  const byId = new Map(before.map((one) => [one.id, one]));
  return after.filter((one) => !isDeepStrictEqual(byId.get(one.id), one));
}

function toSnapshot({ state, status, since, dates, assignments }: KeptSnapshot): DocumentSnapshot {
  return { state, status, since, dates, assignments };
}

function toGroups(ids: number[]): number[][] {
  return Array.from({ length: Math.ceil(ids.length / GROUP) }, (_, n) =>
    ids.slice(n * GROUP, (n + 1) * GROUP),
  );
}
