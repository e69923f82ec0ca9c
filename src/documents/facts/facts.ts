import { isSignedByBoth, isSignedByUs } from '../../robot/signature.ts';
import { isAnswered, newestRework, type Rework, reworkComments } from '../observe/rework.ts';
import type { Assignment, DocumentSnapshot, DocumentStatus } from '../ports/document.ts';
import type { ContractTrigger, Fact } from '../ports/facts.ts';
import { type NoticeCode, type NoticeDetails, toNoticeText } from './notices.ts';

/**
 * The snapshot before the first reading of a document that a robot has just made: whatever shows later is new. The first
 * reading of any other document (linked, given by id, or known from before an update) has no `before`.
 */
export const JUST_MADE: DocumentSnapshot = {
  state: null,
  status: 'created',
  since: null,
  dates: null,
  assignments: [],
};

/** On a document that ended nothing is left to be decided. */
const ENDED = new Set<DocumentStatus>(['rejected', 'executed', 'annulled', 'deleted']);
/** Directum's clock may go a little behind ours. */
const CLOCK_SKEW_MS = 120_000;

type Step = 'approved' | 'signed_us' | 'signed_both' | 'executed' | 'rejected';

/**
 * What became true between two snapshots of a document (interface.md §5); the outbox leaves out what was told before.
 *
 * - When steps were missed between two readings, those between are told too, in their order: a signed document has been approved, one signed by
 *   both is signed by us, as `directum_wait_signature` reads it. An administrator who placed only the earlier trigger
 *   would otherwise wait for ever, and the portal moves a deal forward only. People get the last step alone.
 * - Without `before` nothing is new: a deal bound to a contract signed last year must not jump to «signed», and an
 *   update of the package must not move every old deal. A wrong move is worse than one a person makes by hand.
 * - An annulled, deleted or refused document tells nothing of the signatures it once had.
 */
export function toFacts(
  before: DocumentSnapshot | null,
  after: DocumentSnapshot,
  watchedSince: Date,
): Fact[] {
  const facts: Fact[] = [];
  if (before !== null) {
    const had = new Set(toSteps(before));
    const fresh = toSteps(after).filter((step) => !had.has(step));
    facts.push(...fresh.map((step) => trigger(`directum_${step}`, '')));
    // That it is executed was written by the person who would be told.
    const last = fresh.findLast((step) => step !== 'executed');
    if (last !== undefined && after.status !== 'executed') facts.push(notice(after, last, '', null));
    const rework = toNewRework(before, after);
    if (rework !== null) {
      const comments = isOver(before, newestRework(after.assignments))
        ? []
        : reworkComments(after.assignments);
      facts.push(trigger('directum_rework', rework), notice(after, 'rework', rework, null, { comments }));
    }
  }
  return [...facts, ...toRequests(before, after, watchedSince)];
}

/** The steps a document has behind it, in their order. */
function toSteps({ state, status }: DocumentSnapshot): Step[] {
  const signing: Step[] = ['approved', 'signed_us', 'signed_both'];
  if (status === 'rejected') return ['rejected'];
  if (status === 'approved') return signing.slice(0, 1);
  if (status === 'signed_us') return signing.slice(0, 2);
  if (status === 'signed_both') return signing;
  if (status !== 'executed') return [];
  if (state === null) return ['executed'];
  if (isSignedByBoth(state)) return [...signing, 'executed'];
  return [...(isSignedByUs(state) ? signing.slice(0, 2) : []), 'executed'];
}

/**
 * The key of a return for rework that was not there before, else null. It is the assignment that sent the document back,
 * which stays the same however often and late it is read. Where Directum does not show it (yet), it is the moment the
 * status began; the assignment that shows up afterwards is then not a second return.
 */
function toNewRework(before: DocumentSnapshot, after: DocumentSnapshot): string | null {
  if (after.status !== 'rework') return null;
  const now = newestRework(after.assignments);
  const open = now !== null && !now.closed ? now : null;
  if (before.status !== 'rework')
    return open && !isOver(before, open) ? `${open.id}` : `since ${after.since}`;
  if (open === null) return null;
  const last = newestRework(before.assignments);
  if (last !== null && !last.closed) return last.id === open.id ? null : `${open.id}`;
  // The first return was told by its moment: only an approver asked after it can have sent the document back again.
  if (before.since === null) return null;
  const told = Date.parse(before.since);
  const isLater =
    open.askedAt > told ||
    (open.askedAt === told && isAnswered(after.assignments, { id: 0, sentBackAt: told }, open.id));
  return isLater ? `${open.id}` : null;
}

/** The document went on after this return, though no answer of its author says so. */
function isOver({ status, since }: DocumentSnapshot, rework: Rework | null): boolean {
  return status !== 'rework' && since !== null && rework !== null && rework.sentBackAt < Date.parse(since);
}

/**
 * Who is asked to approve or to sign. An assignment says so by its type; where Directum does not show that, the
 * document's status does. Forwarding makes a new assignment; one whose performer was exchanged asks the new person too.
 */
function toRequests(before: DocumentSnapshot | null, after: DocumentSnapshot, watchedSince: Date): Fact[] {
  const toKey = ({ id, performer }: Assignment) => `${id}/${performer?.id}`;
  // The assignment may be seen before the status that says what it is for.
  const known = new Set(before?.assignments.filter((one) => toRequest(before, one) !== null).map(toKey));
  return after.assignments
    .filter(
      (one) =>
        !known.has(toKey(one)) &&
        one.created !== null &&
        Date.parse(one.created) >= watchedSince.getTime() - CLOCK_SKEW_MS,
    )
    .flatMap((one) => {
      const code = toRequest(after, one);
      if (code === null) return [];
      return notice(after, code, toKey(one), one.performer?.email ?? null, { workUrl: one.url });
    });
}

/** What the performer is to be asked for, null for nothing that the package tells of. */
function toRequest(
  { status }: DocumentSnapshot,
  one: Assignment,
): 'approval_needed' | 'signature_needed' | null {
  if (status === null || ENDED.has(status) || !isAsked(one)) return null;
  const approval = one.kind ? one.kind === 'approval' : status === 'on_approval';
  const signing = one.kind ? one.kind === 'signing' : status === 'approved';
  return approval ? 'approval_needed' : signing ? 'signature_needed' : null;
}

function isAsked({ status, performer }: Assignment): boolean {
  return status === 'InProcess' && performer?.email != null;
}

function trigger(code: ContractTrigger, key: string): Fact {
  return { kind: 'trigger', code, key, email: null, text: null };
}

function notice(
  { state }: DocumentSnapshot,
  code: NoticeCode,
  key: string,
  email: string | null,
  more: Partial<NoticeDetails> = {},
): Fact {
  const details = { name: state?.name ?? '', url: state?.url ?? '', ...more };
  return { kind: 'notice', code, key, email, text: toNoticeText(code, details) };
}
