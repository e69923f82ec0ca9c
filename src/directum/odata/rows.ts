import { badAnswer } from '../http/errors.ts';

/** An entity or collection row as Directum sent it; nothing in it is trusted to have its type. */
export type Row = Readonly<Record<string, unknown>>;

export function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Rows of a collection answer; 204 (null) is an empty one (directum.md A.5). */
export function toRows(answer: unknown): Row[] {
  if (answer === null) return [];
  const value = isRow(answer) ? answer['value'] : answer;
  if (value === answer && Array.isArray(answer) && answer.length === 0) throw badAnswer('no list of rows');
  if (!Array.isArray(value) || !value.every(isRow)) throw badAnswer('no list of rows');
  return value;
}

/** One entity, with nothing wrapped around it. */
export function toRow(answer: unknown): Row {
  if (!isRow(answer)) throw badAnswer('no entity');
  return answer;
}

/** Ids are JSON numbers up to 2^53 (directum.md A.11). */
export function idOf(row: Row, property = 'Id'): number {
  const id = row[property];
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id <= 0) throw badAnswer(`no ${property}`);
  return id;
}

/** Trimmed text, null when empty or not a text. */
export function textOf(row: Row, property: string): string | null {
  const value = row[property];
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}

/** A date-time with its offset and without parts of a second; null for anything else. */
export function timeOf(row: Row, property: string): string | null {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(
    textOf(row, property) ?? '',
  );
  if (!match) return null;
  const time = `${match[1]}${match[3]}`;
  return Number.isNaN(Date.parse(time)) ? null : time;
}

/**
 * `YYYY-MM-DD` of a property without a time: midnight of the installation's own zone, so the day is taken as
 * written and never converted (directum.md A.11); null for anything else.
 */
export function dateOf(row: Row, property: string): string | null {
  const day = /^\d{4}-\d\d-\d\d(?=T|$)/.exec(textOf(row, property) ?? '')?.[0];
  if (day === undefined) return null;
  const time = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== day ? null : day;
}

/** Id of an expanded reference, null when empty or not expanded. */
export function refOf(row: Row, property: string): number | null {
  const value = row[property];
  return isRow(value) ? idOf(value) : null;
}

/** Whether the card already holds a value, as Directum stores it. */
export function equalValues(current: unknown, wanted: unknown): boolean {
  if (isRow(wanted)) return isRow(current) && current['Id'] === wanted['Id'];
  if (wanted === null) return current === null || current === undefined || current === '';
  if (typeof wanted !== 'string') return current === wanted;
  if (typeof current !== 'string') return false;
  // Days come back as midnight of the installation's own offset (directum.md A.11).
  if (/^\d{4}-\d\d-\d\dT00:00:00Z$/.test(wanted)) return current.slice(0, 10) === wanted.slice(0, 10);
  if (/^\d{4}-\d\d-\d\dT/.test(wanted)) return Date.parse(current) === Date.parse(wanted);
  return current.replaceAll('\r\n', '\n').trim() === wanted.replaceAll('\r\n', '\n').trim();
}
