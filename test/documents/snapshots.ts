import type { Assignment, DocumentSnapshot, DocumentStatus } from '../../src/documents/ports/document.ts';
import type { DocumentState } from '../../src/robot/ports/document-state.ts';

export function document(states: Partial<DocumentState> = {}): DocumentState {
  return {
    id: 5001,
    name: 'Договор «Поставка»',
    url: 'https://rx/5001',
    modified: '2026-03-02T10:00:00Z',
    lifeCycleState: 'Draft',
    internalApprovalState: null,
    externalApprovalState: null,
    exchangeState: null,
    lastVersionApproved: false,
    registrationNumber: null,
    ourSignatory: null,
    ...states,
  };
}

export function assignment(id: number, more: Partial<Assignment> = {}): Assignment {
  return {
    id,
    taskId: 7001,
    kind: null,
    url: `https://rx/assignment/${id}`,
    subject: 'Согласуйте договор',
    status: 'InProcess',
    result: null,
    deadline: '2026-03-05T18:00:00+03:00',
    created: '2026-03-02T10:00:00Z',
    completed: null,
    modified: null,
    performer: { id: 34, name: 'Анна', email: 'anna@acme.example' },
    comment: null,
    ...more,
  };
}

export function sentBack(
  id: number,
  created: string,
  completed: string,
  comment: string | null = null,
): Assignment {
  return assignment(id, { status: 'Completed', result: 'ForRevision', created, completed, comment });
}

export function resubmitted(id: number, created: string, completed: string): Assignment {
  return assignment(id, { status: 'Completed', result: 'ForReapproving', created, completed });
}

/** A snapshot of a document with the status; `more` goes over it. */
export function snapshot(status: DocumentStatus, more: Partial<DocumentSnapshot> = {}): DocumentSnapshot {
  const signed = { internalApprovalState: 'Signed', lastVersionApproved: true };
  const states: Partial<Record<DocumentStatus, Partial<DocumentState>>> = {
    on_approval: { internalApprovalState: 'OnApproval' },
    rework: { internalApprovalState: 'OnRework' },
    approved: { internalApprovalState: 'PendingSign' },
    rejected: { internalApprovalState: 'Aborted' },
    signed_us: signed,
    signed_both: { ...signed, externalApprovalState: 'Signed' },
    executed: { ...signed, externalApprovalState: 'Signed', lifeCycleState: 'Closed' },
    annulled: { ...signed, lifeCycleState: 'Terminated' },
  };
  return {
    state: document(states[status]),
    status,
    since: '2026-03-02T10:00:00Z',
    dates: null,
    assignments: [],
    ...more,
  };
}
