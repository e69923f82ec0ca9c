import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DocumentState, TaskState } from '../../src/robot/ports/document-state.ts';
import { toSeen, toVerdict, toWaitText, type WaitFor } from '../../src/robot/signature.ts';

const document = (changes: Partial<DocumentState> = {}): DocumentState => ({
  id: 5001,
  name: 'Договор',
  url: 'https://rx.example/Client/#/card/x/5001',
  modified: '2026-03-02T10:00:00Z',
  lifeCycleState: 'Draft',
  internalApprovalState: 'OnApproval',
  externalApprovalState: null,
  exchangeState: null,
  lastVersionApproved: false,
  registrationNumber: null,
  ourSignatory: null,
  ...changes,
});
const task = (status: string): TaskState => ({ id: 7001, status, startedAt: '2026-03-02T09:00:00Z' });
const result = (
  waitFor: WaitFor,
  changes: Partial<DocumentState> | null,
  status: string | null = 'InProcess',
) =>
  toVerdict({ document: changes && document(changes), task: status === null ? null : task(status) }, waitFor)
    ?.result ?? 'waits';

describe('a verdict', () => {
  it.each([
    // us
    ['us', {}, 'InProcess', 'waits'],
    ['us', { internalApprovalState: null }, null, 'waits'],
    ['us', { internalApprovalState: 'OnRework' }, 'InProcess', 'waits'],
    ['us', { internalApprovalState: 'PendingSign' }, 'InProcess', 'waits'],
    ['us', { lifeCycleState: 'Active' }, null, 'waits'],
    ['us', { internalApprovalState: 'Signed' }, 'InProcess', 'signed'],
    ['us', { lastVersionApproved: true }, 'InProcess', 'signed'],
    ['us', { lastVersionApproved: true, internalApprovalState: 'Aborted' }, 'Aborted', 'signed'],
    ['us', null, null, 'deleted'],
    ['us', {}, 'Aborted', 'rejected'],
    ['us', { internalApprovalState: 'Aborted' }, null, 'rejected'],
    ['us', { internalApprovalState: 'Aborted' }, 'InProcess', 'waits'],
    ['us', { lifeCycleState: 'Obsolete' }, 'InProcess', 'rejected'],
    ['us', { lifeCycleState: 'Terminated' }, null, 'rejected'],
    ['us', { externalApprovalState: 'Unsigned' }, 'InProcess', 'rejected'],
    ['us', { exchangeState: 'Rejected' }, null, 'rejected'],
    ['us', { exchangeState: 'Terminated' }, null, 'rejected'],
    ['us', { internalApprovalState: 'PendingSign' }, 'Completed', 'not_signed'],
    ['us', {}, 'Completed', 'not_signed'],
    // both
    ['both', { internalApprovalState: 'Signed' }, 'Completed', 'waits'],
    ['both', { internalApprovalState: 'Signed', externalApprovalState: 'Signed' }, 'Completed', 'signed'],
    ['both', { lastVersionApproved: true, externalApprovalState: 'Signed' }, null, 'signed'],
    ['both', { exchangeState: 'Signed' }, null, 'signed'],
    ['both', { externalApprovalState: 'Signed' }, 'InProcess', 'waits'],
    ['both', { internalApprovalState: 'Signed', externalApprovalState: 'Unsigned' }, 'Completed', 'rejected'],
    ['both', {}, 'Completed', 'not_signed'],
    // approval
    ['approval', {}, 'InProcess', 'waits'],
    ['approval', { internalApprovalState: 'PendingSign' }, 'InProcess', 'approved'],
    ['approval', { internalApprovalState: 'Signed' }, null, 'approved'],
    ['approval', {}, 'Completed', 'approved'],
    ['approval', {}, 'Aborted', 'rejected'],
    ['approval', { internalApprovalState: 'OnRework' }, 'InProcess', 'waits'],
  ] as const)('for %s of %j with the task %s: %s', (waitFor, changes, status, expected) => {
    expect(result(waitFor, changes, status)).toBe(expected);
  });
});

const states = fc.record({
  lifeCycleState: fc.constantFrom('Draft', 'Active', 'Obsolete', 'Terminated', 'Closed', null),
  internalApprovalState: fc.constantFrom(
    null,
    'OnApproval',
    'OnRework',
    'PendingSign',
    'Signed',
    'Aborted',
    'New',
  ),
  externalApprovalState: fc.constantFrom(null, 'OnApproval', 'Signed', 'Unsigned'),
  exchangeState: fc.constantFrom(null, 'Sent', 'Signed', 'Rejected', 'Terminated'),
  lastVersionApproved: fc.boolean(),
});
const statuses = fc.constantFrom(null, 'InProcess', 'UnderReview', 'Suspended', 'Completed', 'Aborted');

const FACTS = [
  'lifeCycleState',
  'internalApprovalState',
  'externalApprovalState',
  'exchangeState',
  'lastVersionApproved',
] as const;

describe('whatever Directum shows', () => {
  it('the asked-for success comes before every failure', () => {
    fc.assert(
      fc.property(states, statuses, (changes, status) => {
        const signed = changes.internalApprovalState === 'Signed' || changes.lastVersionApproved;
        expect(result('us', changes, status) === 'signed').toBe(signed);
      }),
    );
  });
  it('a document signed by both is signed by both, and never before our side signed without an exchange', () => {
    fc.assert(
      fc.property(states, statuses, (changes, status) => {
        const us = changes.internalApprovalState === 'Signed' || changes.lastVersionApproved;
        const both = (us && changes.externalApprovalState === 'Signed') || changes.exchangeState === 'Signed';
        expect(result('both', changes, status) === 'signed').toBe(both);
      }),
    );
  });
  it('documents that look alike to the watcher get one verdict', () => {
    fc.assert(
      fc.property(states, states, fc.constantFrom(...FACTS), statuses, (a, other, fact, status) => {
        // One fact apart, so that a fact the watcher does not look at is found soon.
        const b = { ...a, [fact]: other[fact] };
        if (toSeen(document(a)) !== toSeen(document(b))) return;
        for (const waitFor of ['us', 'both', 'approval'] as const)
          expect(result(waitFor, a, status)).toBe(result(waitFor, b, status));
      }),
    );
  });
});

it.each(['rejected', 'not_signed', 'deleted', 'expired'] as const)(
  '%s is explained shortly in both languages',
  (kind) => {
    const text = toWaitText(
      { result: kind, ...(kind === 'rejected' && { refused: 'task' }) },
      'Я'.repeat(250),
      'us',
    );
    for (const words of [text.ru, text.en]) {
      expect(words.length).toBeLessThanOrEqual(500);
      expect(words).toMatch(/^[^.]+\. [^.]+\.$/);
    }
  },
);
