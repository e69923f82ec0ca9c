import { isDeepStrictEqual } from 'node:util';
import type { JournalLine, JournalPerson } from '../../journal/lines.ts';
import type { Assignment, DocumentDates, SnapshotChange } from '../ports/document.ts';

interface Facts {
  lines: JournalLine[];
  /** Whom the lines name by keys. */
  people: JournalPerson[];
}

/**
 * What the journal keeps of one observation: statuses with the moment Directum changed them, assignments, and dates of
 * obligations. A fact has one line in each portal that shows the document, under the item that showed it first; an assignment
 * that several documents share is one fact. `first` marks what Directum showed when the document was seen for the first
 * time, which may have happened long before.
 */
export function toFactsOf(changes: readonly SnapshotChange[], now: Date): Facts {
  const told = new Set<string>();
  const lines = changes.flatMap((change) => {
    const facts = [...statusOf(change), ...assignmentsOf(change), ...datesOf(change)];
    return placesOf(change).flatMap((place) =>
      facts.flatMap(({ type, data, shared }): JournalLine[] => {
        const key = `${place.portal} ${shared}`;
        if (shared !== null && told.has(key)) return [];
        told.add(key);
        return [{ at: now, ...place, documentId: change.documentId, type, actor: 'service', data }];
      }),
    );
  });
  const seen = changes.flatMap((change) => changedOf(change).map(({ after }) => after));
  return {
    lines,
    people: seen.flatMap(({ performer }) => (performer === null ? [] : [toPerson(performer)])),
  };
}

type Fact = Pick<JournalLine, 'type' | 'data'> & {
  /** Names a fact that other documents of the observation may have too. */
  shared: string | null;
};

/** Each portal with the item that showed the document first; a document that no item shows any more concerns no portal. */
function placesOf({ items }: SnapshotChange): Pick<JournalLine, 'portal' | 'itemCode'>[] {
  if (items.length === 0) return [{ portal: null, itemCode: null }];
  const latestFirst = items.toSorted((a, b) => b.since.getTime() - a.since.getTime());
  return [...new Map(latestFirst.map(({ portal, itemCode }) => [portal, { portal, itemCode }])).values()];
}

function statusOf({ before, after, made }: SnapshotChange): Fact[] {
  const { status, since, state } = after;
  if (status === null || before?.status === status) return [];
  const data = { status, before: before?.status ?? null, since, kind: state?.kindId ?? null };
  return [{ type: 'document.status', data: { ...data, ...toFirst(before === null && !made) }, shared: null }];
}

function changedOf({ assignmentsBefore, after }: SnapshotChange) {
  const known = new Map(assignmentsBefore.map((one) => [one.id, one]));
  return after.assignments
    .map((one) => ({ before: known.get(one.id) ?? null, after: one }))
    .filter(({ before, after: one }) => !isDeepStrictEqual(before, one));
}

function assignmentsOf(change: SnapshotChange): Fact[] {
  const first = toFirst(change.before === null && !change.made);
  return changedOf(change).flatMap(({ before, after }) => {
    const shared = `${after.id}`;
    const begun = before === null || (isOver(before) && !isOver(after));
    const ended = isOver(after) && (before === null || !isOver(before));
    const facts: Fact[] = [];
    const data = { ...toData(after), ...first };
    if (begun) facts.push({ type: 'assignment.begun', data, shared: `${shared} begun` });
    if (ended) facts.push({ type: 'assignment.ended', data, shared: `${shared} ended` });
    if (before === null || begun || ended || isDeepStrictEqual(toData(before), toData(after))) return facts;
    const was = { deadline: before.deadline, performer: toKey(before.performer), status: before.status };
    return [{ type: 'assignment.changed', data: { ...data, before: was }, shared: `${shared} changed` }];
  });
}

const isOver = ({ status }: Assignment) => status === 'Completed' || status === 'Aborted';

/** What reports need of an assignment; neither its subject nor what the performer wrote. */
function toData({ id, taskId, kind, status, result, deadline, created, completed, performer }: Assignment) {
  return {
    ...{ assignment: id, task: taskId, kind, status, result, deadline, created, completed },
    performer: toKey(performer),
  };
}

const toKey = (performer: Assignment['performer']) => performer && `directum ${performer.id}`;

function toPerson({ id, name, email }: NonNullable<Assignment['performer']>): JournalPerson {
  return { key: `directum ${id}`, name, email };
}

function datesOf({ before, after, made }: SnapshotChange): Fact[] {
  const dates = toObligations(after.dates);
  if (dates === null || isDeepStrictEqual(toObligations(before?.dates ?? null), dates)) return [];
  const data = { ...dates, before: toObligations(before?.dates ?? null) };
  return [{ type: 'dates.changed', data: { ...data, ...toFirst(before === null && !made) }, shared: null }];
}

/** The dates without the names of milestones, which people write. */
function toObligations(dates: DocumentDates | null) {
  if (dates === null) return null;
  const { validTill, isPayment, milestones } = dates;
  return {
    validTill,
    ...(isPayment && { isPayment }),
    milestones: milestones.map(({ id, deadline, completed }) => ({ id, deadline, completed })),
  };
}

const toFirst = (first: boolean) => (first ? { first } : {});
