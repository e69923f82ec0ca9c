import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STATUS_WORDS } from '../../../src/documents/facts/status-words.ts';
import { toStatus } from '../../../src/documents/observe/status.ts';
import type { DocumentStatus } from '../../../src/documents/ports/document.ts';
import type { DocumentState } from '../../../src/robot/ports/document-state.ts';

const document = (changes: Partial<DocumentState> = {}): DocumentState => ({
  ...{ id: 5001, name: 'Договор', url: 'https://rx.example/Client/#/card/x/5001', modified: null },
  ...{ lifeCycleState: 'Draft', internalApprovalState: null, externalApprovalState: null },
  ...{ exchangeState: null, lastVersionApproved: false, registrationNumber: null, ourSignatory: null },
  ...changes,
});

describe('a status', () => {
  it.each<[Partial<DocumentState>, DocumentStatus]>([
    [{}, 'created'],
    [{ lifeCycleState: 'Active' }, 'created'],
    [{ lifeCycleState: null }, 'created'],
    [{ lifeCycleState: 'Paid' }, 'executed'],
    [{ internalApprovalState: 'Reviewed' }, 'created'],
    [{ externalApprovalState: 'Signed' }, 'created'],
    [{ externalApprovalState: 'OnApproval', exchangeState: 'Sent' }, 'created'],
    [{ internalApprovalState: 'OnApproval' }, 'on_approval'],
    [{ internalApprovalState: 'OnApproval', lifeCycleState: 'Active' }, 'on_approval'],
    [{ internalApprovalState: 'OnApproval', externalApprovalState: 'Signed' }, 'on_approval'],
    [{ internalApprovalState: 'OnRework' }, 'rework'],
    [{ internalApprovalState: 'PendingSign' }, 'approved'],
    [{ internalApprovalState: 'Aborted' }, 'rejected'],
    [{ internalApprovalState: 'Signed' }, 'signed_us'],
    [{ lastVersionApproved: true }, 'signed_us'],
    [{ lastVersionApproved: true, internalApprovalState: 'Aborted' }, 'signed_us'],
    [{ lastVersionApproved: true, internalApprovalState: 'OnApproval' }, 'signed_us'],
    [{ internalApprovalState: 'Signed', externalApprovalState: 'Unsigned' }, 'rejected'],
    [{ internalApprovalState: 'Signed', exchangeState: 'Rejected' }, 'rejected'],
    [{ exchangeState: 'Terminated' }, 'rejected'],
    [{ exchangeState: 'Obsolete' }, 'created'],
    [{ internalApprovalState: 'Signed', externalApprovalState: 'Signed' }, 'signed_both'],
    [{ lastVersionApproved: true, externalApprovalState: 'Signed' }, 'signed_both'],
    [{ exchangeState: 'Signed' }, 'signed_both'],
    [{ exchangeState: 'Signed', externalApprovalState: 'Unsigned' }, 'signed_both'],
    [{ lifeCycleState: 'Obsolete', internalApprovalState: 'Signed', exchangeState: 'Signed' }, 'annulled'],
    [{ lifeCycleState: 'Terminated', internalApprovalState: 'Aborted' }, 'annulled'],
    [{ lifeCycleState: 'Closed', internalApprovalState: 'Aborted', exchangeState: 'Rejected' }, 'executed'],
  ])('of %j is %s', (changes, status) => {
    expect(toStatus(document(changes), 'on_approval')).toEqual({ status, unknown: [] });
  });

  it('of no document is deleted', () => {
    expect(toStatus(null, 'signed_both')).toEqual({ status: 'deleted', unknown: [] });
  });
});

describe('a value nobody knows', () => {
  it.each<[Partial<DocumentState>, string]>([
    [{ lifeCycleState: 'Frozen' }, 'LifeCycleState: Frozen'],
    [{ internalApprovalState: 'OnLawyer' }, 'InternalApprovalState: OnLawyer'],
    [{ externalApprovalState: 'signed' }, 'ExternalApprovalState: signed'],
    [{ exchangeState: 'Revoked' }, 'ExchangeState: Revoked'],
    [{ lifeCycleState: 'Frozen', internalApprovalState: 'Signed' }, 'LifeCycleState: Frozen'],
    [{ exchangeState: 'Revoked', internalApprovalState: 'Aborted' }, 'ExchangeState: Revoked'],
    [
      { internalApprovalState: 'OnLawyer', externalApprovalState: 'Signed', exchangeState: 'Rejected' },
      'InternalApprovalState: OnLawyer',
    ],
  ])('%j changes nothing and is told', (changes, unknown) => {
    expect(toStatus(document(changes), 'approved')).toEqual({ status: 'approved', unknown: [unknown] });
    expect(toStatus(document(changes), null)).toEqual({ status: null, unknown: [unknown] });
  });

  it('does not hide what is certain without it', () => {
    expect(toStatus(document({ lifeCycleState: 'Closed', exchangeState: 'Revoked' }), 'approved')).toEqual({
      status: 'executed',
      unknown: ['ExchangeState: Revoked'],
    });
    const both = { exchangeState: 'Signed', internalApprovalState: 'OnLawyer' };
    expect(toStatus(document(both), 'approved').status).toBe('signed_both');
  });

  it('is told in part when it is long', () => {
    const { unknown } = toStatus(document({ exchangeState: 'x'.repeat(5_000) }), null);
    expect(unknown[0]!.length).toBeLessThan(100);
  });
});

/** What Directum may show at one moment; a value of the future now and then. */
const observation = fc.option(
  fc.record({
    lifeCycleState: fc.constantFrom('Draft', 'Active', 'Obsolete', 'Terminated', 'Closed', 'Frozen', null),
    internalApprovalState: fc.constantFrom(
      ...[null, 'OnApproval', 'OnRework', 'PendingSign', 'Signed', 'Aborted', 'OnLawyer'],
    ),
    externalApprovalState: fc.constantFrom(null, 'OnApproval', 'Signed', 'Unsigned'),
    exchangeState: fc.constantFrom(null, 'Sent', 'Signed', 'Rejected', 'Terminated', 'Revoked'),
    lastVersionApproved: fc.boolean(),
  }),
  { freq: 20 },
);
type Seen = Partial<DocumentState> | null;
const endOf = (history: Seen[], first: DocumentStatus | null = null) =>
  history.reduce<DocumentStatus | null>(
    (previous, seen) => toStatus(seen && document(seen), previous).status,
    first,
  );
const FOREIGN = ['Frozen', 'OnLawyer', 'Revoked'];
const isUnderstood = (seen: Seen) => !Object.values(seen ?? {}).some((value) => FOREIGN.includes(`${value}`));
const anyStatus = fc.constantFrom(null, ...(Object.keys(STATUS_WORDS) as DocumentStatus[]));

describe('whatever was observed before', () => {
  it('a document that is understood has the status of what it shows now', () => {
    fc.assert(
      fc.property(
        fc.array(observation),
        observation.filter(isUnderstood),
        anyStatus,
        (history, now, first) => {
          expect(endOf([...history, now], first)).toBe(endOf([now]));
        },
      ),
    );
  });

  it('observations in another order, repeated or lost end in the same status', () => {
    const shuffled = fc
      .array(observation, { minLength: 1, maxLength: 8 })
      .chain((seen) =>
        fc.tuple(
          fc.constant(seen),
          fc.shuffledSubarray([...seen, ...seen]),
          observation.filter(isUnderstood),
        ),
      );
    fc.assert(
      fc.property(shuffled, ([seen, other, last]) => {
        expect(endOf([...other, last, last])).toBe(endOf([...seen, last]));
      }),
    );
  });

  it('an observation that says nothing certain leaves no trace', () => {
    const vague = observation.map((seen) => ({ ...seen, lifeCycleState: 'Frozen' }));
    fc.assert(
      fc.property(fc.array(observation), vague, fc.array(observation), (before, between, rest) => {
        expect(endOf([...before, between, ...rest])).toBe(endOf([...before, ...rest]));
      }),
    );
  });

  it('a document in force proves nothing', () => {
    fc.assert(
      fc.property(observation.filter(Boolean), anyStatus, (seen, previous) => {
        const [active, draft] = ['Active', 'Draft'].map((lifeCycleState) =>
          toStatus(document({ ...seen, lifeCycleState }), previous),
        );
        expect(active).toEqual(draft);
      }),
    );
  });
});

it('every status has words of its own in both languages', () => {
  for (const language of ['ru', 'en'] as const) {
    const labels = Object.values(STATUS_WORDS).map(({ title }) => title[language]);
    expect(new Set(labels).size).toBe(10);
    expect(labels.every((label) => label.trim() !== '')).toBe(true);
  }
});
