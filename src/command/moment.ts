import { zoneShift } from '../lib/zone.ts';

const MINUTE_MS = 60_000;

/** A moment in the operator's zone, `2026-03-02T13:00:05+03:00`: it can be given back to a command as it stands. */
export function toMoment(at: Date, timeZone: string): string {
  const shift = zoneShift(at.getTime(), timeZone);
  const local = new Date(at.getTime() + shift).toISOString().slice(0, 19);
  const minutes = Math.abs(Math.round(shift / MINUTE_MS));
  const two = (value: number) => String(value).padStart(2, '0');
  return `${local}${shift < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

const MOMENT = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i;

/** A moment as an operator writes it; without an offset it is of their zone. Null for what is none. */
export function parseMoment(text: string, timeZone: string): Date | null {
  const match = MOMENT.exec(text.trim());
  if (!match) return null;
  const clock = Date.parse(
    match[1] ? text.trim() : `${text.trim().replace(' ', 'T')}${text.includes(':') ? 'Z' : ''}`,
  );
  if (Number.isNaN(clock)) return null;
  // The shift of the moment itself, which at a change of the clocks is not that of the same hour in UTC.
  return new Date(match[1] ? clock : clock - zoneShift(clock - zoneShift(clock, timeZone), timeZone));
}
