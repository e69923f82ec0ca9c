import type { Fields } from './types.ts';
import { asList, int, isObject, type Reply, text } from './wire.ts';

const PAGE = 50;
const OPERATORS = ['!=', '>=', '<=', '!@', '!%', '=%', '%=', '=', '!', '>', '<', '@', '%'] as const;

function compare(a: unknown, b: unknown): number {
  const left = text(a);
  const right = text(b);
  if (left !== '' && right !== '' && !Number.isNaN(Number(left)) && !Number.isNaN(Number(right))) {
    return Number(left) - Number(right);
  }
  const [x, y] = [Date.parse(left), Date.parse(right)];
  if (/^\d{4}-/.test(left) && /^\d{4}-/.test(right) && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return left < right ? -1 : left > right ? 1 : 0;
}

const same = (have: unknown, want: unknown): boolean =>
  Array.isArray(have)
    ? have.some((one) => compare(one, want) === 0)
    : compare(have === true ? 'Y' : have, want === true ? 'Y' : want) === 0;

function holds(have: unknown, operator: string, want: unknown): boolean {
  const any = (test: (one: unknown) => boolean): boolean =>
    isObject(want) ? asList(want).some(test) : test(want);
  switch (operator) {
    case '>':
      return compare(have, want) > 0;
    case '>=':
      return compare(have, want) >= 0;
    case '<':
      return text(have) !== '' && compare(have, want) < 0;
    case '<=':
      return text(have) !== '' && compare(have, want) <= 0;
    case '!':
    case '!=':
    case '!@':
      return !any((one) => same(have, one));
    case '%':
    case '=%':
    case '%=':
      return text(have).toLowerCase().includes(text(want).replaceAll('%', '').toLowerCase());
    case '!%':
      return !text(have).toLowerCase().includes(text(want).toLowerCase());
    default:
      return any((one) => same(have, one));
  }
}

/** `name` turns a filter's key into a row's, or undefined for one the portal does not know (it is ignored). */
export function matches(
  row: Fields,
  filter: unknown,
  name: (key: string) => string | undefined = (key) => key,
): boolean {
  if (!isObject(filter)) return true;
  return Object.entries(filter).every(([key, want]) => {
    const operator = OPERATORS.find((one) => key.startsWith(one)) ?? '';
    const field = name(key.slice(operator.length));
    return field === undefined || holds(row[field], operator, want);
  });
}

const LIST_OPERATORS = new Set<string>(['', '=', '@', '!=', '!@']);

/** A filter's keys parted into operator and name, as the portal reads them. */
export const filterKeys = (filter: unknown): { operator: string; name: string; list: boolean }[] =>
  isObject(filter)
    ? Object.entries(filter).map(([key, want]) => {
        const operator = OPERATORS.find((one) => key.startsWith(one)) ?? '';
        return { operator, name: key.slice(operator.length), list: isObject(want) };
      })
    : [];

/** Only these may have a list beside them in crm.item.list (bitrix24.md F1a). */
export const takesList = (operator: string): boolean => LIST_OPERATORS.has(operator);

export interface ListParams {
  filter?: unknown;
  order?: unknown;
  select?: unknown;
  start?: unknown;
}

/** Parameters of a list in either case. */
export const listParams = (params: Fields): ListParams => ({
  filter: params['filter'] ?? params['FILTER'],
  order: params['order'] ?? params['ORDER'],
  select: params['select'] ?? params['SELECT'],
  start: params['start'] ?? params['START'],
});

export function sorted(rows: Fields[], order: unknown, name: (key: string) => string | undefined): Fields[] {
  if (!isObject(order)) return rows;
  const keys = Object.entries(order).flatMap(([key, way]) => {
    const field = name(key);
    return field === undefined ? [] : [{ field, sign: /^desc/i.test(text(way)) ? -1 : 1 }];
  });
  return [...rows].sort((a, b) => {
    for (const { field, sign } of keys) {
      const difference = compare(a[field], b[field]);
      if (difference !== 0) return difference * sign;
    }
    return 0;
  });
}

export function chosen(row: Fields, select: unknown): Fields {
  const wanted = asList(select).map(text);
  if (wanted.length === 0 || wanted.includes('*')) return row;
  return Object.fromEntries(wanted.filter((key) => key in row).map((key) => [key, row[key]]));
}

/** One page of 50; `start: -1` leaves out total and next. */
export function page<T>(rows: readonly T[], start: unknown, wrap: (rows: T[]) => unknown = (r) => r): Reply {
  const from = int(start);
  if (from < 0) return { result: wrap(rows.slice(0, PAGE)) };
  const reply: Reply = { result: wrap(rows.slice(from, from + PAGE)), total: rows.length };
  if (from + PAGE < rows.length) reply.next = from + PAGE;
  return reply;
}

interface LegacyList {
  /** Names a filter and an order may use; others are dropped, so that a typo widens the list. Without it: the rows' own. */
  known?: (name: string) => boolean;
  /** `start: -1` counts all the same (bitrix24.md F1a). */
  alwaysCounts?: boolean;
  order?: Fields;
}

/** A legacy list: rows with UPPER_CASE text fields. */
export function legacyList(rows: readonly Fields[], params: Fields, how: LegacyList = {}): Reply {
  const { filter, order, select, start } = listParams(params);
  const { known = (name: string) => rows.some((row) => name in row), alwaysCounts = false } = how;
  const upper = (key: string): string | undefined =>
    known(key.toUpperCase()) ? key.toUpperCase() : undefined;
  const found = rows.filter((row) => matches(row, filter, upper));
  const inOrder = sorted(found, order ?? how.order ?? { ID: 'ASC' }, upper);
  return page(
    inOrder.map((row) => chosen(row, select)),
    alwaysCounts ? Math.max(0, int(start)) : start,
  );
}
