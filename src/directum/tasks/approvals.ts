import type { AbsencePort } from '../../documents/ports/changes.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { ApprovalRequest, DirectumPort, StartedApproval } from '../../robot/ports/directum.ts';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import { badAnswer } from '../http/errors.ts';
import type { Links } from '../http/links.ts';
import type { Transport } from '../http/transport.ts';
import type { Reader } from '../odata/list-reader.ts';
import type { Capabilities, Metadata } from '../odata/metadata.ts';
import { isRow, textOf } from '../odata/rows.ts';
import { hasHadTasks } from '../odata/visibility.ts';
import { noFunction, toApprovalFailure } from './approval-refusals.ts';
import {
  type ApprovalKind,
  type ApprovalTask,
  findOwnDraft,
  KINDS,
  listTasks,
  RUNNING,
} from './approval-tasks.ts';
import { writeSignatory } from './document-signatory.ts';

const ALL: readonly ApprovalKind[] = ['rule', 'process', 'free'];
const START = 'Docflow/StartTask';

interface Ports {
  transport: Transport;
  reader: Reader;
  metadata: Metadata;
  links: Links;
  locks: LocksPort;
  absence: AbsencePort;
  /** Prefix of the locks on documents: one installation of Directum, whatever the portal. */
  lockScope: string;
  /** Of the package's own account. */
  login: string;
  log: Log;
}

/** Approval tasks by rule, by process and free (directum.md D.1, D.2, F.2, J.6). */
export function createApprovals(ports: Ports): DirectumPort['approvals'] {
  const { transport, reader, metadata, links, locks, absence, lockScope, login, log } = ports;

  const ownDraft = (can: Capabilities, tasks: ApprovalTask[], request: ApprovalRequest) =>
    findOwnDraft(reader, can, login, { tasks, request });

  async function create(can: Capabilities, kind: ApprovalKind, request: ApprovalRequest): Promise<number> {
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
      if (error.code !== 'directum_unavailable') throw toApprovalFailure(error, kind, 'create');
      fault = error;
    }
    // The draft may have been made although no answer came (directum.md J.6).
    const made = await ownDraft(can, await listTasks(reader, can, kind, documentId), request);
    if (!made) throw fault ?? badAnswer('no task id');
    log.info('approval.draft_found_after_fault', { taskId: made.id });
    return made.id;
  }

  async function statusOf(can: Capabilities, kind: ApprovalKind, id: number): Promise<string | null> {
    const row = await reader.one(can.need(KINDS[kind].leaf), id, { select: ['Id', 'Status'] });
    return row && textOf(row, 'Status');
  }

  async function start(can: Capabilities, kind: ApprovalKind, taskId: number): Promise<void> {
    try {
      await transport.send('POST', START, { taskId });
    } catch (error) {
      if (!(error instanceof RobotFailure)) throw error;
      // Started although no answer came, or by somebody a moment ago: a second start would be refused.
      const doubtful = error.code === 'directum_unavailable' || error.code === 'directum_refused';
      const status = doubtful ? await statusOf(can, kind, taskId).catch(() => null) : null;
      if (status !== null && status !== 'Draft') return;
      throw toApprovalFailure(error, kind, 'start');
    }
  }

  async function run(request: ApprovalRequest): Promise<StartedApproval> {
    const can = await metadata.capabilities();
    const { documentId, signatoryId } = request;
    const list = async () =>
      (await Promise.all(ALL.map((kind) => listTasks(reader, can, kind, documentId)))).flat();
    let tasks = await list();
    // Asked once more: the rights may have come back between the two questions.
    if (tasks.length === 0 && (await hasHadTasks(reader, can.set('Task'), await absence.tasksOf(documentId))))
      tasks = await list();
    const running = tasks
      .filter((task) => RUNNING.includes(task.status ?? ''))
      .sort((a, b) => b.id - a.id)[0];
    const told = (kind: ApprovalKind, id: number, started: boolean) => ({
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
    if (kind === 'process' && signatoryId !== null)
      await writeSignatory({ reader, transport, can }, documentId, signatoryId);
    const ofKind = tasks.filter((task) => task.kind === kind);
    const left = await ownDraft(can, ofKind, request);
    const taskId = left?.id ?? (await create(can, kind, request));
    await start(can, kind, taskId);
    log.info('approval.started', { documentId, taskId, kind, draftReused: left !== null });
    return told(kind, taskId, true);
  }

  return {
    // Two deals may send one document at once: looking for tasks and starting one must not interleave.
    start: (request) => locks.hold(`${lockScope}:${request.documentId}`, () => run(request)),
  };
}
