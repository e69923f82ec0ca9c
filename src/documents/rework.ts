import type { Assignment } from './ports.ts';

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
    if (newest === null || askedAt >= newest.sentBackAt)
      newest = { id: one.id, askedAt, sentBackAt: one.sentBackAt, closed: false };
  }
  if (newest === null) return null;
  const { sentBackAt } = newest;
  const closed = assignments.some(
    ({ result, completed }) =>
      RESUBMITTED.has(result ?? '') && completed !== null && Date.parse(completed) >= sentBackAt,
  );
  return { ...newest, closed };
}

/** What the approvers of the newest return wrote, in the order of their answers. */
export function reworkComments(assignments: Assignment[]): { who: string; comment: string }[] {
  const newest = newestRework(assignments);
  if (newest === null || newest.closed) return [];
  return sentBack(assignments)
    .filter((one) => one.sentBackAt >= newest.sentBackAt)
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
