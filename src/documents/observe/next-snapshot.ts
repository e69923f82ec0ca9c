import { isDeepStrictEqual } from 'node:util';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { KeptSnapshot } from '../../store/documents/kept-snapshots.ts';
import type { Assignment, DocumentDates, DocumentStatus } from '../ports/document.ts';

/** A state read within this time of its `Modified` may change once more without another `Modified`. */
const YOUNG_MS = 2_000;

/** What one answer of Directum says of a document; what it does not say is absent. */
export interface Answer {
  state?: DocumentState;
  deleted?: true;
  dates?: DocumentDates | null;
  assignments?: Assignment[];
}

/**
 * The snapshot of a document after an answer to a question that was asked at `askedAt`. The same answer twice, or one that
 * comes late, changes nothing. `statusOf` is asked only for a state that counts.
 */
export function toNextSnapshot(
  before: KeptSnapshot,
  answer: Answer,
  askedAt: Date,
  now: Date,
  statusOf: (state: DocumentState, before: DocumentStatus | null) => DocumentStatus | null,
): KeptSnapshot {
  const after = { ...before };
  if (answer.deleted) {
    const isLate = before.askedAt !== null && askedAt < before.askedAt;
    if (before.status !== 'deleted' && !isLate)
      Object.assign(after, { status: 'deleted', since: toMoment(now), ended: true, askedAt });
  } else if (answer.state !== undefined && !isStale(answer.state, before, askedAt)) {
    const status = statusOf(answer.state, before.status);
    Object.assign(after, { state: answer.state, status, askedAt });
    // It is readable again, as after lost rights came back; a document that ended for another reason stays ended.
    if (before.status === 'deleted') after.ended = false;
    if (status !== before.status) after.since = answer.state.modified ?? toMoment(now);
  }
  // A contract stays one: dates that are not shown may be rights lost since its state was asked for.
  if (answer.dates) after.dates = answer.dates;
  if (answer.assignments !== undefined) {
    const byId = new Map(before.assignments.map((one) => [one.id, one]));
    for (const one of answer.assignments) {
      const known = byId.get(one.id);
      if (known === undefined || !isBefore(one.modified, known.modified)) byId.set(one.id, one);
    }
    after.assignments = [...byId.values()].sort((a, b) => a.id - b.id);
  }
  return after;
}

/** It was read in the second of its change, in which it may have changed once more without another `Modified`. */
export function isYoung(state: DocumentState, askedAt: Date | null): boolean {
  if (askedAt === null || state.modified === null) return false;
  return Math.abs(askedAt.getTime() - Date.parse(state.modified)) < YOUNG_MS;
}

/** The assignments that are new or differ. */
export function toChanged(before: Assignment[], after: Assignment[]): Assignment[] {
  const byId = new Map(before.map((one) => [one.id, one]));
  return after.filter((one) => !isDeepStrictEqual(byId.get(one.id), one));
}

/** Of two answers of one moment the one asked for later counts, unless the other shows a later change. */
function isStale(state: DocumentState, before: KeptSnapshot, askedAt: Date): boolean {
  if (before.askedAt === null || askedAt >= before.askedAt) return false;
  return before.status === 'deleted' || !isBefore(before.state?.modified ?? null, state.modified);
}

/** Portals keep whole seconds. */
function toMoment(at: Date): string {
  return at.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Unknown times are before nothing. */
function isBefore(one: string | null, other: string | null): boolean {
  return one !== null && other !== null && Date.parse(one) < Date.parse(other);
}
