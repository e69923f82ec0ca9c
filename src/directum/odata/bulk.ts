import type { ChangesPage } from '../../documents/ports/changes.ts';
import { RobotFailure } from '../../robot/failure.ts';
import { isAnyShown } from './absence.ts';
import { PAGE, type Reader } from './list-reader.ts';
import type { Capabilities, Metadata } from './metadata.ts';
import type { Query } from './query.ts';
import { idOf, type Row, timeOf } from './rows.ts';

/** Comparisons of ids that fit the limit of a filter's nodes (directum.md G.2). */
const IDS = 10;

export type Shown = Omit<Query, 'filter' | 'orderBy' | 'top'>;

/** Questions to sets that only grow: what changed since, and what concerns a list of ids (directum.md A.5, G.2). */
export interface Bulk {
  /** Whether the installation shows when a record of the type changed. */
  hasModified(leaf: string): Promise<boolean>;
  /** The latest `Modified` of the type; null when there is none or it is not shown. */
  newest(leaf: string): Promise<string | null>;
  /** Records changed after `since` with a greater id than `after`, by id. */
  changed(set: string, since: string, after: number, query: Shown): Promise<ChangesPage<Row>>;
  /** Those of the records that can be read, ten a question. */
  byIds(set: string, ids: readonly number[], query: Shown): Promise<Row[]>;
  /** Whether any record of the set can be read; null when Directum refuses the question. */
  anyShown(set: string): Promise<boolean | null>;
  /** All rows of `filterOf(ids)`, page by page, asked in lists of at most `most` ids. */
  ofList(
    set: string,
    ids: readonly number[],
    most: number,
    filterOf: (ids: readonly number[]) => string,
    query: Shown,
  ): Promise<Row[]>;
}

export function createBulk({ reader, metadata }: { reader: Reader; metadata: Metadata }): Bulk {
  const ask = reader.where;

  /**
   * A filter is limited to 100 nodes on one stand, a start line to 2048 characters (directum.md A.5): a list that is
   * refused is asked in halves.
   */
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
      const rows = await ask(set, 'Id gt 0', {
        select: ['Id', 'Modified'],
        orderBy: 'Modified desc',
        top: 1,
      });
      return rows[0] ? timeOf(rows[0], 'Modified') : null;
    },
    async changed(set, since, after, query) {
      const filter = `Modified gt ${since} and Id gt ${after}`;
      const rows = await ask(set, filter, { ...query, orderBy: 'Id', top: PAGE });
      const last = Math.max(after, ...rows.map((row) => idOf(row)));
      return { rows, next: rows.length >= PAGE && last > after ? last : null };
    },
    anyShown: (set) => isAnyShown(reader, set),
    byIds: (set, ids, query) => inLists(ids, IDS, (list) => ask(set, eachOf('Id', list), query)),
    ofList: (set, ids, most, filterOf, query) =>
      inLists(ids, most, (list) => reader.allWhere(set, filterOf(list), query)),
  };
}

/** `Id eq 1 or Id eq 2`. */
const eachOf = (path: string, ids: readonly number[]) => ids.map((id) => `${path} eq ${id}`).join(' or ');

/** The same where something else follows: several stand in parentheses. */
export function anyOf(path: string, ids: readonly number[]): string {
  return ids.length === 1 ? eachOf(path, ids) : `(${eachOf(path, ids)})`;
}

/** `$expand` of one reference or collection with those of `names` its type has; nothing where it is not exposed. */
export function expanding(
  can: Capabilities,
  leaf: string,
  property: string,
  names: readonly string[],
): Record<string, { select: string[] }> {
  const type = can.property(leaf, property);
  if (type === null || !/^[>*]/.test(type)) return {};
  return { [property]: { select: ['Id', ...can.having(type.slice(1), names)] } };
}
