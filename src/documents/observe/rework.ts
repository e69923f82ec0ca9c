import type { Assignment } from '../ports/document.ts';

/** What an approver answers to send a document back (directum.md F.4). */
const SENT_BACK = new Set(['ForRevision', 'ForRework']);
/** What its author answers when it goes on (directum.md F.4). */
const RESUBMITTED = new Set(['ForReapproving', 'ForReapproval', 'Reworked']);

/** One return of a document for rework, named by the assignment that caused it. */
export interface Rework {
  id: number;
  /** When the approver was asked, and answered. */
  askedAt: number;
  sentBackAt: number;
  /** The author sent the document on: this return is over. */
  closed: boolean;
}

/**
 * The newest return for rework. Approvers asked in parallel may send one document back several times: whoever was asked
 * before the first of them answered belongs to the same return. So its name stays when more answers become known.
 */
export function newestRework(assignments: Assignment[]): Rework | null {
  let newest: Rework | null = null;
  for (const one of sentBack(assignments)) {
    const askedAt = one.created === null ? one.sentBackAt : Date.parse(one.created);
    const isLater: boolean =
      newest === null ||
      askedAt > newest.sentBackAt ||
      // Within one second of Directum's clock the author's answer stands between two returns by its id.
      (askedAt === newest.sentBackAt && isAnswered(assignments, newest, one.id));
    if (isLater) newest = { id: one.id, askedAt, sentBackAt: one.sentBackAt, closed: false };
  }
  return newest && { ...newest, closed: isAnswered(assignments, newest) };
}

/** Whether the author sent the document on after a return, and before the assignment `until`. */
export function isAnswered(
  assignments: Assignment[],
  { id, sentBackAt }: Pick<Rework, 'id' | 'sentBackAt'>,
  until = Number.POSITIVE_INFINITY,
): boolean {
  return assignments.some((one) => {
    if (!RESUBMITTED.has(one.result ?? '') || one.completed === null || one.id >= until) return false;
    const at = Date.parse(one.completed);
    return at > sentBackAt || (at === sentBackAt && one.id > id);
  });
}

/** What the approvers of the newest return wrote, in the order of their answers. */
export function reworkComments(assignments: Assignment[]): { who: string; comment: string }[] {
  const newest = newestRework(assignments);
  if (newest === null || newest.closed) return [];
  return sentBack(assignments)
    .filter(
      ({ id, sentBackAt }) =>
        sentBackAt > newest.sentBackAt || (sentBackAt === newest.sentBackAt && id >= newest.id),
    )
    .flatMap(({ comment, performer }) =>
      comment?.trim() ? [{ who: performer?.name ?? '', comment: comment.trim() }] : [],
    );
}

function sentBack(assignments: Assignment[]): (Assignment & { sentBackAt: number })[] {
  return assignments
    .flatMap((one) =>
      SENT_BACK.has(one.result ?? '') && one.completed !== null
        ? [{ ...one, sentBackAt: Date.parse(one.completed) }]
        : [],
    )
    .sort((a, b) => a.sentBackAt - b.sentBackAt || a.id - b.id);
}
