import { toCode, toVisible } from '../lib/text.ts';
import { zoneShift } from '../lib/zone.ts';
import type { LocalText } from './failure.ts';

/** A value that cannot be used; the caller adds the field's title. */
export class WireValueError extends Error {
  readonly text: LocalText;
  constructor(text: LocalText) {
    super(text.en);
    this.text = text;
  }
}

interface Money {
  amount: number;
  /** ISO code, upper case; null when the text names none. */
  currency: string | null;
}

const NO_NUMBER: LocalText = {
  ru: 'это не число; укажите, например, 1200000.50 или 1200000.50|RUB',
  en: 'this is not a number; give for example 1200000.50 or 1200000.50|RUB',
};

const TOO_FINE: LocalText = {
  ru: 'Directum не сохранит такую большую сумму с точностью до копейки; укажите меньшую сумму или округлите её',
  en: 'Directum cannot keep so large an amount to the cent; give a smaller or a rounded amount',
};

/**
 * Reads `1 200 000,50|RUB`: spaces ignored, comma or dot, optional currency (interface.md §3 Values).
 * Amounts are in units of the currency, rounded to 2 digits by the digits as written.
 * @throws WireValueError
 */
export function parseMoney(text: string): Money {
  const parts = text.split('|');
  if (parts.length > 2) throw new WireValueError(NO_NUMBER);
  const digits = toCode(parts[0] ?? '').replace(',', '.');
  if (!/^\d{1,40}(\.\d*)?$/.test(digits)) throw new WireValueError(NO_NUMBER);
  const currency = toCode(parts[1] ?? '').toUpperCase();
  if (currency !== '' && !/^[A-Z]{3}$/.test(currency)) {
    throw new WireValueError({
      ru: 'после черты нужен код валюты из трёх букв, например RUB',
      en: 'after the bar a currency code of three letters is needed, for example RUB',
    });
  }
  return { amount: toAmount(toCents(digits)), currency: currency || null };
}

/** Cents of digits with a dot, halves up. The binary number knows no halves of a cent: 1.005 is less than it says. */
function toCents(digits: string): bigint {
  const [whole = '', fraction = ''] = digits.split('.');
  return BigInt(whole + fraction.slice(0, 2).padEnd(2, '0')) + ((fraction[2] ?? '0') >= '5' ? 1n : 0n);
}

/** Cents as a number's digits: `1.5`, `10`. */
const written = (cents: bigint): string =>
  `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`.replace(/\.?0+$/, '');

/** Money is a double in Directum (directum.md A.11): the digits that go out must be those asked for. @throws WireValueError */
function toAmount(cents: bigint): number {
  const amount = Number(written(cents));
  if (String(amount) !== written(cents)) throw new WireValueError(TOO_FINE);
  return amount;
}

/**
 * Amount of an item as the portal prints it, a text or a number; a debt is none to write. A number may have lost its
 * cents on the portal already: one that two amounts are printed as is refused.
 * @throws WireValueError
 */
export function parseItemAmount(given: string | number): number {
  // PHP prints large numbers as 1.0E+15.
  const text = /^\d+(\.\d+)?e\+?\d+$/i.test(String(given)) ? String(Number(given)) : String(given);
  if (/^-\s*\d/.test(text)) return 0;
  const { amount } = parseMoney(text);
  if (typeof given === 'number' && amount % 1 !== 0) {
    const cents = toCents(text);
    const twins = [cents - 1n, cents + 1n].filter((other) => Number(written(other)) === amount);
    if (twins.length > 0) throw new WireValueError(TOO_FINE);
  }
  return amount;
}

const TIME = /(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([ap]m)?\s*(Z|[+-]\d{2}:?\d{2})?)?$/i;

/**
 * Reads a calendar date written as ISO, `D.M.Y` or `M/D/Y`, with or without a time, which is dropped
 * (bitrix24.md C3: the portal sends its culture's format). Answers `YYYY-MM-DD`.
 * @throws WireValueError
 */
export function parseDate(text: string): string {
  const date = toCode(toMoment(text).replace(TIME, ''));
  const iso = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(date);
  const russian = /^(\d{1,2})\.(\d{1,2})\.(\d{4})$/.exec(date);
  const american = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(date);
  const [year, month, day] = iso
    ? [iso[1], iso[2], iso[3]]
    : russian
      ? [russian[3], russian[2], russian[1]]
      : american
        ? [american[3], american[1], american[2]]
        : [];
  const at = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  // `Date.UTC` takes the years 0 to 99 for those of the last century.
  const real =
    at.getUTCFullYear() === Number(year) &&
    at.getUTCMonth() === Number(month) - 1 &&
    at.getUTCDate() === Number(day);
  if (!year || !real) {
    throw new WireValueError({
      ru: 'это не дата; укажите, например, 31.12.2026',
      en: 'this is not a date; give for example 2026-12-31',
    });
  }
  return at.toISOString().slice(0, 10);
}

/**
 * Reads a moment written as ISO, `D.M.Y h:m[:s]` or `M/D/Y h:m[:s] am|pm`; without an offset it is local to
 * `timeZone`, a date alone is the end of that day. Answers ISO 8601 in UTC.
 * @throws WireValueError
 */
export function parseDateTime(text: string, timeZone: string): string {
  const { date, time, offset } = splitMoment(text);
  if (offset !== null) return new Date(`${date}T${time ?? '23:59:59'}${offset}`).toISOString();
  const local = Date.parse(`${date}T${time ?? '23:59:59'}Z`);
  // The second step is for a moment near a change of the clocks.
  const first = local - zoneShift(local, timeZone);
  return new Date(local - zoneShift(first, timeZone)).toISOString();
}

/**
 * Reads the same texts for a property of Directum, of which it is unknown whether it holds a day or a moment: a date
 * alone or midnight is that calendar day (directum.md A.11), a given offset stays.
 * @throws WireValueError
 */
export function parseDayOrMoment(text: string, timeZone: string): string {
  const { date, time, offset } = splitMoment(text);
  if (offset !== null) return `${date}T${time}${offset}`;
  return time === null || time === '00:00:00' ? `${date}T00:00:00Z` : parseDateTime(text, timeZone);
}

/** A moment as it looks, without spaces around what parts its numbers. */
function toMoment(text: string): string {
  return toVisible(text).replace(/ *([./:-]) */g, '$1');
}

/** Date `YYYY-MM-DD`, time `HH:MM:SS`, offset `Z` or `+03:00`; null where the text has none. @throws WireValueError */
function splitMoment(text: string): { date: string; time: string | null; offset: string | null } {
  const date = parseDate(text);
  const [, hours, minutes = '00', seconds = '00', half, offset] = TIME.exec(toMoment(text)) ?? [];
  if (hours === undefined) return { date, time: null, offset: null };
  let hour = Number(hours);
  if (half && (hour < 1 || hour > 12)) hour = 24;
  else if (half) hour = (hour % 12) + (half.toLowerCase() === 'pm' ? 12 : 0);
  const zone = offset?.toUpperCase().replace(/^([+-]\d{2}):?(\d{2})$/, '$1:$2') ?? null;
  const time = `${String(hour).padStart(2, '0')}:${minutes}:${seconds}`;
  if (Number.isNaN(Date.parse(`${date}T${time}${zone ?? 'Z'}`)) || hour > 23) {
    throw new WireValueError({
      ru: 'это не дата со временем; укажите, например, 31.12.2026 18:00',
      en: 'this is not a date with a time; give for example 2026-12-31 18:00',
    });
  }
  return { date, time, offset: zone };
}

/** Reads `user_5`; groups, departments and bare numbers are refused (bitrix24.md C3, I34). @throws WireValueError */
export function parseUser(text: string): number {
  const match = /^user_(\d{1,9})$/.exec(toCode(text));
  if (!match || Number(match[1]) === 0) {
    throw new WireValueError({
      ru: 'нужен один сотрудник портала, а не группа или отдел',
      en: 'one portal user is needed, not a group or a department',
    });
  }
  return Number(match[1]);
}

/** Reads a positive whole number, also as a field of fractions shows it (`24.00`); spaces ignored. @throws WireValueError */
export function parseId(text: string): number {
  const digits = toCode(text).replace(/(?<=\d)[.,]0{1,2}$/, '');
  if (!/^\d{1,15}$/.test(digits) || Number(digits) === 0) {
    throw new WireValueError({
      ru: 'нужно целое число больше нуля',
      en: 'a whole number above zero is needed',
    });
  }
  return Number(digits);
}
