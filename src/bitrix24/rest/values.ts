import { cut } from '../../lib/text.ts';

const MAX_TEXT = 65_535;

/** A plain keyed object, not a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A scalar of a form as text; null for anything that is none. */
export function toText(value: unknown): string | null {
  if (typeof value === 'string') return cut(value, MAX_TEXT);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return value === null ? '' : null;
}

/** The portal's many ways to say yes: boolean, `Y`, 1 (bitrix24.md A1). */
export function isYes(value: unknown): boolean {
  return value === true || value === 'Y' || value === 1 || value === '1' || value === 'true';
}

/** Russian for the languages of the portal whose users read it, else English (interface.md §3 Values). */
export function toLanguage(language: string): 'ru' | 'en' {
  return ['ru', 'ua', 'by', 'kz'].includes(language.toLowerCase()) ? 'ru' : 'en';
}

/** Origin of an http(s) address, else null. */
export function toOrigin(address: unknown): string | null {
  const url = typeof address === 'string' ? URL.parse(address) : null;
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url.origin : null;
}
