import { unescape as unescapeBroken } from 'node:querystring';
import qs from 'qs';
import { toClean } from '../lib/text.ts';

/** More fields than any call has. */
const MAX_FIELDS = 20_000;
/** Brackets of a name such as `properties[code][0]`, and one more; what lies deeper is one name that nobody reads. */
const DEPTH = 3;

/**
 * Reads a form in PHP's bracket notation (bitrix24.md C1), as Express's `urlencoded` does by the same library, which
 * cannot be told all of this: of a name that comes twice the last counts, as in PHP; lists become objects with their
 * indexes as keys, for they may have gaps (C2, C3); nothing inherits a name, so every name is only a name; broken escapes
 * spoil nothing beside them. What the database cannot hold is cleaned out of names and values.
 * @throws RangeError for too many fields
 */
export function parseForm(text: string): Record<string, unknown> {
  if (text.split('&', MAX_FIELDS + 1).length > MAX_FIELDS)
    throw new RangeError(`more than ${MAX_FIELDS} fields`);
  return qs.parse(text, {
    plainObjects: true,
    duplicates: 'last',
    arrayLimit: 0,
    depth: DEPTH,
    parameterLimit: MAX_FIELDS,
    decoder: (encoded) => toClean(unescapeBroken(encoded.replaceAll('+', ' '))),
  });
}
