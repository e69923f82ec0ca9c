import { unescape as unescapeBroken } from 'node:querystring';
import { toClean } from '../robot/text.ts';

/** More fields than any call has; what a portal never sends is not worth the time to read it. */
const MAX_FIELDS = 20_000;
/** Names go no deeper than `properties[code][0]`; what lies deeper is nobody's field. */
const MAX_DEPTH = 4;
/** Names that are taken apart once and remembered: those of a portal's calls are always the same. */
const NAMES_KEPT = 2_000;
const MAX_NAME_KEPT = 200;

/** Knows no name but its own, as an object without a prototype; but the engine sees that the calls of a portal are alike. */
class Fields {
  [name: string]: string | Fields;
}
Object.setPrototypeOf(Fields.prototype, null);
Reflect.deleteProperty(Fields.prototype, 'constructor');
Object.freeze(Fields.prototype);

/** A form of too many fields. */
export class FormError extends Error {
  override readonly name = 'FormError';
}

/**
 * Reads a form in PHP's bracket notation (bitrix24.md C1). Names with brackets become objects, lists too, with their
 * indexes as keys: they may have gaps (C2, C3). Of a name that comes twice the last counts, as in PHP. Nothing of it
 * inherits a name, so every name is only a name. The general parser took half of the time that a call costs.
 * @throws FormError
 */
export function parseForm(text: string): Fields {
  const form = new Fields();
  const pushed = new Map<Fields, number>();
  // Where the next of a sign is: looked for when the last was passed, or a text without it would be read anew each time.
  const next = (sign: string, from: number) => {
    const at = text.indexOf(sign, from);
    return at < 0 ? text.length : at;
  };
  let fields = 0;
  let equals = -1;
  for (let start = 0, end: number; start < text.length; start = end + 1) {
    end = next('&', start);
    fields += 1;
    if (fields > MAX_FIELDS) throw new FormError(`more than ${MAX_FIELDS} fields`);
    if (end === start) continue;
    if (equals < start) equals = next('=', start);
    const named = Math.min(equals, end);
    const path = toPath(text.slice(start, named));
    if (path.length <= MAX_DEPTH) put(form, path, decode(text.slice(named + 1, end)), pushed);
  }
  return form;
}

function put(form: Fields, path: readonly string[], value: string, pushed: Map<Fields, number>): void {
  let into = form;
  let key = path[0] ?? '';
  for (let depth = 1; depth < path.length; depth += 1) {
    const known = into[key];
    const inner: Fields = typeof known === 'object' ? known : new Fields();
    into[key] = inner;
    into = inner;
    key = path[depth] || nextIndex(inner, pushed);
  }
  into[key] = value;
}

const paths = new Map<string, readonly string[]>();

function toPath(encoded: string): readonly string[] {
  const known = paths.get(encoded);
  if (known !== undefined) return known;
  if (paths.size === NAMES_KEPT || encoded.length > MAX_NAME_KEPT) return split(encoded);
  // A copy: what is cut out of a text keeps the whole text in memory.
  const name = Buffer.from(encoded).toString();
  const path = split(name);
  paths.set(name, path);
  return path;
}

/** `document_id%5B0%5D` as `document_id`, `0`. */
function split(encoded: string): string[] {
  const name = decode(encoded);
  let at = name.indexOf('[');
  const path = [at < 1 ? name : name.slice(0, at)];
  while (at > 0 && name[at] === '[' && path.length <= MAX_DEPTH) {
    const end = name.indexOf(']', at);
    if (end < 0) break;
    path.push(name.slice(at + 1, end));
    at = end + 1;
  }
  return path;
}

/** The index that `name[]` stands for. */
function nextIndex(list: Fields, pushed: Map<Fields, number>): string {
  let index = pushed.get(list) ?? 0;
  while (list[index] !== undefined) index += 1;
  pushed.set(list, index + 1);
  return String(index);
}

function decode(encoded: string): string {
  const text = encoded.includes('+') ? encoded.replaceAll('+', ' ') : encoded;
  if (!text.includes('%')) return text;
  try {
    return toClean(decodeURIComponent(text));
  } catch {
    // Broken escapes are left as they are.
    return toClean(unescapeBroken(text));
  }
}
