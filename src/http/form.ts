/** More fields than any call has; what a portal never sends is not worth the time to read it. */
const MAX_FIELDS = 20_000;
/** Names go no deeper than `properties[code][0]`; what lies deeper is nobody's field. */
const MAX_DEPTH = 4;

type Fields = { [name: string]: string | Fields };

/** A form of too many fields. */
export class FormError extends Error {
  override readonly name = 'FormError';
}

/**
 * Reads a form in PHP's bracket notation (bitrix24.md C1). Names with brackets become objects, lists too, with their
 * indexes as keys: they may have gaps (C2, C3). Of a name that comes twice the last counts, as in PHP. Nothing of it
 * has a prototype, so every name is only a name. @throws FormError
 */
export function parseForm(text: string): Fields {
  const form: Fields = Object.create(null);
  const pushed = new Map<Fields, number>();
  let left = MAX_FIELDS;
  for (const [name, value] of new URLSearchParams(text)) {
    left -= 1;
    if (left < 0) throw new FormError(`more than ${MAX_FIELDS} fields`);
    put(form, name, value, pushed);
  }
  return form;
}

function put(form: Fields, name: string, value: string, pushed: Map<Fields, number>): void {
  let at = name.indexOf('[');
  if (at < 1) {
    form[name] = value;
    return;
  }
  let into = form;
  let key = name.slice(0, at);
  for (let depth = 1; name[at] === '['; depth += 1) {
    const end = name.indexOf(']', at);
    if (end < 0) break;
    if (depth === MAX_DEPTH) return;
    const known = into[key];
    const inner: Fields = typeof known === 'object' ? known : Object.create(null);
    into[key] = inner;
    into = inner;
    key = name.slice(at + 1, end) || nextIndex(inner, pushed);
    at = end + 1;
  }
  into[key] = value;
}

/** The index that `name[]` stands for. */
function nextIndex(list: Fields, pushed: Map<Fields, number>): string {
  let index = pushed.get(list) ?? 0;
  while (list[index] !== undefined) index += 1;
  pushed.set(list, index + 1);
  return String(index);
}
