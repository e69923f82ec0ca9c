import { toCode } from '../../lib/text.ts';
import type { ItemSnapshot } from '../../robot/ports/portal.ts';
import { parseDate, parseDateTime, parseDayOrMoment, WireValueError } from '../../robot/wire-values.ts';

/** Fields of the portal itself whose kind is known without asking (bitrix24.md F1). */
const USERS = new Set(['assignedById', 'createdBy', 'updatedBy', 'movedBy', 'lastActivityBy', 'observers']);
const DATES = new Set(['begindate', 'closedate', 'birthdate']);
/** Zero in these is no record; the funnel 0 is one. */
const RECORDS =
  /^(companyId|contactId|contactIds|mycompanyId|myCompanyId|leadId|quoteId|webformId|parentId\d+)$/;
const FLAGS = /^(opened|closed|is[A-Z].*)$/;
const RECORD_TYPES = /^(user|employee|enumeration|file|crm|crm_\w+|iblock_\w+)$/;

type Item = Pick<ItemSnapshot, 'fields' | 'itemFields'>;

/** One value of a field, of which a multiple field has several. */
export interface Member {
  /** As the portal prints it. */
  raw: string;
  /** Of a list's value; null when the portal shows none, and for other kinds. */
  title: string | null;
  kind: 'text' | 'number' | 'user' | 'list' | 'date' | 'flag' | 'other';
}

/** Does reading the field need to know what kind it is? */
export const isOwnField = (code: string): boolean => code.startsWith('UF_');

/** Values of a field; none when the item lacks the field or holds nothing in it. */
export function membersOf({ fields, itemFields }: Item, code: string): Member[] {
  const value = Object.hasOwn(fields, code) ? fields[code] : undefined;
  const fact = itemFields?.get(code);
  const kind = toKind(code, fact?.type);
  return [value].flat().flatMap((one) => {
    const raw = toRaw(one);
    const isNothing = kind !== 'flag' && (one === false || (raw === '0' && isRecord(code, fact?.type)));
    if (raw === null || isNothing) return [];
    return [{ raw, kind, title: fact?.items.get(raw) ?? null }];
  });
}

function toKind(code: string, type: string | undefined): Member['kind'] {
  if (USERS.has(code) || type === 'user' || type === 'employee') return 'user';
  if (DATES.has(code) || type === 'date') return 'date';
  if (FLAGS.test(code) || type === 'boolean') return 'flag';
  if (type === 'enumeration') return 'list';
  if (!isOwnField(code)) return 'other';
  if (type === 'integer' || type === 'double' || type === 'money') return 'number';
  return type === 'string' || type === 'url' || type === 'address' ? 'text' : 'other';
}

const isRecord = (code: string, type: string | undefined): boolean =>
  RECORDS.test(code) || USERS.has(code) || RECORD_TYPES.test(type ?? '');

function toRaw(value: unknown): string | null {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}

/** A value in the form a robot's input takes (interface.md §8): what stands for `{FIELD}` in a text. */
export function toInputText({ raw, title, kind }: Member): string {
  switch (kind) {
    case 'user':
      return /^\d+$/.test(raw) ? `user_${raw}` : raw;
    case 'list':
      return toOneLine(title ?? raw);
    case 'date':
      return toDay(raw) ?? raw;
    case 'flag':
      return toFlag(raw) ? 'Y' : 'N';
    default:
      return toOneLine(raw);
  }
}

const toOneLine = (text: string): string => text.replace(/[\r\n\u2028\u2029]+/g, ' ');

/** Yes and no as the portal and YAML write them; null for anything else. */
export function toFlag(text: string): boolean | null {
  if (/^(y|1|true)$/i.test(text.trim())) return true;
  return /^(n|0|false)$/i.test(text.trim()) ? false : null;
}

/** A number as people and the portal write it, the amount of `1200000|RUB` too; null for anything else. */
export function toNumber(text: string): { amount: number; currency: string | null } | null {
  const [, digits = '', currency] = /^(-?\d+(?:[.,]\d+)?)(?:\|([A-Za-z]{3})?)?$/.exec(toCode(text)) ?? [];
  if (digits === '') return null;
  return { amount: Number(digits.replace(',', '.')), currency: currency?.toUpperCase() ?? null };
}

/** The calendar day of a date, `YYYY-MM-DD`; null for what is none. */
export const toDay = (text: string): string | null => readOrNull(() => parseDate(text));

/** A moment, or a whole day of the zone, as its first and last millisecond; null for what is no date. */
export function toSpan(text: string, timeZone: string): { begin: number; end: number } | null {
  return readOrNull(() => {
    const day = parseDate(text);
    if (parseDayOrMoment(text, timeZone) !== `${day}T00:00:00Z`) {
      const at = Date.parse(parseDateTime(text, timeZone));
      return { begin: at, end: at };
    }
    const begin = Date.parse(parseDateTime(`${day} 00:00:00`, timeZone));
    return { begin, end: Date.parse(parseDateTime(day, timeZone)) + 999 };
  });
}

/** A date or moment in the form Directum takes; null for what is none. */
export const toDirectumMoment = (text: string, timeZone: string): string | null =>
  readOrNull(() => parseDayOrMoment(text, timeZone));

function readOrNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof WireValueError) return null;
    throw error;
  }
}
