import { allOf, anyRow, equals, type Filter, guid, isAmong } from '../odata/filter.ts';
import { isRow, type Row } from '../odata/rows.ts';

/** Group in which an approval task holds the document itself; an addendum is in another one (directum.md F.2). */
export const TASK_GROUPS = {
  DocumentFlowTask: '4195347f-2ca3-4fdc-9460-c22609cc3abf',
  ApprovalTask: '08e1ef90-521f-41a1-a13f-c6f175007e54',
  FreeApprovalTask: 'cd77936e-884e-44bb-b869-9a60f9f5f2b4',
} as const;

/** Tasks that hold one of the documents in the group; without the group an addendum matches too (directum.md F.2). */
export const hasAsMain = (documentIds: readonly number[], group: string): Filter =>
  anyRow('AttachmentDetails', (of) =>
    allOf(isAmong(of('AttachmentId'), documentIds), equals(of('GroupId'), guid(group))),
  );

/** Documents a task holds in one of `groups`, from its expanded `AttachmentDetails`. */
export function mainDocumentsOf(task: Row, groups: readonly string[]): number[] {
  const attached = Array.isArray(task['AttachmentDetails']) ? task['AttachmentDetails'].filter(isRow) : [];
  return attached
    .filter((one) => groups.includes(String(one['GroupId']).toLowerCase()))
    .map((one) => one['AttachmentId'])
    .filter((id): id is number => typeof id === 'number' && Number.isSafeInteger(id));
}
