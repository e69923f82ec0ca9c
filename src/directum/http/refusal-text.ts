import { parseJson } from '../../lib/text.ts';

/** Replaces data that was taken out; not a letter, so that no phrase is found across it. */
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
/** Names of properties that Directum puts in quotes; some refusals are recognised by them, so they stay. */
const PROPERTIES = new Set(['регламент', 'approvalrule']);
const LETTER = /[\p{L}\p{N}]/u;

/**
 * Directum's own words without customers' data: without texts the request itself sent and without anything in quotes. A
 * refusal may be recognised by its words only after this, for a company may be called «Fort Lock» (directum.md A.9, A.10).
 */
export function withoutData(text: string, sent: readonly string[]): string {
  return withoutQuoted(withoutSent(flat(text), sent));
}

/** Texts of a request: values of its JSON body and literals of its address, for `withoutData`. */
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
      // A body that is not JSON holds no texts to look for.
    }
  }
  for (const [, literal] of url.matchAll(/%27((?:(?!%27).|%27%27)*)%27|'([^']*)'/g)) {
    try {
      found.push(decodeURIComponent(literal ?? '').replaceAll("''", "'"));
    } catch {
      // A broken escape is not a text we sent.
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

/** Quotes within quotes are one name. An unclosed quote reaches to the last closing sign, else to the end. */
function withoutQuoted(text: string): string {
  const letters = [...text];
  let words = '';
  /** Closing signs of the quotes that are open. */
  let open: string[] = [];
  let start = 0;
  let lastClosed = 0;
  for (const [at, letter] of letters.entries()) {
    const closed = mayClose(letters, at) ? open.lastIndexOf(letter) : -1;
    if (closed >= 0) {
      open = open.slice(0, closed);
      lastClosed = at;
      if (open.length === 0) words += replacement(letters.slice(start, at + 1).join(''));
    } else if (mayOpen(letters, at)) {
      if (open.length === 0) start = lastClosed = at;
      open.push(CLOSER[letter] ?? letter);
    } else if (open.length === 0) words += letter;
  }
  if (open.length === 0) return words;
  return lastClosed > start
    ? words + GAP + withoutQuoted(letters.slice(lastClosed + 1).join(''))
    : words + GAP;
}

/** `"` and `'` open and close alike, so their neighbours decide; within a word they are apostrophes. */
function mayClose(letters: readonly string[], at: number): boolean {
  const [before, letter, after] = around(letters, at);
  if (LETTER.test(before) && LETTER.test(after)) return false;
  if (CLOSER[letter] !== letter) return true;
  return !LETTER.test(after) && (after === ' ' || before !== ' ');
}

function mayOpen(letters: readonly string[], at: number): boolean {
  const [before, letter] = around(letters, at);
  if (!Object.hasOwn(CLOSER, letter)) return false;
  return CLOSER[letter] === letter || letter === '‘' ? /[\s([{«„“‹‘"':;,=—–-]/.test(before) : true;
}

/** A letter between its neighbours; a text begins and ends as with spaces. */
function around(letters: readonly string[], at: number): [before: string, letter: string, after: string] {
  return [letters[at - 1] ?? ' ', letters[at] ?? ' ', letters[at + 1] ?? ' '];
}

function replacement(quoted: string): string {
  return PROPERTIES.has(quoted.slice(1, -1).trim().toLowerCase()) ? `«${quoted.slice(1, -1)}»` : GAP;
}

const flat = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an error text may hold anything
  text.replace(/[\s\u0000-\u001f]+/g, ' ').trim();

/**
 * How Directum says that a card is open elsewhere: «заблокирован» or "locked" (directum.md A.10). Only as a predicate
 * in small letters, or at the beginning of a sentence: «Заблокированный актив» and "Locked Ltd" are names.
 */
const LOCK: readonly RegExp[] = [
  /(?<![\p{L}\p{N}])(?<!(?:^|\s)не )заблокирован[аоы]?(?![\p{L}\p{N}])/u,
  /(?<![\p{L}\p{N}])заблокированн\p{Ll}{2,3}\s(?:другим\s)?(?:пользовател|карточк|документ|объект|запис|сущност)\p{Ll}*/u,
  /(?:^|[.!?:;]\s)Заблокирован[аоы]?(?![\p{L}\p{N}])/u,
  /(?<![\p{L}\p{N}])(?<!\bnot )locked(?![\p{L}\p{N}])/u,
  /(?:^|[.!?:;]\s)Locked by(?![\p{L}\p{N}])/u,
];

/** Whether a text without data (`withoutData`) speaks of a card lock. */
export function saysLocked(words: string): boolean {
  return LOCK.some((phrase) => phrase.test(words));
}
