const withOffset = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)$/;

/** Milliseconds of a date-time that names its offset; a naive one is no instant. */
export function instant(text: string): number | null {
  if (!withOffset.test(text)) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

export function offsetMs(offset: string): number {
  const [hours = '0', minutes = '0'] = offset.slice(1).split(':');
  return (offset.startsWith('-') ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

/** The calendar day a "date only" property keeps: UTC midnight as it is, anything else as the day on the stand's wall. */
export function calendarDay(text: string, offset: string): string | null {
  const ms = instant(text);
  if (ms === null) return null;
  if (ms % 86_400_000 === 0) return new Date(ms).toISOString().slice(0, 10);
  return new Date(ms + offsetMs(offset)).toISOString().slice(0, 10);
}

export const midnight = (day: string, offset: string) => `${day.slice(0, 10)}T00:00:00${offset}`;

export function localTime(iso: string, offset: string): string {
  const local = new Date(Date.parse(iso) + offsetMs(offset)).toISOString();
  return local.replace('Z', offset);
}

export const russianDay = (day: string) => day.slice(0, 10).split('-').reverse().join('.');
