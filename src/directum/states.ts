import { RobotFailure } from '../robot/failure.ts';
import type {
  ChangedTask,
  ChangesPage,
  ChangesPort,
  DirectumPort,
  DocumentState,
  TaskState,
} from '../robot/ports.ts';
import { badAnswer } from './errors.ts';
import type { Links } from './links.ts';
import type { Metadata } from './metadata.ts';
import { type Query, toPath } from './query.ts';
import type { Reader } from './reader.ts';
import { idOf, isRow, type Row, textOf, toRows } from './rows.ts';
import { createSignedFile } from './signed-file.ts';
import { TASK_GROUPS } from './task-groups.ts';
import type { Transport } from './transport.ts';

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
const MAIN_GROUPS = new Set<string>(Object.values(TASK_GROUPS));
const PAGE = 100;

interface Ports {
  transport: Transport;
  reader: Reader;
  metadata: Metadata;
  links: Links;
}

/** States of documents and their tasks, one by one for a run and many at once for the watcher (directum.md E to G). */
export function createStates({ transport, reader, metadata, links }: Ports): {
  states: DirectumPort['states'];
  changes: ChangesPort;
} {
  /** A question whose filter is written out: lambdas and date-times are beyond the builder. */
  async function ask(set: string, filter: string, query: Omit<Query, 'filter'>): Promise<Row[]> {
    return toRows(await transport.get(`${toPath(set, query)}&$filter=${encodeURIComponent(filter)}`));
  }

  async function documentQuery() {
    const can = await metadata.capabilities();
    return {
      set: can.need(LEAF),
      select: ['Id', ...can.having(LEAF, READ)],
      expand: (can.property(LEAF, 'OurSignatory') === null
        ? {}
        : { OurSignatory: { select: ['Id', 'Name'] } }) as never,
    };
  }

  function toState(row: Row): DocumentState {
    const id = idOf(row);
    const signatory = row['OurSignatory'];
    return {
      id,
      name: textOf(row, 'Name') ?? '',
      url: links.documentUrl(id),
      modified: timeOf(row, 'Modified'),
      lifeCycleState: textOf(row, 'LifeCycleState'),
      internalApprovalState: textOf(row, 'InternalApprovalState'),
      externalApprovalState: textOf(row, 'ExternalApprovalState'),
      exchangeState: textOf(row, 'ExchangeState'),
      lastVersionApproved: row['LastVersionApproved'] === true,
      registrationNumber: textOf(row, 'RegistrationNumber'),
      ourSignatory: isRow(signatory) ? textOf(signatory, 'Name') : null,
    };
  }

  async function read(documentId: number): Promise<DocumentState | null> {
    const { set, ...query } = await documentQuery();
    const row = await reader.one(set, documentId, query);
    if (row) return toState(row);
    // A proxy says 404 too while Directum is being restarted: only an empty list proves that the document is gone.
    try {
      const rows = await ask(set, `Id eq ${documentId}`, { ...query, top: 1 });
      return rows[0] ? toState(rows[0]) : null;
    } catch (error) {
      if (error instanceof RobotFailure && error.code === 'directum_refused')
        throw badAnswer('404 for a document and no list');
      throw error;
    }
  }

  async function newestTask(documentId: number): Promise<TaskState | null> {
    const can = await metadata.capabilities();
    const found = await Promise.all(
      Object.entries(TASK_GROUPS).map(async ([leaf, group]) => {
        const set = can.set(leaf);
        if (set === null) return [];
        const main = `AttachmentDetails/any(a: a/AttachmentId eq ${documentId} and a/GroupId eq ${group})`;
        return ask(set, `${main} and Status ne 'Draft'`, {
          select: ['Id', 'Status', 'Started'],
          orderBy: 'Id desc',
          top: 5,
        });
      }),
    );
    const tasks = found.flat().map(toTask);
    return tasks.reduce<TaskState | null>((best, task) => (best && !isNewer(task, best) ? best : task), null);
  }

  async function signedAt(taskId: number): Promise<string | null> {
    const can = await metadata.capabilities();
    const rows = await ask(can.need('Assignment'), `Task/Id eq ${taskId} and Status eq 'Completed'`, {
      select: ['Id', 'Result', 'Completed'],
      orderBy: 'Id desc',
      top: PAGE,
    });
    const signing = rows.find((row) => row['Result'] === 'Sign' || row['Result'] === 'ConfirmSign');
    return signing ? timeOf(signing, 'Completed') : null;
  }

  async function hasModified(leaf: string): Promise<boolean> {
    const can = await metadata.capabilities();
    return can.set(leaf) !== null && can.property(leaf, 'Modified') !== null;
  }

  async function page<T extends { id: number }>(
    set: string,
    since: string,
    after: number,
    query: Omit<Query, 'filter'>,
    toRowOf: (row: Row) => T,
  ): Promise<ChangesPage<T>> {
    const filter = `Modified gt ${since} and Id gt ${after}`;
    const rows = (await ask(set, filter, { ...query, orderBy: 'Id', top: PAGE })).map(toRowOf);
    const last = Math.max(after, ...rows.map((row) => row.id));
    return { rows, next: rows.length >= PAGE && last > after ? last : null };
  }

  /** `Id eq a or Id eq b`; a stand that refuses so many gets half (directum.md G.2). */
  async function byIds<T>(
    set: string,
    ids: number[],
    query: Omit<Query, 'filter'>,
    toRowOf: (row: Row) => T,
  ): Promise<T[]> {
    if (ids.length === 0) return [];
    try {
      return (await ask(set, ids.map((id) => `Id eq ${id}`).join(' or '), query)).map(toRowOf);
    } catch (error) {
      const tooMany = error instanceof RobotFailure && error.code === 'directum_refused' && ids.length > 1;
      if (!tooMany) throw error;
      const half = Math.ceil(ids.length / 2);
      return [
        ...(await byIds(set, ids.slice(0, half), query, toRowOf)),
        ...(await byIds(set, ids.slice(half), query, toRowOf)),
      ];
    }
  }

  return {
    states: { read, newestTask, signedAt, fetchSigned: createSignedFile({ transport, reader, metadata }) },
    changes: {
      async newest(kind) {
        const leaf = kind === 'documents' ? LEAF : 'Task';
        if (!(await hasModified(leaf))) return null;
        const set = (await metadata.capabilities()).need(leaf);
        const rows = await ask(set, 'Id gt 0', {
          select: ['Id', 'Modified'],
          orderBy: 'Modified desc',
          top: 1,
        });
        return rows[0] ? timeOf(rows[0], 'Modified') : null;
      },
      async documents(since, after) {
        const { set, ...query } = await documentQuery();
        return page(set, since, after, query, toState);
      },
      async tasks(since, after) {
        if (!(await hasModified('Task'))) return { rows: [], next: null };
        const query = {
          select: ['Id', 'Status', 'Started', 'Modified'],
          expand: { AttachmentDetails: { select: ['GroupId', 'AttachmentId'] } } as never,
        };
        return page((await metadata.capabilities()).need('Task'), since, after, query, toChangedTask);
      },
      async statesOf(ids) {
        const { set, ...query } = await documentQuery();
        return byIds(set, ids, query, toState);
      },
      async taskStatesOf(ids) {
        if (await hasModified('Task')) return null;
        const set = (await metadata.capabilities()).set('Task');
        return set === null ? [] : byIds(set, ids, { select: ['Id', 'Status', 'Started'] }, toTask);
      },
    },
  };
}

function toTask(row: Row): TaskState {
  return { id: idOf(row), status: textOf(row, 'Status') ?? '', startedAt: timeOf(row, 'Started') };
}

function toChangedTask(row: Row): ChangedTask {
  const attached = Array.isArray(row['AttachmentDetails']) ? row['AttachmentDetails'].filter(isRow) : [];
  const main = attached.filter((one) => MAIN_GROUPS.has(String(one['GroupId']).toLowerCase()));
  return {
    ...toTask(row),
    modified: timeOf(row, 'Modified'),
    documentIds: main.map((one) => Number(one['AttachmentId'])).filter((id) => Number.isSafeInteger(id)),
  };
}

function isNewer(task: TaskState, than: TaskState): boolean {
  const [a, b] = [task, than].map((one) => (one.startedAt === null ? Number.NaN : Date.parse(one.startedAt)));
  return Number.isNaN(a) || Number.isNaN(b) || a === b ? task.id > than.id : (a as number) > (b as number);
}

/** A date-time with its offset and without parts of a second; null for anything else. */
function timeOf(row: Row, property: string): string | null {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(
    textOf(row, property) ?? '',
  );
  return match ? `${match[1]}${match[3]}` : null;
}
