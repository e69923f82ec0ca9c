import type { Type } from './model.ts';
import { checkQuery, parseQuery, type Query } from './query.ts';
import { bad, Refusal } from './refusal.ts';
import type { Store } from './store.ts';

export interface Ask {
  verb: string;
  /** Decoded segments below /Integration/odata/. */
  segments: string[];
  query: string;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}
export interface Reply {
  status: number;
  json?: unknown;
  text?: string;
  bytes?: Buffer;
}

/** A body that is not called JSON, or is not, is refused (contract A.4). */
export function json(ask: Ask): unknown {
  const type = String(ask.headers['content-type'] ?? '');
  if (!/^application\/json\b/i.test(type))
    throw new Refusal(415, 'Тип содержимого не поддерживается, ожидается application/json.');
  try {
    return JSON.parse(ask.body.toString('utf8'));
  } catch {
    throw bad('Тело запроса не является корректным JSON.');
  }
}

/** The query with its names checked against the type it asks of. */
export function queryOf(store: Store, ask: Ask, type: Type): Query {
  const query = parseQuery(ask.query);
  checkQuery(store, type, query);
  return query;
}

/** Directum's own header `Return`, not OData's `Prefer` (contract A.4). */
export const returned = (ask: Ask): string => String(ask.headers['return'] ?? '').toLowerCase();
