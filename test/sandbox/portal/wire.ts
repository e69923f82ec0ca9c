import type { Fields } from './types.ts';
import type { Grant } from './world.ts';

/** A refusal of a REST method; `code` is empty in the legacy CRM methods. */
export class RestError extends Error {
  readonly status: number;
  readonly code: string | number;
  readonly extra: Fields;
  constructor(status: number, code: string | number, description: string, extra: Fields = {}) {
    super(description);
    this.status = status;
    this.code = code;
    this.extra = extra;
  }
}

export const legacyError = (description: string): RestError => new RestError(400, '', description);
export const missing = (name: string): RestError =>
  new RestError(400, '100', `Could not find value for parameter {${name}}`);

export interface Call {
  params: Fields;
  token: string;
  grant: Grant;
  viaBatch: boolean;
}

export interface Reply {
  result: unknown;
  total?: number;
  next?: number;
}

export interface Method {
  /** Any of these scopes opens it; none = open to all. */
  scope?: readonly string[];
  app?: boolean;
  admin?: boolean;
  run(call: Call): Reply | Promise<Reply>;
}

export type Methods = Record<string, Method>;

export const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

/** Lists come as arrays or, from long or gapped forms, as objects with number keys. */
export function asList(value: unknown): unknown[] {
  if (value === undefined || value === null || value === '') return [];
  if (Array.isArray(value)) return value;
  if (isObject(value)) {
    return Object.keys(value)
      .sort((a, b) => Number(a) - Number(b))
      .map((key) => value[key]);
  }
  return [value];
}

export const text = (value: unknown): string => {
  if (value === undefined || value === null || value === false) return '';
  if (value === true) return '1';
  return isObject(value) ? JSON.stringify(value) : String(value);
};

export const int = (value: unknown): number => Math.trunc(Number(text(value))) || 0;

/** PHP's (int): a list that holds anything is 1. */
export const castInt = (value: unknown): number =>
  isObject(value) ? (Object.keys(value).length > 0 ? 1 : 0) : int(value);

/** PHP's array_change_key_case on the first level. */
export const upperKeys = (value: unknown): Fields =>
  isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.toUpperCase(), inner]))
    : {};

/** What http_build_query does: flat bracketed keys, empty arrays and nulls gone. */
export function toForm(
  value: unknown,
  prefix = '',
  into: Record<string, string> = {},
): Record<string, string> {
  if (value === null || value === undefined) return into;
  if (Array.isArray(value) || isObject(value)) {
    for (const [key, inner] of Object.entries(value)) {
      toForm(inner, prefix === '' ? key : `${prefix}[${key}]`, into);
    }
    return into;
  }
  into[prefix] = value === true ? '1' : value === false ? '0' : String(value);
  return into;
}

/** PHP writes an empty map as a list. */
export const phpMap = (map: Fields): unknown => (Object.keys(map).length === 0 ? [] : map);

const two = (n: number): string => String(n).padStart(2, '0');

const OFFSET_HOURS = 3;

/** The portal lives in Moscow. */
export function isoTime(date: Date): string {
  return `${new Date(date.getTime() + OFFSET_HOURS * 3_600_000).toISOString().slice(0, 19)}+03:00`;
}

/** What crm.item.* says for a date (without time) and a datetime. */
export function readDate(value: unknown, kind: 'date' | 'datetime'): unknown {
  const raw = text(value);
  if (raw === '') return null;
  if (/^\d{4}-\d\d-\d\d$/.test(raw)) return `${raw}T03:00:00+03:00`;
  const parsed = new Date(raw);
  if (Number.isNaN(parsed.getTime())) return raw;
  const local = isoTime(parsed);
  return kind === 'datetime' ? local : `${local.slice(0, 10)}T03:00:00+03:00`;
}

export function cultureDate(value: unknown, kind: 'date' | 'datetime', culture: 'ru' | 'en'): string {
  const raw = value instanceof Date ? isoTime(value) : text(value);
  if (!/^\d{4}-\d\d-\d\d/.test(raw)) return raw;
  const iso = raw.length === 10 ? `${raw}T00:00:00+03:00` : isoTime(new Date(raw));
  const [year, month, day] = iso.slice(0, 10).split('-') as [string, string, string];
  const hours = Number(iso.slice(11, 13));
  const rest = iso.slice(13, 19);
  if (culture === 'ru') {
    return kind === 'date' ? `${day}.${month}.${year}` : `${day}.${month}.${year} ${two(hours)}${rest}`;
  }
  const short = `${month}/${day}/${year}`;
  return kind === 'date' ? short : `${short} ${two(hours % 12 || 12)}${rest} ${hours < 12 ? 'am' : 'pm'}`;
}
