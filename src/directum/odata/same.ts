import { isRow } from './rows.ts';

/** Whether the card already holds a value, as Directum stores it. */
export function same(current: unknown, wanted: unknown): boolean {
  if (isRow(wanted)) return isRow(current) && current['Id'] === wanted['Id'];
  if (wanted === null) return current === null || current === undefined || current === '';
  if (typeof wanted !== 'string') return current === wanted;
  if (typeof current !== 'string') return false;
  // Days come back as midnight of the stand's own offset (directum.md A.11).
  if (/^\d{4}-\d\d-\d\dT00:00:00Z$/.test(wanted)) return current.slice(0, 10) === wanted.slice(0, 10);
  if (/^\d{4}-\d\d-\d\dT/.test(wanted)) return Date.parse(current) === Date.parse(wanted);
  return current.replaceAll('\r\n', '\n').trim() === wanted.replaceAll('\r\n', '\n').trim();
}
