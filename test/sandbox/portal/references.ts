import type { Fields } from './types.ts';
import { isObject, text } from './wire.ts';

/** What `$result[…]`, `$total[…]`, `$next[…]`, `$time[…]` and `$error[…]` of a batch look into. */
export interface Told {
  result: Fields;
  total: Fields;
  next: Fields;
  time: Fields;
  error: Fields;
}

const REFERENCE = /\$(result|total|next|time|error)((?:\[[^[\]]*\])+)/g;
const WHOLE = /^\$(result|total|next|time|error)((?:\[[^[\]]*\])+)$/;

/** A path that breaks off (no such key, null) gives the last level found, not nothing (bitrix24.md F1a). */
function lookUp(told: Told, table: keyof Told, path: string): unknown {
  let value: unknown = told[table];
  for (const [, key = ''] of path.matchAll(/\[([^[\]]*)\]/g)) {
    const inner = isObject(value) ? value[key] : undefined;
    if (inner === undefined || inner === null) break;
    value = inner;
  }
  return value;
}

/** Rewrites every value that holds a reference, texts of people too. */
export function resolve(value: unknown, told: Told): unknown {
  if (Array.isArray(value)) return value.map((inner) => resolve(inner, told));
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner, told)]));
  }
  if (typeof value !== 'string') return value;
  const whole = WHOLE.exec(value);
  if (whole !== null) return lookUp(told, whole[1] as keyof Told, whole[2] ?? '');
  return value.replace(REFERENCE, (_match, table: keyof Told, path: string) => {
    const found = lookUp(told, table, path);
    return isObject(found) ? 'Array' : text(found);
  });
}
