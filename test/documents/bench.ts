import { isDeepStrictEqual } from 'node:util';
import { noticeHandlers } from '../../src/documents/deliver/notices.ts';
import { taskHandler } from '../../src/documents/deliver/task-sync.ts';
import { triggerHandler } from '../../src/documents/deliver/triggers.ts';
import { updateDueDeals } from '../../src/documents/deliver/update-deal.ts';
import { createChangeRecorder } from '../../src/documents/facts/record-changes.ts';
import { createDeletions } from '../../src/documents/observe/deletions.ts';
import { createObservers } from '../../src/documents/observe/observe.ts';
import type { ChangedTask, ChangesPort } from '../../src/documents/ports/changes.ts';
import type { DealPort, WriteResult } from '../../src/documents/ports/deal.ts';
import type { Assignment, DocumentDates, SnapshotChange } from '../../src/documents/ports/document.ts';
import type { DocumentContextPort } from '../../src/documents/ports/document-context.ts';
import { type Asked, nightFeed, reconcile, type Told } from '../../src/documents/reconcile/reconcile.ts';
import type { DocumentState } from '../../src/robot/ports/document-state.ts';
import type { ItemRef } from '../../src/robot/ports/portal.ts';
import { createWatch } from '../../src/runs/watch/watch.ts';
import { createComparisons } from '../../src/store/documents/comparisons.ts';
import { createDateChecks } from '../../src/store/documents/date-checks.ts';
import { createDealProjection } from '../../src/store/documents/deal-projection.ts';
import { createMissingDocuments } from '../../src/store/documents/missing-documents.ts';
import { createSyncedTasks } from '../../src/store/documents/synced-tasks.ts';
import { createDocumentStore } from '../../src/store/documents/watched-documents.ts';
import { createFeeds } from '../../src/store/feeds/feeds.ts';
import { createQuarantine } from '../../src/store/feeds/quarantine.ts';
import { writeJournal, writePeople } from '../../src/store/journal/write-journal.ts';
import { createFailures } from '../../src/store/outbox/kept-failures.ts';
import { createNotices } from '../../src/store/outbox/notices.ts';
import { createOutbox } from '../../src/store/outbox/outbox.ts';
import { createToldFacts } from '../../src/store/outbox/told-facts.ts';
import { createWaits } from '../../src/store/runs/waits.ts';
import { loadSecretKeys } from '../../src/store/secrets/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import { storeBench } from '../store/bench.ts';
import { feedStep } from '../store/feed-step.ts';
import { fakeDeals as fakeTasks } from './fake-deals.ts';
import { outboxStep } from './outbox-step.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

/** A Directum of plain lists that counts what it is asked. */
export function fakeDirectum(now: () => Date) {
  const documents = new Map<number, DocumentState>();
  const tasks = new Map<number, ChangedTask>();
  const assignments = new Map<number, Assignment>();
  const dates = new Map<number, DocumentDates>();
  const asked: string[] = [];
  const fake = {
    asked,
    dates,
    documents,
    down: false,
    showsAssignments: true,
    /** Happens just before a question is answered. */
    meanwhile: null as ((question: string) => void) | null,
    /** A document as it is now; what is not given stays. */
    put(id: number, changes: Partial<DocumentState> = {}): DocumentState {
      const state: DocumentState = {
        name: `Договор ${id}`,
        url: `https://rx.example/${id}`,
        lifeCycleState: 'Draft',
        internalApprovalState: null,
        externalApprovalState: null,
        exchangeState: null,
        lastVersionApproved: false,
        registrationNumber: null,
        ourSignatory: null,
        ...documents.get(id),
        id,
        modified: now().toISOString(),
        ...changes,
      };
      documents.set(id, state);
      return state;
    },
    task(id: number, documentIds: number | number[], status = 'InProcess') {
      const at = now().toISOString();
      tasks.set(id, { id, status, startedAt: at, modified: at, documentIds: [documentIds].flat() });
    },
    assign(id: number, taskId: number, changes: Partial<Assignment> = {}) {
      const at = now().toISOString();
      assignments.set(id, {
        taskId,
        kind: null,
        url: `https://rx.example/a/${id}`,
        subject: 'Согласуйте',
        status: 'InProcess',
        result: null,
        deadline: null,
        created: at,
        completed: null,
        performer: { id: 7, name: 'Петрова Анна', email: 'petrova@acme.example' },
        comment: null,
        ...assignments.get(id),
        id,
        modified: at,
        ...changes,
      });
    },
  };
  const ask = <T>(question: string, answer: () => T): Promise<T> => {
    asked.push(question);
    fake.meanwhile?.(question);
    return fake.down ? Promise.reject(new Error('down')) : Promise.resolve(structuredClone(answer()));
  };
  const after = <T extends { id: number; modified: string | null }>(
    all: Map<number, T>,
    since: string,
    id: number,
  ) => {
    const found = [...all.values()]
      .filter((one) => one.modified !== null && one.modified > since && one.id > id)
      .sort((a, b) => a.id - b.id);
    const rows = found.slice(0, 100);
    return { rows, next: found.length > 100 ? (rows.at(-1)?.id ?? null) : null };
  };
  const newest = (all: Map<number, { modified: string | null }>) =>
    [...all.values()].reduce<string | null>(
      (best, { modified }) => (modified !== null && (best === null || modified > best) ? modified : best),
      null,
    );
  const changes: ChangesPort = {
    newest: (kind) => ask('newest', () => newest(kind === 'documents' ? documents : tasks)),
    documents: (since, id) => ask('documents', () => after(documents, since, id)),
    tasks: (since, id) => ask('tasks', () => after(tasks, since, id)),
    statesOf: (ids) => ask('statesOf', () => ids.flatMap((id) => documents.get(id) ?? [])),
    newestDocuments: async () => null,
    newestTasks: async () => null,
    taskStatesOf: async () => null,
    anyOfTypes: () => ask('anyOfTypes', () => documents.size > 0),
  };
  const documentContext: DocumentContextPort = {
    newestAssignment: () =>
      ask('newestAssignment', () => (fake.showsAssignments ? newest(assignments) : null)),
    assignments: (since, id) => ask('assignments', () => after(assignments, since, id)),
    newestAssignments: async () => null,
    assignmentsOf: (ids) =>
      ask('assignmentsOf', () => [...assignments.values()].filter((one) => ids.includes(one.taskId))),
    tasksOf: (ids) =>
      ask('tasksOf', () =>
        [...tasks.values()]
          .filter((task) => task.documentIds.some((id) => ids.includes(id)))
          .map((task) => ({ ...task, url: `task/${task.id}` })),
      ),
    datesOf: (ids) => ask('datesOf', () => ids.flatMap((id) => dates.get(id) ?? [])),
  };
  return {
    ...fake,
    ports: { changes, documentContext },
    set: fake,
  };
}

/** A portal's items as they show their documents. */
export function fakeDeals() {
  const fields = new Map<string, unknown>();
  const activities = new Map<number, { item: string; card: unknown }>();
  const writes: string[] = [];
  const fake = {
    fields,
    activities,
    writes,
    /** Items that are not there, that refuse for now, or that refuse. */
    answers: new Map<string, 'gone' | 'retry' | 'refused'>(),
    down: false,
    /** Lists no tasks. */
    silent: false,
    /** Says "done" to every write and does nothing. */
    drops: false,
    /** Happens while the portal answers the next comparison. */
    meanwhile: null as (() => Promise<void>) | null,
    activitiesOf: (item: string) => [...activities.values()].filter((one) => one.item === item),
  };
  const write = (what: string, item: ItemRef, done: () => WriteResult): WriteResult => {
    writes.push(`${what} ${item.code}`);
    const why = fake.answers.get(item.code);
    if (fake.drops) return { ok: true };
    return why === undefined ? done() : { ok: false, why };
  };
  const check = () => {
    if (fake.down) throw new Error('the portal is away');
  };
  const tasks = fakeTasks({ 'petrova@acme.example': 7, 'sidorov@acme.example': 8 });
  const deals: DealPort = {
    ...tasks,
    readTasks: (ids) =>
      fake.silent ? Promise.reject(new Error('the portal is busy')) : tasks.readTasks(ids),
    async compare(all) {
      check();
      const { meanwhile } = fake;
      fake.meanwhile = null;
      await meanwhile?.();
      return all.map(({ item, fields: wanted, activityId, card }) => {
        if (fake.answers.get(item.code) === 'gone') return 'gone';
        const activity = activityId === null ? undefined : activities.get(activityId)?.card;
        const differs = {
          fields: wanted !== null && !isDeepStrictEqual(fields.get(item.code), wanted),
          activity: !isDeepStrictEqual(activity, card),
        };
        const parts = (['fields', 'activity'] as const).filter((part) => differs[part]);
        const refused = fake.answers.get(item.code) === 'refused' ? 'ACCESS_DENIED' : null;
        return { deviations: parts.map((part) => ({ part, name: part, shown: '', wanted: '' })), refused };
      });
    },
    async writeFields(all) {
      check();
      return all.map(({ item, fields: values }) =>
        write('fields', item, () => {
          fields.set(item.code, values);
          return { ok: true };
        }),
      );
    },
    async putActivities(all) {
      check();
      return all.map(({ item, activityId, card }) =>
        write('activity', item, () => {
          const id = activityId !== null && activities.has(activityId) ? activityId : activities.size + 100;
          activities.set(id, { item: item.code, card });
          return { ok: true, id };
        }),
      );
    },
  };
  return { fake, tasks, deals };
}

/** The watcher, the observer and the showing on a real database, between a fake Directum and a fake portal. */
export async function documentBench() {
  const bench = await storeBench();
  let clock = Date.parse('2026-03-02T10:00:00Z');
  const now = () => new Date(clock);
  const store: Store = await bench.open(undefined, now);
  const documents = createDocumentStore(store.pool, store.content);
  const projection = createDealProjection(store.pool, store.content);
  const seal = await loadSecretKeys({ dataDir: bench.dataDir });
  const syncedTasks = createSyncedTasks({ pool: store.pool, seal, log: bench.log, on: true });
  const dateChecks = createDateChecks(store.pool, store.content);
  const quarantine = createQuarantine(store.pool);
  const recordChanges = createChangeRecorder({
    toldFacts: createToldFacts(store.pool),
    syncedTasks,
    dateChecks,
    quarantine,
    journal: { writeLines: writeJournal, writePeople },
    seal,
    timeZone: 'Europe/Moscow',
    steps: [30, 7, 1],
    now,
    log: bench.log,
  });
  const told: SnapshotChange[] = [];
  const unknown: string[] = [];
  let back = 0;
  const sides = () => {
    const directum = fakeDirectum(now);
    const portal = fakeDeals();
    const observeBy = createObservers({
      store: documents,
      quarantine,
      onChange: async (changes, client) => {
        told.push(...changes);
        await recordChanges.record(changes, client);
      },
      onUnknown: (value) => unknown.push(value),
      now,
      log: bench.log,
    });
    const deletions = createDeletions({
      store: createMissingDocuments(store.pool),
      changes: directum.ports.changes,
      quietMs: MINUTE,
      onBack: () => {
        back += 1;
      },
      now,
      log: bench.log,
    });
    const asked = { ...directum.ports, deletions };
    const [observer, paced] = [observeBy(asked), observeBy(asked)];
    const { poll, rescan } = createWatch({
      waits: createWaits(store.pool, store.content),
      feeds: createFeeds(store.pool),
      quarantine,
      documents,
      observer,
      ...directum.ports,
      atCommonRate: { observer: paced, changes: directum.ports.changes },
      pollMs: MINUTE,
      rescanMs: HOUR,
      now,
      onWake: () => undefined,
      log: bench.log,
    });
    const watch = {
      poll: () => feedStep(store.pool, poll, now),
      rescan: () => feedStep(store.pool, rescan, now),
    };
    return { directum, portal, observer, paced, watch };
  };
  let current = sides();
  let reached: DealPort | null = null;
  const portals = { keys: () => ['p'], deals: () => reached ?? current.portal.deals };
  const toItem = (code: string) => ({ typeId: 2, id: Number(code.split('_')[1]), code });
  const comparing = () => ({
    comparisons: createComparisons(store.pool),
    documents,
    projection,
    syncedTasks,
    observer: current.observer,
    portals,
    toItem,
    now,
    log: bench.log,
  });
  const sending = () => ({
    queue: createOutbox(store.pool),
    notices: createNotices(store.pool),
    quarantine,
    failures: createFailures(store.pool, store.content),
    syncedTasks,
    ...{ seal, portals, toItem, now, log: bench.log },
  });
  const isDue = async (lanes: string[]) => {
    const { rowCount } = await store.pool.query(
      `SELECT FROM outbox WHERE state = 'due' AND lane = ANY($1) AND due_at <= $2 AND coalesce(locked_until <= $2, true)`,
      [lanes, now()],
    );
    return rowCount !== 0;
  };
  const show = () =>
    updateDueDeals({
      store: projection,
      quarantine,
      portals,
      toItem,
      now,
      log: bench.log,
    });
  return {
    ...bench,
    store,
    documents,
    projection,
    told,
    unknown,
    now,
    quarantine,
    /** How many times rights came back. */
    get back() {
      return back;
    },
    get directum() {
      return current.directum.set;
    },
    get portal() {
      return current.portal.fake;
    },
    get deals() {
      return current.portal.deals;
    },
    /** Tasks as the portal has them. */
    get tasks() {
      return current.portal.tasks.tasks;
    },
    get observer() {
      return current.observer;
    },
    /** The observer of what is read at the common pace. */
    get paced() {
      return current.paced;
    },
    get watch() {
      return current.watch;
    },
    pass: (ms: number) => {
      clock += ms;
    },
    /** An empty database and new sides. */
    async reset() {
      current = sides();
      reached = null;
      told.length = 0;
      back = 0;
      bench.lines.length = 0;
      await store.pool.query(
        'TRUNCATE run, document, document_slot, document_intent, assignment, mirrored_task, outbox, missing_document, quarantine, journal CASCADE',
      );
      await store.pool.query('DELETE FROM feed; UPDATE watch SET rights_back_at = NULL');
    },
    /** A contract a robot just made for the item. */
    async make(item: string, id: number, slot = 'contract') {
      const { url } = current.directum.set.put(id);
      const slots = store.slots('p', item, `run-${id}`);
      await slots.begin(slot);
      await slots.bind(slot, { id, url });
    },
    /** Contracts that deals of the same number have in their slots and that were seen before, many at once. */
    async keep(ids: number[]) {
      const rows = ids.map((id) => ({ id, state: current.directum.set.put(id) }));
      const { pool } = store;
      await pool.query(
        `INSERT INTO document (id, made, observed, status, status_since, asked_at)
         SELECT id, true, state, 'created', $2::text, $2::timestamptz
         FROM jsonb_to_recordset($1::jsonb) AS c (id bigint, state jsonb)`,
        [JSON.stringify(rows), now().toISOString()],
      );
      await pool.query(
        `INSERT INTO document_slot (portal, item_code, slot, document_id, url)
         SELECT 'p', 'DEAL_' || id, 'contract', id, 'https://rx.example' FROM document`,
      );
      await pool.query(
        `INSERT INTO watched_document (portal, item_code, document_id, created_at, show_at)
         SELECT 'p', 'DEAL_' || id, id, $1, $1 FROM document`,
        [now()],
      );
      // The first cycle finds out where to begin.
      await current.watch.poll();
      clock += MINUTE;
    },
    give: (item: string, id: number) => store.slots('p', item, `run-${id}`).give(id),
    async look() {
      while (await current.observer.refreshDue());
    },
    /** A poll, a minute later. */
    async poll() {
      clock += MINUTE;
      await current.watch.poll();
    },
    async rescan() {
      while (await current.watch.rescan());
    },
    /** Shows all that is due two seconds from now. */
    async show() {
      clock += 2_000;
      while ((await show()) > 0);
    },
    showOnce: show,
    /** Shows and tells to another portal than the fake one. */
    reach: (deals: DealPort) => {
      reached = deals;
    },
    /** Tells all that is due. */
    async tell() {
      while (await isDue(['trigger', 'address', 'message']))
        await outboxStep([triggerHandler(sending()), ...noticeHandlers(sending())], sending());
    },
    /** Writes all tasks that are due. */
    async mirror() {
      while (await isDue(['task'])) await outboxStep([taskHandler(sending())], sending());
    },
    /** Compares everything; answers the differences as lines. */
    async reconcile({ itemCode = null, accept = false }: Partial<Asked> = {}) {
      const lines: string[] = [];
      const onItem: Told['onItem'] = ({ itemCode: item }, differences) =>
        lines.push(
          `${item} ${differences.map(({ documentId, what }) => `${documentId} ${what.join(',')}`).join(' ')}`,
        );
      const result = await reconcile(comparing(), { onItem }, { itemCode, accept });
      return { lines, ...result };
    },
    /** One step of the night's comparison. */
    night: () => feedStep(store.pool, nightFeed(comparing(), 'Europe/Moscow'), now),
    /** Documents that are held for lost rights. */
    async held(): Promise<number[]> {
      const { rows } = await store.pool.query('SELECT id FROM missing_document WHERE held ORDER BY id');
      return rows.map((row) => Number(row.id));
    },
    async statusOf(id: number): Promise<string | null> {
      const { rows } = await store.pool.query('SELECT status FROM document WHERE id = $1', [id]);
      return rows[0]?.status ?? null;
    },
  };
}

export type DocumentBench = Awaited<ReturnType<typeof documentBench>>;
