import { zoneShift } from '../../lib/zone.ts';
import type { DocumentDates, DocumentStatus } from '../ports/document.ts';
import type { Fact } from '../ports/facts.ts';
import { toNoticeText } from './notices.ts';

/** The contract's dates on one day. */
export interface Obligations {
  name: string;
  url: string;
  status: DocumentStatus;
  dates: DocumentDates;
}

const DAY_MS = 86_400_000;
/** Under a document that ended nothing is left to be done. */
const ENDED = new Set<DocumentStatus>(['executed', 'annulled', 'deleted']);
/** No date is told before this hour: a notice at midnight wakes people up. */
const MORNING_HOUR = 8;

/**
 * Triggers and notices of the dates that are near or have passed on `today` (interface.md §5, `directum_due` and
 * `directum_overdue`). `steps` are the days of DIRECTUM_DUE_DAYS in any order.
 *
 * - Of the steps only the nearest counts, so that a service that stood still for a month tells of a date once, not three
 *   times. On the date itself the smallest step still holds.
 * - Obligations of one date are one fact: "once per date and step".
 * - A date that had passed before `newSince` (a calendar date, null = none) is not told: it was known before.
 * - A completed milestone, and a document that is executed, annulled or deleted, tell nothing. The interface names only
 *   the executed one, but under the two others nothing is left to be executed.
 */
export function toDueFacts(
  of: Obligations,
  today: string,
  steps: readonly number[],
  newSince: string | null,
): Fact[] {
  const facts: Fact[] = [];
  for (const [date, { milestones, validTill }] of openDates(of)) {
    const daysLeft = daysBetween(today, date);
    const isPayment = validTill && of.dates.isPayment === true;
    const details = { name: of.name, url: of.url, date, milestones, isPayment };
    if (daysLeft < 0) {
      if (newSince !== null && date < newSince) continue;
      if (validTill) facts.push(trigger('directum_overdue', date));
      facts.push(notice(toNoticeText('overdue', details), 'overdue', date));
      continue;
    }
    const step = steps.filter((days) => daysLeft <= days).toSorted((a, b) => a - b)[0];
    if (step === undefined) continue;
    const key = `${date}/${step}`;
    facts.push(
      trigger('directum_due', key),
      notice(toNoticeText('due', { ...details, daysLeft }), 'due', key),
    );
  }
  return facts;
}

/** Dates under which something is still to be done, each with its open milestones. */
export function openDates({
  status,
  dates,
}: Pick<Obligations, 'status' | 'dates'>): Map<string, { milestones: string[]; validTill: boolean }> {
  const open = new Map<string, { milestones: string[]; validTill: boolean }>();
  if (ENDED.has(status)) return open;
  if (dates.validTill !== null) open.set(dates.validTill, { milestones: [], validTill: true });
  for (const { deadline, completed, name } of dates.milestones) {
    if (deadline === null || completed) continue;
    const at = open.get(deadline) ?? { milestones: [], validTill: false };
    at.milestones.push(name);
    open.set(deadline, at);
  }
  return new Map([...open].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The calendar date `YYYY-MM-DD` in a zone. */
export function toDay(at: Date, timeZone: string): string {
  const time = at.getTime();
  return new Date(time + zoneShift(time, timeZone)).toISOString().slice(0, 10);
}

/** The day whose check is due: today from the morning on, yesterday before. */
export function toCheckDay(at: Date, timeZone: string): string {
  return toDay(new Date(at.getTime() - MORNING_HOUR * 3_600_000), timeZone);
}

function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS);
}

function trigger(code: 'directum_due' | 'directum_overdue', key: string): Fact {
  return { kind: 'trigger', code, key, email: null, text: null };
}

function notice(text: Fact['text'], code: 'due' | 'overdue', key: string): Fact {
  return { kind: 'notice', code, key, email: null, text };
}
