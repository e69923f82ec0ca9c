import type { QueryOptions } from 'odata-query';
import * as odata from 'odata-query';
import { cut } from '../../lib/text.ts';

/** The start line of a GET is refused above this (directum.md A.5). */
const LINE_LIMIT = 2048;

/** Its types describe the CommonJS face of the package; the module's default export is the function itself. */
const buildQuery = odata.default as unknown as typeof odata.default.default;

export type Filter = Record<string, unknown>;
export type Query = Partial<Pick<QueryOptions<unknown>, 'select' | 'orderBy' | 'top' | 'expand'>> & {
  filter?: Filter;
};

/** `Set?$filter=…` with everything percent-encoded; quotes in values are doubled (directum.md A.5). */
export function toPath(resource: string, query: Query): string {
  return resource + buildQuery(query as Partial<QueryOptions<unknown>>).replaceAll(' ', '%20');
}

/** Whether the whole start line stays under Directum's limit. */
export function fitsLine(basePath: string, path: string): boolean {
  return `GET ${basePath}${path} HTTP/1.1`.length <= LINE_LIMIT;
}

/** Directories that answer by `Id` one page after another (directum.md A.5, no server-driven paging). */
export function afterId(filter: Filter, last: number): Filter {
  return { and: [filter, { Id: { gt: last } }] };
}

/**
 * Equality of texts without case. A value of more than `most` units, too long for the start line, is compared by its
 * beginning; one that was cleaned by its longest piece that was not, because Directum may hold what we cannot.
 */
export function sameText(property: string, value: string, most = 120): Filter {
  const lower = value.toLowerCase();
  const kept = lower.split('\uFFFD').sort((a, b) => b.length - a.length)[0] || lower;
  const part = cut(kept, most);
  // The answer is compared once more on our side, so a wider question is only slower, never wrong.
  const how = part === lower ? part : kept === lower ? { startswith: part } : { contains: part };
  return { [`tolower(${property})`]: how };
}
