import odataQuery, { type QueryOptions } from 'odata-query';

/** Node gives the function itself where the package's types promise a namespace. */
const buildQuery = odataQuery as unknown as typeof odataQuery.default;

/** Longest request line Directum takes, with the verb and the protocol (directum.md A.5). */
export const MAX_LINE = 2048;

/** Text literal of a filter: quotes doubled. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** `Name eq 'x'` without regard to case (directum.md A.5: treat text comparison as case-sensitive). */
export function sameText(property: string, text: string): string {
  return `tolower(${property}) eq ${literal(text.toLowerCase())}`;
}

/** Query string with its `?`; filters are given as ready text, expand as OData text. */
export function toQuery(options: {
  filter?: string;
  select?: string[];
  expand?: string;
  orderBy?: string;
  top?: number;
}): string {
  const query: Partial<QueryOptions<unknown>> = {};
  if (options.select) query.select = options.select;
  if (options.orderBy) query.orderBy = options.orderBy;
  if (options.top !== undefined) query.top = options.top;
  const built = buildQuery(query);
  const extra = [
    options.filter && `$filter=${encode(options.filter)}`,
    options.expand && `$expand=${encode(options.expand)}`,
  ]
    .filter(Boolean)
    .join('&');
  if (built === '') return extra === '' ? '' : `?${extra}`;
  return extra === '' ? built : `${built}&${extra}`;
}

function encode(text: string): string {
  return encodeURIComponent(text)
    .replace(/'/g, '%27')
    .replace(/%2C/g, ',')
    .replace(/%24/g, '$')
    .replace(/%3D/g, '=');
}
