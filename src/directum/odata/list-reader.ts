import { RobotFailure } from '../../robot/failure.ts';
import { badAnswer } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import { afterId, fitsLine, type Query, toPath } from './query.ts';
import { idOf, type Row, toRow, toRows } from './rows.ts';

/** Rows of one page. */
export const PAGE = 100;
/** More rows are no answer but a stand that makes them up as it is asked. */
const MOST_ROWS = 100_000;

/** Reads of one Directum in rows. */
export interface Reader {
  /** One card; null when it is deleted or the account may not read it: 404, and absent from the list too. */
  one(set: string, id: number, query: Omit<Query, 'filter'>): Promise<Row | null>;
  /** The first `top` rows by id. A filter is required: big sets are refused without one (directum.md A.5). */
  some(set: string, query: Query & { filter: NonNullable<Query['filter']> }, top: number): Promise<Row[]>;
  /** Rows of a filter written out: lambdas and date-times are beyond the builder. */
  where(set: string, filter: string, query: Omit<Query, 'filter'>): Promise<Row[]>;
  /** All rows of such a filter, page by page over `Id`. */
  allWhere(set: string, filter: string, query: Omit<Query, 'filter' | 'orderBy' | 'top'>): Promise<Row[]>;
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
  async function one(set: string, id: number, query: Omit<Query, 'filter'>): Promise<Row | null> {
    const path = toPath(`${set}(${id})`, query);
    if (!fitsLine(transport.basePath, path)) return inHalves(set, id, query);
    const answer = await transport.get(path, { absent: true });
    if (answer !== null) return toRow(answer);
    // A proxy says 404 too while Directum is being restarted: only an empty list proves that the card is gone.
    try {
      return (await some(set, { ...query, filter: { Id: id } }, 1))[0] ?? null;
    } catch (error) {
      if (error instanceof RobotFailure && error.code === 'directum_refused')
        throw badAnswer('404 for a card and no list');
      throw error;
    }
  }

  /** Asks for half of the properties at a time, for a card with more of them than a start line holds. */
  async function inHalves(set: string, id: number, query: Omit<Query, 'filter'>): Promise<Row | null> {
    const names = [query.select ?? []].flat().map(String);
    const expands = Object.entries((query.expand ?? {}) as Record<string, unknown>);
    if (names.length + expands.length < 3) throw badAnswer('a question longer than the start line may be');
    const part = (from: number, to: number) => {
      const cutAt = <T>(list: T[]) => list.slice(Math.ceil(list.length * from), Math.ceil(list.length * to));
      return {
        select: [...new Set(['Id', ...cutAt(names)])],
        expand: Object.fromEntries(cutAt(expands)) as never,
      };
    };
    const first = await one(set, id, part(0, 0.5));
    const second = first && (await one(set, id, part(0.5, 1)));
    return first && second && { ...first, ...second };
  }

  const where: Reader['where'] = async (set, filter, query) =>
    toRows(await transport.get(`${toPath(set, query)}&$filter=${encodeURIComponent(filter)}`));

  return {
    one,
    where,
    allWhere: (set, filter, query) =>
      allPages((last) => where(set, `${filter} and Id gt ${last}`, { ...query, orderBy: 'Id', top: PAGE })),
    some,
    all: (set, query) =>
      allPages((last) =>
        some(set, { ...query, filter: last === 0 ? query.filter : afterId(query.filter, last) }, PAGE),
      ),
  };
}

/** All rows of pages that `ask` gives by the last id seen, 0 at first. @throws RobotFailure directum_unavailable */
export async function allPages(ask: (last: number) => Promise<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for (let last = 0; ; ) {
    const page = await ask(last);
    rows.push(...page);
    const next = page.length === 0 ? 0 : Math.max(...page.map((row) => idOf(row)));
    // A stand that ignores $top or the order must not turn the loop around.
    if (page.length < PAGE || next <= last) return rows;
    if (rows.length >= MOST_ROWS) throw badAnswer(`more than ${MOST_ROWS} rows`);
    last = next;
  }
}
