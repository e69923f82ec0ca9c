import { RobotFailure } from '../robot/failure.ts';
import type { ApprovalRequest, ClaimsPort, DirectumPort, Log, StartedApproval } from '../robot/ports.ts';
import { badAnswer } from './errors.ts';
import type { Links } from './links.ts';
import type { Capabilities, Metadata } from './metadata.ts';
import type { Reader } from './reader.ts';
import { idOf, isRow, type Row, refOf, textOf } from './rows.ts';
import { TASK_GROUPS } from './task-groups.ts';
import type { Transport } from './transport.ts';

type Kind = 'rule' | 'process' | 'free';

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
const MOST_TASKS = 20;

/** A create refuses a missing rule as its own required property (directum.md D.1); start says that none fits. */
const CREATE_UNFIT = /регламент|approval ?rule|процесс|process/i;
const START_UNFIT =
  /(?<!\p{L})(?:нет|не найден\p{L}*|не подобран\p{L}*|no)\s.{0,60}(?:регламент|rule|процесс|process)/iu;
const STABLE = /with ID \(\d+\) not found/i;

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
  claims: ClaimsPort;
  claimScope: string;
  log: Log;
}

/** Approval tasks by rule, by process and free (directum.md D.1, D.2, F.2, J.6). */
export function createApprovals(ports: Ports): DirectumPort['approvals'] {
  const { transport, reader, metadata, links, claims, claimScope, log } = ports;

  /** Drafts and running tasks of one kind, newest first. */
  async function list(can: Capabilities, kind: Kind, documentId: number): Promise<Task[]> {
    const { leaf } = KINDS[kind];
    const set = can.set(leaf);
    if (set === null) return [];
    const expand: Record<string, unknown> = {};
    if (can.property(leaf, 'Signatory') !== null) expand['Signatory'] = { select: ['Id'] };
    if (can.property(leaf, approversOf(kind)) !== null)
      expand[approversOf(kind)] = { expand: { Approver: { select: ['Id'] } } };
    const rows = await reader.some(
      set,
      {
        // Without the group a document attached as an addendum matches too.
        filter: {
          and: [
            {
              AttachmentDetails: {
                any: { AttachmentId: documentId, GroupId: { type: 'guid', value: TASK_GROUPS[leaf] } },
              },
            },
            { or: ['Draft', ...RUNNING].map((Status) => ({ Status })) },
          ],
        },
        select: ['Id', 'Status'],
        expand: expand as never,
        orderBy: 'Id desc',
      },
      MOST_TASKS,
    );
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
    if (row && refOf(row, 'OurSignatory') === signatoryId) return;
    const type = row && textOf(row, '@odata.type');
    // Changes go through the document's own type (directum.md J.2); without a type it is taken for a contract.
    const own = /(?:^|[.#])I?(\w+?)(?:Dto)?$/.exec(type ?? '')?.[1] ?? 'Contract';
    await transport.send('PATCH', `${can.need(own)}(${documentId})`, { OurSignatory: { Id: signatoryId } });
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
      if (error.code !== 'directum_unavailable') throw explained(error, kind, CREATE_UNFIT);
      fault = error;
    }
    // The draft may have been made although no answer came (directum.md J.6).
    const made = (await list(can, kind, documentId)).find((task) => isDraftOf(task, request));
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
      throw explained(error, kind, START_UNFIT);
    }
  }

  async function run(request: ApprovalRequest): Promise<StartedApproval> {
    const can = await metadata.capabilities();
    const { documentId, signatoryId } = request;
    const tasks = (await Promise.all(ALL.map((kind) => list(can, kind, documentId)))).flat();
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
      if (!can.has(operation)) throw missing(operation);
    }
    if (kind === 'process' && signatoryId !== null) await writeSignatory(can, documentId, signatoryId);
    const left = tasks.find((task) => task.kind === kind && isDraftOf(task, request));
    const taskId = left?.id ?? (await create(can, kind, request));
    await start(can, kind, taskId);
    log.info('approval.started', { documentId, taskId, kind, draftReused: left !== undefined });
    return told(kind, taskId, true);
  }

  return {
    // Two deals may send one document at once: the look and the start are one step.
    start: (request) => claims.hold(`${claimScope}:${request.documentId}`, () => run(request)),
  };
}

const approversOf = (kind: Kind) => (kind === 'free' ? 'Approvers' : 'AddApprovers');

/** A draft with other people than asked for was left by a start whose inputs have been mended since. */
function isDraftOf({ kind, status, row }: Task, request: ApprovalRequest): boolean {
  if (status !== 'Draft') return false;
  if (kind === 'rule' && request.signatoryId !== null && 'Signatory' in row) {
    if (refOf(row, 'Signatory') !== request.signatoryId) return false;
  }
  const rows = row[approversOf(kind)];
  if (!Array.isArray(rows)) return true;
  const there = new Set(rows.filter(isRow).map((one) => refOf(one, 'Approver')));
  const wanted = new Set(request.approverIds);
  return there.size === wanted.size && [...wanted].every((id) => there.has(id));
}

function missing(operation: string): RobotFailure {
  return new RobotFailure('approval_unavailable', {
    ru: `В этом Directum нет функции «${operation}», которая запускает такое согласование. Выберите другой тип согласования в роботе или обновите Directum.`,
    en: `This Directum has no function «${operation}» that starts such an approval. Choose another approval type in the robot or update Directum.`,
  });
}

/** A refusal with Directum's own words and what to mend there. */
function explained(failure: RobotFailure, kind: Kind, unfit: RegExp): RobotFailure {
  if (failure.code !== 'directum_refused') return failure;
  const words = /«(.+)»/s.exec(failure.text.en)?.[1] ?? '';
  const { cause } = failure;
  if (words === '') return failure;
  if (kind !== 'free' && unfit.test(words) && !STABLE.test(words)) {
    return new RobotFailure(
      'approval_unavailable',
      kind === 'rule'
        ? {
            ru: `Directum не нашёл регламент для документа: «${words}». Настройте в Directum регламент согласования для вида документа, организации и подразделения.`,
            en: `Directum found no approval rule for the document: «${words}». Set up an approval rule in Directum for its kind, own company and department.`,
          }
        : {
            ru: `Directum не нашёл процесс для документа: «${words}». Настройте в Directum вариант процесса согласования для вида документа.`,
            en: `Directum found no process for the document: «${words}». Set up an approval process variant in Directum for its kind.`,
          },
      { cause },
    );
  }
  return new RobotFailure(
    'directum_refused',
    {
      ru: `Directum не запустил согласование: «${words}». Исправьте в Directum названное (поля карточки, право подписи, права учётной записи пакета) и запустите робота снова.`,
      en: `Directum did not start the approval: «${words}». Mend what it names in Directum (fields of the card, the signing right, rights of the package's account) and run the robot again.`,
    },
    { cause },
  );
}
