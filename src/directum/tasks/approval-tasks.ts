import type { ApprovalRequest } from '../../robot/ports/directum.ts';
import { allOf, equals, isAmong } from '../odata/filter.ts';
import type { Reader } from '../odata/list-reader.ts';
import type { Capabilities } from '../odata/metadata.ts';
import type { Expand } from '../odata/query.ts';
import { idOf, isRow, type Row, refOf, textOf, timeOf } from '../odata/rows.ts';
import { hasAsMain, TASK_GROUPS } from './task-groups.ts';

export type ApprovalKind = 'rule' | 'process' | 'free';

/** Task type and the function that makes a draft. */
export const KINDS = {
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

export const RUNNING: readonly string[] = ['InProcess', 'UnderReview', 'Suspended'];
/** A deadline may come back without its seconds. */
const SAME_DEADLINE_MS = 60_000;

export interface ApprovalTask {
  kind: ApprovalKind;
  id: number;
  status: string | null;
  row: Row;
}

/** Drafts and running tasks of one kind that approve the document, newest first. */
export async function listTasks(
  reader: Reader,
  can: Capabilities,
  kind: ApprovalKind,
  documentId: number,
): Promise<ApprovalTask[]> {
  const { leaf } = KINDS[kind];
  const set = can.set(leaf);
  if (set === null) return [];
  // All of them: drafts that were left behind must not hide a running task that is older than they.
  const rows = await reader.all(set, {
    filter: allOf(hasAsMain([documentId], TASK_GROUPS[leaf]), isAmong('Status', ['Draft', ...RUNNING])),
    select: ['Id', 'Status', ...can.having(leaf, ['MaxDeadline'])],
    expand: peopleOf(can, kind),
  });
  return rows
    .map((row) => ({ kind, id: idOf(row), status: textOf(row, 'Status'), row }))
    .sort((a, b) => b.id - a.id);
}

function peopleOf(can: Capabilities, kind: ApprovalKind): Expand {
  const { leaf } = KINDS[kind];
  const approvers = can.property(leaf, approversOf(kind));
  // The rows of a customer's layer or another version may name their person otherwise.
  const hasApprover = approvers?.startsWith('*') && can.property(approvers.slice(1), 'Approver') !== null;
  return {
    ...(can.property(leaf, 'Signatory') !== null && { Signatory: { select: ['Id'] } }),
    ...(can.property(leaf, 'Author') !== null && { Author: { select: ['Id'] } }),
    ...(hasApprover && { [approversOf(kind)]: { expand: { Approver: { select: ['Id'] } } } }),
  };
}

/** A draft of this request that the account `login` may have made: a person's own draft is not ours to start. */
export async function findOwnDraft(
  reader: Reader,
  can: Capabilities,
  login: string,
  { tasks, request }: { tasks: readonly ApprovalTask[]; request: ApprovalRequest },
): Promise<ApprovalTask | null> {
  for (const task of tasks) {
    if (isDraftOf(task, request) && (await mayBeBy(reader, can, login, refOf(task.row, 'Author'))))
      return task;
  }
  return null;
}

/** True too where Directum does not show who the author is. */
async function mayBeBy(
  reader: Reader,
  can: Capabilities,
  login: string,
  author: number | null,
): Promise<boolean> {
  const set = can.set('User');
  if (author === null || set === null || can.property('User', 'Login') === null) return true;
  const expand = { Login: { select: ['LoginName'] } };
  const user = await reader.one(set, author, { select: ['Id'], expand }).catch(() => null);
  const name = isRow(user?.['Login']) ? textOf(user['Login'], 'LoginName') : null;
  if (name !== null) return bareLogin(name) === bareLogin(login);
  // An author without a login is somebody else where Directum shows whose ours is.
  const query = { filter: equals('Login/LoginName', login), select: ['Id'] };
  const own = await reader.some(set, query, 2).catch(() => []);
  return own.length === 0 || own.some((one) => idOf(one) === author);
}

/** `DOMAIN\\Name` and `name` are one login. */
const bareLogin = (login: string) => login.split('\\').at(-1)?.toLowerCase();

const approversOf = (kind: ApprovalKind) => (kind === 'free' ? 'Approvers' : 'AddApprovers');

/** A draft with other people or another deadline was left by a start whose inputs have been corrected since. */
function isDraftOf({ kind, status, row }: ApprovalTask, request: ApprovalRequest): boolean {
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
