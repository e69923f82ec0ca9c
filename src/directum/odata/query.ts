import { buildQuery, type Filter } from './filter.ts';

/** The start line of a GET is refused above this (directum.md A.5). */
const LINE_LIMIT = 2048;

/** References and collections that come along, with what is wanted of them. */
export type Expand = Readonly<Record<string, { select?: string[]; expand?: Expand }>>;

/** What is wanted of the rows of an answer. */
export interface Columns {
  select?: string[];
  expand?: Expand;
}

export interface Query extends Columns {
  filter?: Filter;
  orderBy?: string;
  top?: number;
  count?: boolean;
}

/** A question to a whole set: big sets are refused without a filter (directum.md A.5). */
export type ListQuery = Query & { filter: Filter };

/** `Set?$filter=…`, percent-encoded. */
export function toPath(resource: string, query: Query): string {
  const { filter, ...rest } = query;
  const options = { ...rest, ...(filter && { filter: filter.text }) };
  return resource + buildQuery<Record<string, object>>(options).replaceAll(' ', '%20');
}

/** Whether the whole start line stays under Directum's limit. */
export function fitsLine(basePath: string, path: string): boolean {
  return `GET ${basePath}${path} HTTP/1.1`.length <= LINE_LIMIT;
}
