import type { ChangedTask, ChangesPort } from '../../documents/ports/changes.ts';
import { documentTypes } from '../../documents/types/document-types.ts';
import { createGather } from '../../lib/work/gather.ts';
import type { DirectumPort } from '../../robot/ports/directum.ts';
import type { DocumentState, Signing, TaskState } from '../../robot/ports/document-state.ts';
import type { Links } from '../http/links.ts';
import type { Transport } from '../http/transport.ts';
import type { Bulk } from '../odata/bulk.ts';
import { allOf, differs, equals } from '../odata/filter.ts';
import { leafOf, type Metadata } from '../odata/metadata.ts';
import type { Columns } from '../odata/query.ts';
import { dateOf, idOf, isRow, type Row, refOf, textOf, timeOf } from '../odata/rows.ts';
import { orAlone, type SharedReader } from '../odata/shared-reader.ts';
import { canReadAny } from '../odata/visibility.ts';
import { hasAsMain, mainDocumentsOf, TASK_GROUPS } from '../tasks/task-groups.ts';
import { createSignedFile } from './signed-file.ts';

const LEAF = 'OfficialDocument';
const READ = [
  'Name',
  'Modified',
  'LifeCycleState',
  'RegistrationNumber',
  'InternalApprovalState',
  'ExternalApprovalState',
  'ExchangeState',
  'LastVersionApproved',
];
const REFERENCES = { OurSignatory: ['Id', 'Name'], DocumentKind: ['Id'] };

const ATTACHED = { AttachmentDetails: { select: ['GroupId', 'AttachmentId'] } };
const TASK_COLUMNS = { select: ['Id', 'Status', 'Started', 'Modified'], expand: ATTACHED };
/** Documents in one question about their tasks, so that its filter stays under 100 nodes (directum.md A.5). */
const MOST_TASKS = 6;

interface Ports {
  transport: Transport;
  reader: SharedReader;
  metadata: Metadata;
  links: Links;
  bulk: Bulk;
}

/** States of documents and their tasks, one by one for a run and many at once for the watcher (directum.md E to G). */
export function createStates({ transport, reader, metadata, links, bulk }: Ports): {
  states: Omit<DirectumPort['states'], 'work'>;
  changes: ChangesPort;
} {
  async function documentQuery() {
    const can = await metadata.capabilities();
    return {
      set: can.need(LEAF),
      select: ['Id', ...can.having(LEAF, READ)],
      expand: Object.fromEntries(
        Object.entries(REFERENCES)
          .filter(([name]) => can.property(LEAF, name) !== null)
          .map(([name, select]) => [name, { select }]),
      ),
    };
  }

  function toState(row: Row): DocumentState {
    const id = idOf(row);
    const signatory = row['OurSignatory'];
    return {
      id,
      name: textOf(row, 'Name') ?? '',
      url: links.documentUrl(id, leafOf(textOf(row, '@odata.type') ?? '')),
      modified: timeOf(row, 'Modified'),
      lifeCycleState: textOf(row, 'LifeCycleState'),
      internalApprovalState: textOf(row, 'InternalApprovalState'),
      externalApprovalState: textOf(row, 'ExternalApprovalState'),
      exchangeState: textOf(row, 'ExchangeState'),
      lastVersionApproved: row['LastVersionApproved'] === true,
      registrationNumber: textOf(row, 'RegistrationNumber'),
      ourSignatory: isRow(signatory) ? textOf(signatory, 'Name') : null,
      kindId: refOf(row, 'DocumentKind'),
    };
  }

  async function read(documentId: number): Promise<DocumentState | null> {
    if (!(await metadata.capabilities()).isId(documentId)) return null;
    const { set, ...query } = await documentQuery();
    const row = await reader.one(set, documentId, query);
    return row && toState(row);
  }

  /** Started tasks of a kind by their main document; several documents share a question. */
  const startedTasks = Object.entries(TASK_GROUPS).map(([leaf, group]) => {
    const select = ['Id', 'Status', 'Started'];
    const filterOf = (ids: readonly number[]) => allOf(hasAsMain(ids, group), differs('Status', 'Draft'));
    const ask = async (ids: readonly number[], columns: Columns) => {
      const set = (await metadata.capabilities()).set(leaf);
      return set === null ? [] : reader.all(set, { ...columns, filter: filterOf(ids) });
    };
    return createGather<number, Row[]>({
      one: (id) => ask([id], { select }),
      async many(ids) {
        const rows = await orAlone(ask([...new Set(ids)], { select, expand: ATTACHED }));
        return rows && ids.map((id) => rows.filter((row) => mainDocumentsOf(row, [group]).includes(id)));
      },
      group: (ids) => Math.min(ids.length, MOST_TASKS),
    });
  });

  async function registrationDate(documentId: number): Promise<string | null> {
    const can = await metadata.capabilities();
    if (can.property(LEAF, 'RegistrationDate') === null) return null;
    const row = await reader.one(can.need(LEAF), documentId, { select: ['Id', 'RegistrationDate'] });
    return row && dateOf(row, 'RegistrationDate');
  }

  async function newestTask(documentId: number): Promise<TaskState | null> {
    const found = await Promise.all(startedTasks.map((tasksOf) => tasksOf(documentId)));
    const tasks = found.flat().map(toTask);
    return tasks.reduce<TaskState | null>((best, task) => (best && !isNewer(task, best) ? best : task), null);
  }

  async function signing(taskId: number): Promise<Signing | null> {
    const can = await metadata.capabilities();
    const people = ['CompletedBy', 'Performer'].filter((name) => can.property('Assignment', name) !== null);
    const rows = await reader.all(can.need('Assignment'), {
      filter: allOf(equals('Task/Id', taskId), equals('Status', 'Completed')),
      select: ['Id', 'Result', 'Completed'],
      expand: Object.fromEntries(people.map((name) => [name, { select: ['Id', 'Name'] }])),
    });
    const signed = rows.findLast((row) => row['Result'] === 'Sign' || row['Result'] === 'ConfirmSign');
    if (!signed) return null;
    const [by] = people
      .map((name) => signed[name])
      .flatMap((person) => (isRow(person) ? (textOf(person, 'Name') ?? []) : []));
    return { by: by ?? null, at: timeOf(signed, 'Completed') };
  }

  return {
    states: {
      read,
      newestTask,
      registrationDate,
      signing,
      fetchSigned: createSignedFile({ transport, reader, metadata }),
    },
    changes: {
      newest: (kind) => bulk.newest(kind === 'documents' ? LEAF : 'Task'),
      async documents(since, after) {
        const { set, ...query } = await documentQuery();
        const { rows, next } = await bulk.changed(set, since, after, query);
        return { rows: rows.map(toState), next };
      },
      async tasks(since, after) {
        if (!(await bulk.hasModified('Task'))) return { rows: [], next: null };
        const set = (await metadata.capabilities()).need('Task');
        const { rows, next } = await bulk.changed(set, since, after, TASK_COLUMNS);
        return { rows: rows.map(toChangedTask), next };
      },
      async newestDocuments(since) {
        const { set, ...query } = await documentQuery();
        const found = await bulk.latest(set, since, query);
        return found && { ...found, rows: found.rows.map(toState) };
      },
      async newestTasks(since) {
        const found = await bulk.latest((await metadata.capabilities()).need('Task'), since, TASK_COLUMNS);
        return found && { ...found, rows: found.rows.map(toChangedTask) };
      },
      async statesOf(ids) {
        const { set, ...query } = await documentQuery();
        return (await bulk.byIds(set, ids, query)).map(toState);
      },
      async anyOfTypes() {
        const can = await metadata.capabilities();
        const sets = documentTypes.map(({ entity }) => can.set(entity)).filter((set) => set !== null);
        for (const set of sets.length === 0 ? [can.need(LEAF)] : sets)
          if ((await canReadAny(reader, set)) === true) return true;
        return false;
      },
      async taskStatesOf(ids) {
        if (await bulk.hasModified('Task')) return null;
        const set = (await metadata.capabilities()).set('Task');
        if (set === null) return [];
        return (await bulk.byIds(set, ids, { select: ['Id', 'Status', 'Started'] })).map(toTask);
      },
    },
  };
}

function toTask(row: Row): TaskState {
  return { id: idOf(row), status: textOf(row, 'Status') ?? '', startedAt: timeOf(row, 'Started') };
}

function toChangedTask(row: Row): ChangedTask {
  return {
    ...toTask(row),
    modified: timeOf(row, 'Modified'),
    documentIds: mainDocumentsOf(row, Object.values(TASK_GROUPS)),
  };
}

function isNewer(task: TaskState, than: TaskState): boolean {
  const startOf = ({ startedAt }: TaskState) => (startedAt === null ? Number.NaN : Date.parse(startedAt));
  const [a, b] = [startOf(task), startOf(than)];
  return Number.isNaN(a) || Number.isNaN(b) || a === b ? task.id > than.id : a > b;
}
