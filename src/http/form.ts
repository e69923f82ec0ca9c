import { unescape as unescapeBroken } from 'node:querystring';
import qs from 'qs';
import { toClean } from '../lib/text.ts';

/** More fields than any call has. */
const MAX_FIELDS = 20_000;
/** Brackets of a name such as `properties[code][0]`, and one more; deeper ones stay in one name, which is not read. */
const DEPTH = 3;

/**
 * Reads a form in PHP's bracket notation (bitrix24.md C1) with the library that Express's `urlencoded` uses too, but with
 * options that `urlencoded` does not pass on: of a name that comes twice the last counts, as in PHP; lists become objects
 * with their indexes as keys, because they may have gaps (C2, C3); no name is inherited; a broken escape leaves the rest
 * readable. What the database cannot hold is cleaned out of names and values.
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
