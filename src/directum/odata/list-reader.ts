import { RobotFailure } from '../../robot/failure.ts';
import { badAnswer } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import { allOf, equals, isGreater } from './filter.ts';
import { type Columns, fitsLine, type ListQuery, type Query, toPath } from './query.ts';
import { idOf, isRow, type Row, toRow, toRows } from './rows.ts';

/** Rows of one page. */
export const PAGE = 100;
/** No set that is asked for is so big: an installation that gives more repeats or invents rows. */
const MOST_ROWS = 100_000;

/** Reads of one Directum in rows. */
export interface Reader {
  /** One card; null when it is deleted or the account may not read it: 404, and absent from the list too. */
  one(set: string, id: number, columns: Columns): Promise<Row | null>;
  /** Whether the question is short enough for one request. */
  fits(set: string, query: ListQuery): boolean;
  /** The first `top` rows, by id if no other order is given. */
  some(set: string, query: ListQuery, top: number): Promise<Row[]>;
  /** The same, with the number of all rows; null where the answer does not tell it. */
  counted(set: string, query: ListQuery, top: number): Promise<{ rows: Row[]; total: number | null }>;
  /** All rows, page by page over `Id`. */
  all(set: string, query: Columns & Pick<ListQuery, 'filter'>): Promise<Row[]>;
}

/** Builds the addresses of reads and keeps them under the limit of the start line. */
export function createReader(transport: Transport): Reader {
  function ask(set: string, query: Query, top: number): Promise<unknown> {
    const path = toPath(set, { orderBy: 'Id', ...query, top });
    if (!fitsLine(transport.basePath, path)) throw badAnswer('a question longer than the start line may be');
    return transport.get(path);
  }

  const some = async (set: string, query: Query, top: number) => toRows(await ask(set, query, top));

  async function one(set: string, id: number, columns: Columns): Promise<Row | null> {
    const path = toPath(`${set}(${id})`, columns);
    if (!fitsLine(transport.basePath, path)) return inHalves(set, id, columns);
    const answer = await transport.get(path, { absent: true });
    if (answer !== null) return toRow(answer);
    // A proxy says 404 too while Directum is being restarted: only an empty list proves that the card is gone.
    try {
      return (await some(set, { ...columns, filter: equals('Id', id) }, 1))[0] ?? null;
    } catch (error) {
      if (error instanceof RobotFailure && error.code === 'directum_refused')
        throw badAnswer('404 for a card and no list');
      throw error;
    }
  }

  /** Asks for half of the properties at a time, for a card with more of them than a start line holds. */
  async function inHalves(set: string, id: number, columns: Columns): Promise<Row | null> {
    const names = columns.select ?? [];
    const expands = Object.entries(columns.expand ?? {});
    if (names.length + expands.length < 3) throw badAnswer('a question longer than the start line may be');
    const part = (from: number, to: number) => {
      const cutAt = <T>(list: readonly T[]) =>
        list.slice(Math.ceil(list.length * from), Math.ceil(list.length * to));
      return {
        select: [...new Set(['Id', ...cutAt(names)])],
        expand: Object.fromEntries(cutAt(expands)),
      };
    };
    const first = await one(set, id, part(0, 0.5));
    const second = first && (await one(set, id, part(0.5, 1)));
    return first && second && { ...first, ...second };
  }

  return {
    one,
    some,
    fits: (set, query) => fitsLine(transport.basePath, toPath(set, { orderBy: 'Id', ...query, top: PAGE })),
    async counted(set, query, top) {
      const answer = await ask(set, query, top);
      const total = isRow(answer) ? answer['@odata.count'] : null;
      const isCount = typeof total === 'number' && Number.isSafeInteger(total) && total >= 0;
      return { rows: toRows(answer), total: isCount ? total : null };
    },
    all: (set, query) =>
      allPages((last) =>
        some(
          set,
          last === 0 ? query : { ...query, filter: allOf(query.filter, isGreater('Id', last)) },
          PAGE,
        ),
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
    // An installation that ignores $top or the order must not make this loop endless.
    if (page.length < PAGE || next <= last) return rows;
    if (rows.length >= MOST_ROWS) throw badAnswer(`more than ${MOST_ROWS} rows`);
    last = next;
  }
}
