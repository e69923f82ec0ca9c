import type { Fields } from './types.ts';

/** Reads a query string the way PHP does: `a[b][]=1` becomes a map, number keys in a row become a list. */
export function parseForm(query: string): Fields {
  const root: Fields = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const head = name.split('[')[0] ?? '';
    const path = [head, ...[...name.slice(head.length).matchAll(/\[([^\]]*)\]/g)].map((one) => one[1] ?? '')];
    if (path.includes('__proto__')) continue;
    let place = root;
    path.forEach((part, index) => {
      const key = part === '' ? String(Object.keys(place).length) : part;
      if (index === path.length - 1) {
        place[key] = value;
        return;
      }
      const inner = place[key];
      if (typeof inner !== 'object' || inner === null) place[key] = {};
      place = place[key] as Fields;
    });
  }
  return toLists(root) as Fields;
}

function toLists(value: unknown, top = true): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, toLists(inner, false)] as const);
  const isList = !top && entries.length > 0 && entries.every(([key], index) => key === String(index));
  return isList ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}
