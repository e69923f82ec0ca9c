import { cut } from '../../lib/text.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import { isSignedByBoth, isSignedByUs } from '../../robot/signature.ts';
import type { DocumentStatus } from '../ports/document.ts';

/** Directum's own values (directum.md B.8), those of invoices and memos included. */
const KNOWN = {
  lifeCycleState: ['Draft', 'Active', 'Obsolete', 'Terminated', 'Closed', 'Paid'],
  internalApprovalState: [
    ...['OnApproval', 'OnRework', 'PendingSign', 'Signed', 'Aborted'],
    ...['PendingReview', 'Reviewed'],
  ],
  externalApprovalState: ['OnApproval', 'Signed', 'Unsigned'],
  exchangeState: [
    ...['SignAwaited', 'SignRequired', 'Sent', 'Received', 'Signed', 'Rejected', 'Terminated'],
    'Obsolete',
  ],
} as const satisfies Partial<Record<keyof DocumentState, readonly string[]>>;

type State = keyof typeof KNOWN;
const STATES = Object.keys(KNOWN) as State[];
/** Longest part of a foreign value that is told on. */
const CUT = 60;

interface Rule {
  status: DocumentStatus;
  /** States the rule looks at. */
  of: readonly State[];
  holds(document: DocumentState): boolean;
}

const is =
  (state: State, ...values: string[]) =>
  (document: DocumentState): boolean =>
    values.includes(document[state] ?? '');

/** Interface.md §5, "Status": the first that holds; none of them is `created`. `Active` proves nothing. */
const RULES: readonly Rule[] = [
  { status: 'executed', of: ['lifeCycleState'], holds: is('lifeCycleState', 'Closed', 'Paid') },
  { status: 'annulled', of: ['lifeCycleState'], holds: is('lifeCycleState', 'Obsolete', 'Terminated') },
  {
    status: 'signed_both',
    of: ['internalApprovalState', 'externalApprovalState', 'exchangeState'],
    holds: isSignedByBoth,
  },
  {
    status: 'rejected',
    of: ['externalApprovalState', 'exchangeState'],
    holds: (document) =>
      is('externalApprovalState', 'Unsigned')(document) ||
      is('exchangeState', 'Rejected', 'Terminated')(document),
  },
  { status: 'signed_us', of: ['internalApprovalState'], holds: isSignedByUs },
  { status: 'rejected', of: ['internalApprovalState'], holds: is('internalApprovalState', 'Aborted') },
  { status: 'approved', of: ['internalApprovalState'], holds: is('internalApprovalState', 'PendingSign') },
  { status: 'rework', of: ['internalApprovalState'], holds: is('internalApprovalState', 'OnRework') },
  { status: 'on_approval', of: ['internalApprovalState'], holds: is('internalApprovalState', 'OnApproval') },
];

/**
 * Status of a document from what Directum shows of it now; no document is a deleted one. An unknown value might
 * mean anything, so a rule that looks at it, and all after it, leave `previous` as it is; `unknown` names every such
 * value (`ExchangeState: Frozen`) for the log. `null` stays null until something is known.
 */
export function toStatus(
  document: DocumentState | null,
  previous: DocumentStatus | null,
): { status: DocumentStatus | null; unknown: string[] } {
  if (document === null) return { status: 'deleted', unknown: [] };
  const strange = STATES.filter((state) => isStrange(document, state));
  const unknown = strange.map((state) => `${toProperty(state)}: ${cut(document[state] ?? '', CUT)}`);
  for (const rule of RULES) {
    if (rule.holds(document)) return { status: rule.status, unknown };
    if (rule.of.some((state) => strange.includes(state))) return { status: previous, unknown };
  }
  return { status: 'created', unknown };
}

function isStrange(document: DocumentState, state: State): boolean {
  const value = document[state];
  return value !== null && !(KNOWN[state] as readonly string[]).includes(value);
}

const toProperty = (state: State): string => state.charAt(0).toUpperCase() + state.slice(1);
