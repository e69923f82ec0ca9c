import { createGather } from '../../lib/work/gather.ts';
import { RobotFailure } from '../../robot/failure.ts';
import { equals, isAmong } from './filter.ts';
import type { Reader } from './list-reader.ts';
import type { Columns } from './query.ts';
import type { Row } from './rows.ts';

/** Comparisons that a filter surely takes (directum.md A.5). */
const MOST = 10;

/** A reader that asks together for single records that runs want at one moment. */
export interface SharedReader extends Reader {
  /** All rows whose text property is this one; the case is the database's. */
  equal(set: string, property: string, value: string, columns: Columns): Promise<Row[]>;
}

/** The first of these that go into one question. */
function fitting<K>(
  reader: Reader,
  keys: readonly K[],
  query: (keys: readonly K[]) => Parameters<Reader['fits']>,
) {
  let count = Math.min(keys.length, MOST);
  while (count > 1 && !reader.fits(...query(keys.slice(0, count)))) count -= 1;
  return count;
}

/** Null for a question that this installation refuses in common: each is then asked for alone. */
export async function orAlone<T>(question: Promise<T>): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof RobotFailure && error.code === 'directum_refused') return null;
    throw error;
  }
}

/** Sharing changes no answer: what a common question leaves out is asked for alone, as if nobody else had asked. */
export function createSharedReader(reader: Reader): SharedReader {
  const cards = new Map<string, (id: number) => Promise<Row | null>>();
  const texts = new Map<string, (value: string) => Promise<Row[]>>();

  function cardsOf(set: string, columns: Columns) {
    const query = (ids: readonly number[]) => [set, { ...columns, filter: isAmong('Id', ids) }] as const;
    return createGather<number, Row | null>({
      one: (id) => reader.one(set, id, columns),
      async many(ids) {
        const unique = [...new Set(ids)];
        const rows = await orAlone(reader.some(...query(unique), unique.length));
        return rows && ids.map((id) => rows.find((row) => row['Id'] === id));
      },
      group: (ids) => fitting(reader, ids, (some) => [...query(some)]),
    });
  }

  function textsOf(set: string, property: string, columns: Columns) {
    const query = (values: readonly string[]) =>
      [set, { ...columns, filter: isAmong(property, values) }] as const;
    const same = (row: Row, value: string) =>
      typeof row[property] === 'string' && row[property].toLowerCase() === value.toLowerCase();
    return createGather<string, Row[]>({
      one: (value) => reader.all(set, { ...columns, filter: equals(property, value) }),
      async many(values) {
        const rows = await orAlone(reader.all(...query([...new Set(values)])));
        return rows && values.map((value) => rows.filter((row) => same(row, value)));
      },
      group: (values) => fitting(reader, values, (some) => [...query(some)]),
    });
  }

  function of<T>(kept: Map<string, T>, key: readonly unknown[], make: () => T): T {
    const name = JSON.stringify(key);
    const known = kept.get(name) ?? make();
    kept.set(name, known);
    return known;
  }

  return {
    ...reader,
    async one(set, id, columns) {
      // Rows without an id could not be told apart.
      if (columns.select?.includes('Id') !== true) return reader.one(set, id, columns);
      return of(cards, [set, columns], () => cardsOf(set, columns))(id);
    },
    async equal(set, property, value, columns) {
      if (columns.select?.includes(property) !== true)
        return reader.all(set, { ...columns, filter: equals(property, value) });
      return of(texts, [set, property, columns], () => textsOf(set, property, columns))(value);
    },
  };
}
