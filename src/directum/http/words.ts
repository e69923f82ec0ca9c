import { parseJson } from '../../lib/text.ts';

/** Stands where data was taken out; no letter, so that no phrase can be found across it. */
const GAP = '…';
const CLOSER: Readonly<Record<string, string>> = {
  '«': '»',
  '„': '“',
  '“': '”',
  '‹': '›',
  '‘': '’',
  '"': '"',
  "'": "'",
};
/** Names of properties that Directum puts in quotes and a refusal is told by. */
const PROPERTIES = new Set(['регламент', 'approvalrule']);
const LETTER = /[\p{L}\p{N}]/u;

/**
 * Directum's own words without what customers named: texts the request itself sent and whatever stands in quotes. A
 * refusal may be told by words only after this, for a company may be called «Fort Lock» (directum.md A.9, A.10).
 */
export function ownWords(text: string, sent: readonly string[]): string {
  return withoutQuoted(withoutSent(flat(text), sent));
}

/** Texts of a request: values of its JSON body and literals of its address, for `ownWords`. */
export function sentTexts(url: string, body: unknown): string[] {
  const found: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === 'string') found.push(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect);
  };
  if (typeof body === 'string') {
    try {
      collect(parseJson(body));
    } catch {
      // Not ours to quote.
    }
  }
  for (const [, literal] of url.matchAll(/%27((?:(?!%27).|%27%27)*)%27|'([^']*)'/g)) {
    try {
      found.push(decodeURIComponent(literal ?? '').replaceAll("''", "'"));
    } catch {
      // Half an escape is no name.
    }
  }
  return found;
}

function withoutSent(text: string, sent: readonly string[]): string {
  const names = [...new Set(sent.map(flat))].filter((name) => name.length > 1 && LETTER.test(name));
  names.sort((a, b) => b.length - a.length);
  return names.reduce((rest, name) => {
    const literal = name.replace(/[\^$\\.*+?()[\]{}|/]/g, '\\$&');
    return rest.replace(new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, 'giu'), GAP);
  }, text);
}

/** Quotes within quotes are one name. One that nobody closed reaches to the last closing sign, else to the end. */
function withoutQuoted(text: string): string {
  const letters = [...text];
  let words = '';
  /** Closing signs that are waited for. */
  let open: string[] = [];
  let start = 0;
  let lastClosed = 0;
  for (const [at, letter] of letters.entries()) {
    const closed = mayClose(letters, at) ? open.lastIndexOf(letter) : -1;
    if (closed >= 0) {
      open = open.slice(0, closed);
      lastClosed = at;
      if (open.length === 0) words += instead(letters.slice(start, at + 1).join(''));
    } else if (Object.hasOwn(CLOSER, letter) && mayOpen(letters, at)) {
      if (open.length === 0) start = lastClosed = at;
      open.push(CLOSER[letter] as string);
    } else if (open.length === 0) words += letter;
  }
  if (open.length === 0) return words;
  return lastClosed > start
    ? words + GAP + withoutQuoted(letters.slice(lastClosed + 1).join(''))
    : words + GAP;
}

/** `"` and `'` open and close alike, so their neighbours tell; within a word they are apostrophes. */
function mayClose(letters: readonly string[], at: number): boolean {
  const [before, after] = [letters[at - 1] ?? ' ', letters[at + 1] ?? ' '];
  if (LETTER.test(before) && LETTER.test(after)) return false;
  if (CLOSER[letters[at] as string] !== letters[at]) return true;
  return !LETTER.test(after) && (after === ' ' || before !== ' ');
}

function mayOpen(letters: readonly string[], at: number): boolean {
  const before = letters[at - 1] ?? ' ';
  return CLOSER[letters[at] as string] === letters[at] || letters[at] === '‘'
    ? /[\s([{«„“‹‘"':;,=—–-]/.test(before)
    : true;
}

function instead(quoted: string): string {
  return PROPERTIES.has(quoted.slice(1, -1).trim().toLowerCase()) ? `«${quoted.slice(1, -1)}»` : GAP;
}

const flat = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an error text may hold anything
  text.replace(/[\s\u0000-\u001f]+/g, ' ').trim();

/**
 * How Directum says that a card is open elsewhere: «заблокирован» or "locked" (directum.md A.10). Only as a predicate
 * and in small letters, or at the beginning of a sentence: «Заблокированный актив» and "Locked Ltd" are names.
 */
const LOCK: readonly RegExp[] = [
  /(?<![\p{L}\p{N}])(?<!(?:^|\s)не )заблокирован[аоы]?(?![\p{L}\p{N}])/u,
  /(?<![\p{L}\p{N}])заблокированн\p{Ll}{2,3}\s(?:другим\s)?(?:пользовател|карточк|документ|объект|запис|сущност)\p{Ll}*/u,
  /(?:^|[.!?:;]\s)Заблокирован[аоы]?(?![\p{L}\p{N}])/u,
  /(?<![\p{L}\p{N}])(?<!\bnot )locked(?![\p{L}\p{N}])/u,
  /(?:^|[.!?:;]\s)Locked by(?![\p{L}\p{N}])/u,
];

/** Whether `ownWords` speak of a card lock. */
export function saysLocked(words: string): boolean {
  return LOCK.some((phrase) => phrase.test(words));
}
