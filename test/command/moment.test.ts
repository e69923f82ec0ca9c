import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseMoment, toMoment } from '../../src/command/moment.ts';

it('shows a moment by the clock of the zone, with its offset', () => {
  const at = new Date('2026-03-02T10:00:05.900Z');
  expect(toMoment(at, 'Europe/Moscow')).toBe('2026-03-02T13:00:05+03:00');
  expect(toMoment(at, 'America/St_Johns')).toBe('2026-03-02T06:30:05-03:30');
  expect(toMoment(at, 'UTC')).toBe('2026-03-02T10:00:05+00:00');
});

it('reads a time without an offset by the clock of the zone', () => {
  const read = (text: string) => parseMoment(text, 'Asia/Vladivostok')?.toISOString();
  expect(read('2026-03-02')).toBe('2026-03-01T14:00:00.000Z');
  expect(read('2026-03-02T10:00')).toBe('2026-03-02T00:00:00.000Z');
  expect(read('2026-03-02 10:00:30')).toBe('2026-03-02T00:00:30.000Z');
  expect(read('2026-03-02T10:00:00Z')).toBe('2026-03-02T10:00:00.000Z');
  for (const text of ['yesterday', '2026-13-01', '2026', '10:00', ''])
    expect(parseMoment(text, 'UTC'), text).toBeNull();
});

it('reads back whatever it shows', () => {
  const zones = fc.constantFrom('Europe/Moscow', 'America/New_York', 'Australia/Lord_Howe', 'UTC');
  const times = fc.date({ min: new Date('2000-01-01'), max: new Date('2040-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(times, zones, (at, zone) => {
      const shown = toMoment(at, zone);
      expect(parseMoment(shown, 'UTC')?.getTime()).toBe(Math.floor(at.getTime() / 1000) * 1000);
    }),
  );
});
