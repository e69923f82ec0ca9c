import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseDate,
  parseDateTime,
  parseId,
  parseItemAmount,
  parseMoney,
  parseUser,
  WireValueError,
} from '../../src/robot/wire-values.ts';

describe('money', () => {
  it.each([
    ['1200000|RUB', { amount: 1200000, currency: 'RUB' }],
    ['1 200 000,50|rub', { amount: 1200000.5, currency: 'RUB' }],
    ['10.005', { amount: 10.01, currency: null }],
    ['1200000.505', { amount: 1200000.51, currency: null }],
    ['5|', { amount: 5, currency: null }],
    ['0', { amount: 0, currency: null }],
    ['1.005', { amount: 1.01, currency: null }],
    ['1.00499999999999999999', { amount: 1, currency: null }],
    ['0.995', { amount: 1, currency: null }],
    ['123456789012345.67', { amount: 123456789012345.67, currency: null }],
    ['00012.5', { amount: 12.5, currency: null }],
  ])('reads %s', (text, money) => {
    expect(parseMoney(text)).toEqual(money);
  });

  it.each(['сто', '', '-5', '1,200,000.50', '1|RUB|USD', '1|рубли', '1e5', 'NaN', 'Infinity'])(
    'refuses «%s»',
    (text) => {
      expect(() => parseMoney(text)).toThrow(WireValueError);
    },
  );

  it.each(['123456789012345.68', '9999999999999999.99', '12345678901234567', '9'.repeat(40)])(
    'refuses %s, which a number of Directum cannot carry',
    (text) => {
      expect(() => parseMoney(text)).toThrow(/to the cent/);
      expect(() => parseItemAmount(text)).toThrow(/to the cent/);
    },
  );

  it('never answers other cents than were written, however many digits', () => {
    const digits = fc.oneof(fc.bigInt({ min: 0n, max: 10n ** 15n }), fc.bigInt({ min: 0n, max: 10n ** 20n }));
    fc.assert(
      fc.property(digits, fc.stringMatching(/^\d{0,6}$/), (whole, fraction) => {
        // Half up, by the digits.
        const cents = (whole * 10n ** 6n + BigInt(fraction.padEnd(6, '0')) + 5_000n) / 10_000n;
        const written = `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`;
        let amount: number;
        try {
          ({ amount } = parseMoney(`${whole}.${fraction}`));
        } catch (error) {
          expect(error).toBeInstanceOf(WireValueError);
          // Fifteen digits always fit.
          expect(written.replace('.', '').length).toBeGreaterThan(15);
          return;
        }
        expect(JSON.stringify(amount)).toBe(written.replace(/\.?0+$/, ''));
      }),
      { numRuns: 1_000 },
    );
  });

  it("reads an item's amount as the portal prints it", () => {
    expect(['1200.50', '0', '-5', '1.0E+15', '1.005'].map(parseItemAmount)).toEqual([
      1200.5, 0, 0, 1e15, 1.01,
    ]);
  });

  it('reads back every amount of whole cents', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 13 }), (cents) => {
        const text = `${Math.floor(cents / 100)},${String(cents % 100).padStart(2, '0')}`;
        expect(parseMoney(text).amount).toBe(cents / 100);
      }),
    );
  });
});

describe('dates', () => {
  it.each([
    ['21.08.2026', '2026-08-21'],
    ['21.08.2026 15:00:00', '2026-08-21'],
    ['08/21/2026 03:00:00 pm', '2026-08-21'],
    ['8/1/2026', '2026-08-01'],
    ['2026-08-21', '2026-08-21'],
    ['2026-08-21T23:30:00+03:00', '2026-08-21'],
    ['2026-08-21T00:00:00Z', '2026-08-21'],
    ['29.02.2028', '2028-02-29'],
  ])('reads %s', (text, date) => {
    expect(parseDate(text)).toBe(date);
  });

  it.each(['31.02.2026', '2026-13-01', '21/08/2026', 'завтра', '21.08.26', '', '00.00.2026', '31.12.0026'])(
    'refuses «%s»',
    (text) => {
      expect(() => parseDate(text)).toThrow(WireValueError);
    },
  );
});

describe('people and ids', () => {
  it('reads a portal user and refuses everything else', () => {
    expect(parseUser('user_5')).toBe(5);
    for (const text of ['5', 'group_hr12', 'group_d3', 'user_0', 'user_5;user_6', ''])
      expect(() => parseUser(text)).toThrow(WireValueError);
  });

  it('reads an id with spaces and refuses zero and fractions', () => {
    for (const text of ['5 001', '5001.00', '5\u00a0001,0']) expect(parseId(text)).toBe(5001);
    for (const text of ['0', '0.0', '1.5', '5001.', '8,000', '-1', 'x', ''])
      expect(() => parseId(text)).toThrow(WireValueError);
  });
});

describe('what nobody sees', () => {
  const INVISIBLE = [
    '\u200b',
    '\u00ad',
    '\ufeff',
    '\u200e',
    '\u202c',
    '\u2060',
    '\u00a0',
    '\u202f',
    '\u2007',
    '\u3000',
    '\t',
  ];
  /** The text with some of them before, between and after its signs. */
  const strewn = (text: string) =>
    fc
      .array(fc.array(fc.constantFrom(...INVISIBLE), { maxLength: 2 }), {
        minLength: text.length + 1,
        maxLength: text.length + 1,
      })
      .map((marks) => marks.map((some, at) => some.join('') + (text[at] ?? '')).join(''));

  it.each([
    ['1200000,50|rub', (text: string) => parseMoney(text), { amount: 1200000.5, currency: 'RUB' }],
    ['5001', parseId, 5001],
    ['user_15', parseUser, 15],
    ['31.12.2026', parseDate, '2026-12-31'],
  ] as [string, (text: string) => unknown, unknown][])('does not belong to %s', (text, read, value) => {
    fc.assert(
      fc.property(strewn(text), (given) => {
        expect(read(given)).toEqual(value);
      }),
    );
  });

  it('does not belong to a moment, though a space does', () => {
    const moment = '\ufeff21.08.2026\u202f\u200b03:00:00\u202fpm\u200e';
    expect(parseDateTime(moment, 'Europe/Moscow')).toBe('2026-08-21T12:00:00.000Z');
    expect(parseDateTime('2026-08-21 T18:00\u00ad', 'Europe/Moscow')).toBe('2026-08-21T15:00:00.000Z');
  });
});
