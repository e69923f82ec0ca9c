import type { AbsencePort } from '../../documents/ports/changes.ts';
import { documentTypes } from '../../documents/types/document-types.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { ApprovalRequest, DirectumPort, StartedApproval } from '../../robot/ports/directum.ts';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import { badAnswer, lostRights } from '../http/errors.ts';
import type { Links } from '../http/links.ts';
import type { Transport } from '../http/transport.ts';
import { DOCUMENTS, hasHadTasks } from '../odata/absence.ts';
import type { Reader } from '../odata/list-reader.ts';
import { type Capabilities, leafOf, type Metadata } from '../odata/metadata.ts';
import { idOf, isRow, type Row, refOf, textOf, timeOf } from '../odata/rows.ts';
import { explained, noFunction } from './approval-refusals.ts';
import { TASK_GROUPS } from './task-groups.ts';

export type Kind = 'rule' | 'process' | 'free';

/** Task type and the function that makes a draft. */
const KINDS = {
  rule: {
    leaf: 'ApprovalTask',
    create: 'Docflow/CreateApprovalTask',
  },
  process: {
    leaf: 'DocumentFlowTask',
    create: 'DocflowApproval/CreateDocumentFlowTask',
  },
  free: {
    leaf: 'FreeApprovalTask',
    create: 'Docflow/CreateFreeApprovalTask',
  },
} as const;
const ALL: readonly Kind[] = ['rule', 'process', 'free'];

const START = 'Docflow/StartTask';
const RUNNING: readonly string[] = ['InProcess', 'UnderReview', 'Suspended'];
/** A deadline may come back without its seconds. */
const SAME_DEADLINE_MS = 60_000;

interface Task {
  kind: Kind;
  id: number;
  status: string | null;
  row: Row;
}

interface Ports {
  transport: Transport;
  reader: Reader;
  metadata: Metadata;
  links: Links;
  locks: LocksPort;
  absence: AbsencePort;
  claimScope: string;
  /** Of the package's own account. */
  login: string;
  log: Log;
}

/** Approval tasks by rule, by process and free (directum.md D.1, D.2, F.2, J.6). */
export function createApprovals(ports: Ports): DirectumPort['approvals'] {
  const { transport, reader, metadata, links, locks, absence, claimScope, login, log } = ports;

  /** Drafts and running tasks of one kind, newest first. */
  async function list(can: Capabilities, kind: Kind, documentId: number): Promise<Task[]> {
    const { leaf } = KINDS[kind];
    const set = can.set(leaf);
    if (set === null) return [];
    const expand: Record<string, unknown> = {};
    if (can.property(leaf, 'Signatory') !== null) expand['Signatory'] = { select: ['Id'] };
    if (can.property(leaf, 'Author') !== null) expand['Author'] = { select: ['Id'] };
    // The rows of a customer's layer or another version may name their person otherwise.
    const row = can.property(leaf, approversOf(kind));
    if (row?.startsWith('*') && can.property(row.slice(1), 'Approver') !== null)
      expand[approversOf(kind)] = { expand: { Approver: { select: ['Id'] } } };
    // Without the group a document attached as an addendum matches too.
    const main = `AttachmentDetails/any(a: a/AttachmentId eq ${documentId} and a/GroupId eq ${TASK_GROUPS[leaf]})`;
    const live = ['Draft', ...RUNNING].map((status) => `Status eq '${status}'`).join(' or ');
    // All of them: drafts that were left behind must not hide a running task that is older than they.
    const rows = await reader.allWhere(set, `${main} and (${live})`, {
      select: ['Id', 'Status', ...can.having(leaf, ['MaxDeadline'])],
      expand: expand as never,
    });
    return rows
      .map((row) => ({ kind, id: idOf(row), status: textOf(row, 'Status'), row }))
      .sort((a, b) => b.id - a.id);
  }

  async function statusOf(can: Capabilities, kind: Kind, id: number): Promise<string | null> {
    const row = await reader.one(can.need(KINDS[kind].leaf), id, { select: ['Id', 'Status'] });
    return row && textOf(row, 'Status');
  }

  /** A process computes its signatory from the document (directum.md D.2). */
  async function writeSignatory(can: Capabilities, documentId: number, signatoryId: number): Promise<void> {
    const row = await reader.one(can.need('OfficialDocument'), documentId, {
      select: ['Id'],
      expand: { OurSignatory: { select: ['Id'] } } as never,
    });
    // It could be read a moment ago.
    if (row === null) throw lostRights(DOCUMENTS);
    if (refOf(row, 'OurSignatory') === signatoryId) return;
    const set = await ownSet(can, documentId, textOf(row, '@odata.type'));
    await transport.send('PATCH', `${set}(${documentId})`, { OurSignatory: { Id: signatoryId } });
  }

  /** Set of the document's own type: changes go through it (directum.md J.2). Not every answer tells the type. */
  async function ownSet(can: Capabilities, documentId: number, type: string | null): Promise<string> {
    const told = type === null ? null : can.set(leafOf(type));
    if (told !== null) return told;
    for (const { entity } of documentTypes) {
      const set = can.set(entity);
      if (set !== null && (await reader.one(set, documentId, { select: ['Id'] }))) return set;
    }
    return can.need('OfficialDocument');
  }

  /** Whether the account may have made the draft: a person's own draft is not ours to start. */
  async function isOurs(can: Capabilities, { row }: Task): Promise<boolean> {
    const author = refOf(row, 'Author');
    const set = can.set('User');
    if (author === null || set === null || can.property('User', 'Login') === null) return true;
    const expand = { Login: { select: ['LoginName'] } } as never;
    const user = await reader.one(set, author, { select: ['Id'], expand }).catch(() => null);
    const name = isRow(user?.['Login']) ? textOf(user['Login'], 'LoginName') : null;
    if (name !== null) return bareLogin(name) === bareLogin(login);
    // An author without a login is somebody else where Directum shows whose ours is.
    const query = { filter: { Login: { LoginName: login } }, select: ['Id'] };
    const own = await reader.some(set, query, 2).catch(() => []);
    return own.length === 0 || own.some((one) => idOf(one) === author);
  }

  async function ownDraft(can: Capabilities, tasks: Task[], request: ApprovalRequest): Promise<Task | null> {
    for (const task of tasks) {
      if (isDraftOf(task, request) && (await isOurs(can, task))) return task;
    }
    return null;
  }

  async function create(can: Capabilities, kind: Kind, request: ApprovalRequest): Promise<number> {
    const { documentId, text, signatoryId, approverIds, deadline } = request;
    // Every key of the signature, lists never null (directum.md D.2).
    const body = {
      rule: { documentId, text, signatoryId, addApproverIds: approverIds },
      process: { documentId, text, addApproverIds: approverIds },
      free: { documentId, text, deadline, approverIds },
    }[kind];
    let fault: unknown = null;
    try {
      const answer = await transport.send('POST', KINDS[kind].create, body);
      const id = isRow(answer) ? answer['value'] : answer;
      if (typeof id === 'number') return id;
    } catch (error) {
      if (!(error instanceof RobotFailure)) throw error;
      if (error.code !== 'directum_unavailable') throw explained(error, kind, 'create');
      fault = error;
    }
    // The draft may have been made although no answer came (directum.md J.6).
    const made = await ownDraft(can, await list(can, kind, documentId), request);
    if (!made) throw fault ?? badAnswer('no task id');
    log.info('approval.draft_found_after_fault', { taskId: made.id });
    return made.id;
  }

  async function start(can: Capabilities, kind: Kind, taskId: number): Promise<void> {
    try {
      await transport.send('POST', START, { taskId });
    } catch (error) {
      if (!(error instanceof RobotFailure)) throw error;
      // Started although no answer came, or by somebody a moment ago: a second start would be refused.
      const doubtful = error.code === 'directum_unavailable' || error.code === 'directum_refused';
      const status = doubtful ? await statusOf(can, kind, taskId).catch(() => null) : null;
      if (status !== null && status !== 'Draft') return;
      throw explained(error, kind, 'start');
    }
  }

  async function run(request: ApprovalRequest): Promise<StartedApproval> {
    const can = await metadata.capabilities();
    const { documentId, signatoryId } = request;
    const listed = async () => (await Promise.all(ALL.map((kind) => list(can, kind, documentId)))).flat();
    let tasks = await listed();
    // Asked once more: the rights may have come back between the two questions.
    if (tasks.length === 0 && (await hasHadTasks(reader, can.set('Task'), await absence.tasksOf(documentId))))
      tasks = await listed();
    const running = tasks
      .filter((task) => RUNNING.includes(task.status ?? ''))
      .sort((a, b) => b.id - a.id)[0];
    const told = (kind: Kind, id: number, started: boolean) => ({
      taskId: id,
      url: links.taskUrl(id, KINDS[kind].leaf),
      started,
    });
    if (running) return told(running.kind, running.id, false);

    const kind =
      request.type === 'auto' ? (can.has(KINDS.process.create) ? 'process' : 'rule') : request.type;
    for (const operation of [KINDS[kind].create, START]) {
      if (!can.has(operation)) throw noFunction(operation);
    }
    if (kind === 'process' && signatoryId !== null) await writeSignatory(can, documentId, signatoryId);
    const ofKind = tasks.filter((task) => task.kind === kind);
    const left = await ownDraft(can, ofKind, request);
    const taskId = left?.id ?? (await create(can, kind, request));
    await start(can, kind, taskId);
    log.info('approval.started', { documentId, taskId, kind, draftReused: left !== null });
    return told(kind, taskId, true);
  }

  return {
    // Two deals may send one document at once: the look and the start are one step.
    start: (request) => locks.hold(`${claimScope}:${request.documentId}`, () => run(request)),
  };
}

/** `DOMAIN\\Name` and `name` are one login. */
const bareLogin = (login: string) => login.split('\\').at(-1)?.toLowerCase();

const approversOf = (kind: Kind) => (kind === 'free' ? 'Approvers' : 'AddApprovers');

/** A draft with other people or another deadline than asked for was left by a start whose inputs have been mended since. */
function isDraftOf({ kind, status, row }: Task, request: ApprovalRequest): boolean {
  if (status !== 'Draft') return false;
  if (kind === 'rule' && request.signatoryId !== null && 'Signatory' in row) {
    if (refOf(row, 'Signatory') !== request.signatoryId) return false;
  }
  if (kind === 'free' && !isSameDeadline(timeOf(row, 'MaxDeadline'), request.deadline)) return false;
  const rows = row[approversOf(kind)];
  if (!Array.isArray(rows)) return true;
  const there = new Set(rows.filter(isRow).map((one) => refOf(one, 'Approver')));
  const wanted = new Set(request.approverIds);
  return there.size === wanted.size && [...wanted].every((id) => there.has(id));
}

/** A draft that shows no deadline may have been made with any. */
function isSameDeadline(shown: string | null, wanted: string | null): boolean {
  if (shown === null) return true;
  return wanted !== null && Math.abs(Date.parse(shown) - Date.parse(wanted)) < SAME_DEADLINE_MS;
}
