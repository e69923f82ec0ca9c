import * as odata from 'odata-query';
import { cut } from '../../lib/text.ts';

/** The package's types describe its CommonJS form; as a module its default export is the function itself. */
export const buildQuery = odata.default as unknown as typeof odata.default.default;

/**
 * A condition of `$filter`, quoted and percent-encoded. Only the functions of this file make one, so every value that
 * comes from people is quoted in one place (directum.md A.5).
 */
export interface Filter {
  readonly text: string;
  /** Alternatives, which stand in parentheses beside another condition. */
  readonly isOr: boolean;
}

/** What a property is compared with: a text is put in quotes, a literal is not. */
type Value = string | number | null | { type: 'raw'; value: string };
type Operator = 'eq' | 'ne' | 'gt';

const START = '?$filter=';

function write(condition: object): Filter {
  const text = buildQuery({ filter: condition }).slice(START.length);
  // odata-query encodes texts, but neither spaces between words nor literals.
  return { text: text.replaceAll(' ', '%20'), isOr: false };
}

function compare(path: string, operator: Operator, value: Value): Filter {
  return write({ [path]: { [operator]: value } });
}

/** `Status eq 'Active'`; `path` may lead over references: `Login/LoginName`. */
export const equals = (path: string, value: Value): Filter => compare(path, 'eq', value);
export const differs = (path: string, value: Value): Filter => compare(path, 'ne', value);
export const isGreater = (path: string, value: Value): Filter => compare(path, 'gt', value);

/** The property holds the text somewhere. */
export const contains = (path: string, text: string): Filter => write({ [path]: { contains: text } });

/** All records: a big set is refused without any filter (directum.md A.5). */
export const EVERY_ROW: Filter = isGreater('Id', 0);

/** @throws RangeError for no filters at all, which would be every record or none */
export const allOf = (...filters: readonly Filter[]): Filter => join('and', filters);
export const oneOf = (filters: readonly Filter[]): Filter => join('or', filters);

/** Written as the vendor's own examples are: a server may read no more parentheses than are needed. */
function join(word: 'and' | 'or', filters: readonly Filter[]): Filter {
  const [first, ...others] = filters;
  if (first === undefined) throw new RangeError(`no filters to join with ${word}`);
  if (others.length === 0) return first;
  const parts = filters.map(({ text, isOr }) => (isOr ? `(${text})` : text));
  return { text: parts.join(`%20${word}%20`), isOr: word === 'or' };
}

/** The property is one of the values: no installation was seen to take the operator `in` (directum.md A.5). */
export const isAmong = (path: string, values: readonly (string | number)[]): Filter =>
  oneOf(values.map((value) => equals(path, value)));

/** Some row of a collection meets the condition; `of` gives the path of a row's property. */
export function anyRow(collection: string, condition: (of: (property: string) => string) => Filter): Filter {
  const { text } = condition((property) => `a/${property}`);
  return { text: `${collection}/any(a:%20${text})`, isOr: false };
}

/** A moment with `Z` or an offset: a filter takes no other date-time (directum.md A.5). @throws RangeError */
export function moment(text: string): Value {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text))
    throw new RangeError('not a date-time with an offset');
  return { type: 'raw', value: encodeURIComponent(text) };
}

/** @throws RangeError */
export function guid(text: string): Value {
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)) throw new RangeError('not a GUID');
  return { type: 'raw', value: text };
}

/**
 * Equality of texts without case. A value of more than `most` units, too long for the start line, is compared by its
 * beginning. Of a cleaned value its longest untouched piece is looked for, because Directum may hold the original.
 */
export function sameText(property: string, value: string, most = 120): Filter {
  const lower = value.toLowerCase();
  const kept = lower.split('\uFFFD').sort((a, b) => b.length - a.length)[0] || lower;
  const part = cut(kept, most);
  // The caller compares the answer once more, so a wider question is only slower, never wrong.
  const how = part === lower ? 'eq' : kept === lower ? 'startswith' : 'contains';
  return write({ [`tolower(${property})`]: { [how]: part } });
}
