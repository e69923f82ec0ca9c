/** Replaces what cannot be kept, as in HTML and Markdown. */
const LOST = '\uFFFD';
/** A longer letter is only a pile of combining marks, which may be cut anywhere. */
const LONGEST_LETTER = 32;
const letters = new Intl.Segmenter('und', { granularity: 'grapheme' });

/**
 * Text as PostgreSQL can hold it, as `text` and inside `jsonb`: NUL and halves of surrogate pairs become U+FFFD, one unit
 * for one, so that lengths and positions stay. Every other control character stays: the database holds it, and a record
 * whose name has one must still be found by it. Applied where text enters, so that no code behind the border needs to.
 */
export function toClean(text: string): string {
  return text.replaceAll('\0', LOST).toWellFormed();
}

/** The same for every text of parsed data, names of properties too. @throws RangeError for data nested too deeply */
export function cleanData<T>(data: T): T;
export function cleanData(data: unknown): unknown {
  if (typeof data === 'string') return toClean(data);
  if (Array.isArray(data)) return data.map((one: unknown) => cleanData(one));
  if (typeof data !== 'object' || data === null) return data;
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [toClean(name), cleanData(value)]));
}

/** Escapes that may stand for what cannot be held; a decoded body holds no half of a pair without one. */
const ESCAPED = /\\u(?:0000|d[89a-f])/i;

/** JSON of somebody else, cleaned. @throws SyntaxError, RangeError */
export function parseJson(json: string): unknown {
  const data: unknown = JSON.parse(toClean(json));
  return ESCAPED.test(json) ? cleanData(data) : data;
}

/**
 * The one way to cut a text: to at most `most` UTF-16 units, which is what Directum (.NET) counts in; counted in code
 * points, as PHP and PostgreSQL do, it is never more. A letter of several code points is not cut through.
 */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const letter = letters.segment(text.slice(0, most + LONGEST_LETTER)).containing(most)?.index ?? most;
  if (most - letter < LONGEST_LETTER) return text.slice(0, letter);
  return text.slice(0, isLowHalf(text, most) ? most - 1 : most);
}

/** Cut for a reader, who sees that there was more. */
export function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${cut(text, most - 1)}…`;
}

/** Shortened in the middle, where the end matters as much: advice, a link, an id. */
export function shortenMiddle(text: string, most: number): string {
  if (text.length <= most) return text;
  const from = text.length - Math.floor(most / 2);
  const end = text.slice(isLowHalf(text, from) ? from + 1 : from);
  return `${cut(text, most - 1 - end.length)}…${end}`;
}

/** A file's name cut before its extension, which says what the file is. */
export function cutFileName(name: string, most: number): string {
  const extension = /\.[^./\\\s]{1,20}$/.exec(name)?.[0] ?? '';
  return name.length <= most
    ? name
    : `${cut(name.slice(0, -extension.length || undefined), most - extension.length)}${extension}`;
}

/** Zero-width spaces, soft hyphens, byte order marks, direction marks, control characters: they are neither seen nor typed. */
const INVISIBLE = /[\p{Cf}\p{Cc}\p{Default_Ignorable_Code_Point}]/gu;
const SPACES = /[\s\p{Z}]+/gu;

/** A text as it looks: every run of spaces is one, and what is invisible is gone. For comparing, not for keeping. */
export function toVisible(text: string): string {
  return text.replace(SPACES, ' ').replace(INVISIBLE, '').replace(SPACES, ' ').trim();
}

/** A value that is a code, such as an INN, an amount or an id: spaces and invisible characters do not belong to it. */
export function toCode(text: string): string {
  return text.replace(SPACES, '').replace(INVISIBLE, '');
}

function isLowHalf(text: string, at: number): boolean {
  return /^[\uDC00-\uDFFF]$/.test(text[at] ?? '');
}

/** Numbers are typed and pasted with spaces of every kind; none of them belongs to the value. */
export function compact(text: string | null | undefined): string | null {
  return toCode(text ?? '') || null;
}
