import { badAnswer } from './errors.ts';
import { afterId, fitsLine, type Query, toPath } from './query.ts';
import { idOf, type Row, toRow, toRows } from './rows.ts';
import type { Transport } from './transport.ts';

const PAGE = 100;
const MOST_ROWS = 2_000;

/** Reads of one Directum in rows. */
export interface Reader {
  /** One card; null for 404. */
  one(set: string, id: number, query: Omit<Query, 'filter'>): Promise<Row | null>;
  /** The first `top` rows by id. A filter is required: big sets are refused without one (directum.md A.5). */
  some(set: string, query: Query & { filter: NonNullable<Query['filter']> }, top: number): Promise<Row[]>;
  /** All rows, page by page over `Id`. */
  all(set: string, query: Query & { filter: NonNullable<Query['filter']> }): Promise<Row[]>;
}

/** Builds the addresses of reads and keeps them under the limit of the start line. */
export function createReader(transport: Transport): Reader {
  async function some(set: string, query: Query, top: number): Promise<Row[]> {
    const path = toPath(set, { orderBy: 'Id', ...query, top });
    if (!fitsLine(transport.basePath, path)) throw badAnswer('a question longer than the start line may be');
    return toRows(await transport.get(path));
  }
  return {
    async one(set, id, query) {
      const answer = await transport.get(toPath(`${set}(${id})`, query), { absent: true });
      return answer === null ? null : toRow(answer);
    },
    some,
    async all(set, query) {
      const rows: Row[] = [];
      for (let last = 0; ; ) {
        const filter = last === 0 ? query.filter : afterId(query.filter, last);
        const page = await some(set, { ...query, filter }, PAGE);
        rows.push(...page);
        const next = page.length === 0 ? 0 : Math.max(...page.map((row) => idOf(row)));
        // A stand that ignores $top or the order must not turn the loop around.
        if (page.length < PAGE || next <= last || rows.length >= MOST_ROWS) return rows;
        last = next;
      }
    },
  };
}
