import type { ChangesPage, NewestChanges } from '../../documents/ports/changes.ts';
import { RobotFailure } from '../../robot/failure.ts';
import { allOf, EVERY_ROW, type Filter, isAmong, isGreater, moment } from './filter.ts';
import { PAGE, type Reader } from './list-reader.ts';
import type { Capabilities, Metadata } from './metadata.ts';
import type { Columns, Expand } from './query.ts';
import { idOf, type Row, timeOf } from './rows.ts';
import { canReadAny } from './visibility.ts';

/** Comparisons of ids that fit the limit of a filter's nodes (directum.md G.2). */
const MOST_IDS = 10;

/** Questions to sets that only grow: what changed since, and what concerns a list of ids (directum.md A.5, G.2). */
export interface Bulk {
  /** Whether the installation shows when a record of the type changed. */
  hasModified(leaf: string): Promise<boolean>;
  /** The latest `Modified` of the type; null when there is none or it is not shown. */
  newest(leaf: string): Promise<string | null>;
  /** Records changed after `since` with a greater id than `after`, by id. */
  changed(set: string, since: string, after: number, columns: Columns): Promise<ChangesPage<Row>>;
  /** The newest of those records and how many there are; null where the installation refuses to count (directum.md A.5). */
  latest(set: string, since: string, columns: Columns): Promise<NewestChanges<Row> | null>;
  /** Those of the records that can be read, ten a question. */
  byIds(set: string, ids: readonly number[], columns: Columns): Promise<Row[]>;
  /** Whether any record of the set can be read; null when Directum refuses the question. */
  canReadAny(set: string): Promise<boolean | null>;
  /** All rows of `filterOf(ids)`, page by page, asked in lists of at most `most` ids. */
  ofList(
    set: string,
    ids: readonly number[],
    most: number,
    filterOf: (ids: readonly number[]) => Filter,
    columns: Columns,
  ): Promise<Row[]>;
}

export function createBulk({ reader, metadata }: { reader: Reader; metadata: Metadata }): Bulk {
  /** A refusal is not asked for again. */
  let counts = true;

  /** One installation takes 100 nodes in a filter (directum.md A.5), another may take fewer: a refused list is halved. */
  async function inLists(
    ids: readonly number[],
    most: number,
    work: (ids: readonly number[]) => Promise<Row[]>,
  ): Promise<Row[]> {
    const rows: Row[] = [];
    for (let at = 0; at < ids.length; at += most) {
      const list = ids.slice(at, at + most);
      try {
        rows.push(...(await work(list)));
      } catch (error) {
        const refused = error instanceof RobotFailure && error.code === 'directum_refused';
        if (!refused || list.length === 1) throw error;
        rows.push(...(await inLists(list, Math.ceil(list.length / 2), work)));
      }
    }
    return rows;
  }

  async function hasModified(leaf: string): Promise<boolean> {
    const can = await metadata.capabilities();
    return can.set(leaf) !== null && can.property(leaf, 'Modified') !== null;
  }

  return {
    hasModified,
    async newest(leaf) {
      if (!(await hasModified(leaf))) return null;
      const set = (await metadata.capabilities()).need(leaf);
      const query = { filter: EVERY_ROW, select: ['Id', 'Modified'], orderBy: 'Modified desc' };
      const rows = await reader.some(set, query, 1);
      return rows[0] ? timeOf(rows[0], 'Modified') : null;
    },
    async changed(set, since, after, columns) {
      const filter = allOf(isGreater('Modified', moment(since)), isGreater('Id', after));
      const rows = await reader.some(set, { ...columns, filter }, PAGE);
      const last = Math.max(after, ...rows.map((row) => idOf(row)));
      return { rows, next: rows.length >= PAGE && last > after ? last : null };
    },
    async latest(set, since, columns) {
      if (!counts) return null;
      const filter = allOf(isGreater('Modified', moment(since)), isGreater('Id', 0));
      try {
        const query = { ...columns, filter, orderBy: 'Modified desc', count: true };
        const { rows, total } = await reader.counted(set, query, PAGE);
        return total === null ? null : { rows, total };
      } catch (error) {
        if (!(error instanceof RobotFailure) || error.code !== 'directum_refused') throw error;
        counts = false;
        return null;
      }
    },
    canReadAny: (set) => canReadAny(reader, set),
    byIds: (set, ids, columns) =>
      inLists(ids, MOST_IDS, (list) =>
        reader.some(set, { ...columns, filter: isAmong('Id', list) }, list.length),
      ),
    ofList: (set, ids, most, filterOf, columns) =>
      inLists(ids, most, (list) => reader.all(set, { ...columns, filter: filterOf(list) })),
  };
}

/** `$expand` of one reference or collection with those of `names` that its type has; empty where it is not exposed. */
export function expanding(
  can: Capabilities,
  leaf: string,
  property: string,
  names: readonly string[],
): Expand {
  const type = can.property(leaf, property);
  if (type === null || !/^[>*]/.test(type)) return {};
  return { [property]: { select: ['Id', ...can.having(type.slice(1), names)] } };
}
