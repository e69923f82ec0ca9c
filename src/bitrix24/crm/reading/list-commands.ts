import { type BatchCommand, PAGE } from '../../rest/batch.ts';
import { ACTIVE_BY_SORT, REQUISITE } from '../commands.ts';

/** A list that is asked for the rows of many ids at once (bitrix24.md F1a). */
export interface ListOf {
  method: string;
  /** Ids of one command. */
  most: number;
  params(ids: readonly number[]): Record<string, unknown>;
  /** The id that a row was asked by. */
  idOf(row: Record<string, unknown>): unknown;
  /** An id has one row at the most, so that its command's rows fit into a page. */
  isUnique: boolean;
  /**
   * An id without a row has none. Such a list must not be wider than it was asked to be, as one is whose filter the portal
   * did not know and dropped; of any other list what is absent is read singly, because rights leave rows out.
   */
  isWhole: boolean;
  /** Its refusal is no reason to do without lists: what it is for may be off (interface.md §2, scopes). */
  isSpare?: true;
}

/** Owners mostly have one requisite with one account and two addresses: their rows are to fit into a page, too. */
const OWNERS = 45;
const OWNERS_OF_PAIRS = 24;

export const itemList = (typeId: number): ListOf => ({
  method: 'crm.item.list',
  most: PAGE,
  // With original names of user fields only `*` shows system fields (F1); -1 spares the portal the counting.
  params: (ids) => ({
    entityTypeId: typeId,
    filter: { '@id': ids },
    select: ['*'],
    order: { id: 'ASC' },
    start: -1,
    useOriginalUfNames: 'Y',
  }),
  idOf: (row) => row['id'],
  isUnique: true,
  isWhole: false,
});

/** A plain list of ids would have the portal ask about the rights on item 1 only: hence `@`. */
export const linkList = (typeId: number): ListOf => ({
  method: 'crm.requisite.link.list',
  most: PAGE,
  params: (ids) => ({
    filter: { ENTITY_TYPE_ID: typeId, '@ENTITY_ID': ids },
    order: { ENTITY_ID: 'ASC' },
  }),
  idOf: (row) => row['ENTITY_ID'],
  isUnique: true,
  isWhole: true,
});

/** One type a command: of several the portal makes type 1. */
export const requisiteList = (typeId: number): ListOf => ({
  method: 'crm.requisite.list',
  most: OWNERS,
  params: (ids) => ({
    filter: { ENTITY_TYPE_ID: typeId, '@ENTITY_ID': ids, ...ACTIVE_BY_SORT.filter },
    order: ACTIVE_BY_SORT.order,
    select: ['*'],
  }),
  idOf: (row) => (Number(row['ENTITY_TYPE_ID']) === typeId ? row['ENTITY_ID'] : null),
  isUnique: false,
  isWhole: true,
});

export const bankList: ListOf = {
  method: 'crm.requisite.bankdetail.list',
  most: OWNERS,
  params: (ids) => ({
    filter: { '@ENTITY_ID': ids, ...ACTIVE_BY_SORT.filter },
    order: ACTIVE_BY_SORT.order,
  }),
  idOf: (row) => row['ENTITY_ID'],
  isUnique: false,
  isWhole: true,
};

/** By requisite and not by company, as a single reading asks. */
export const addressList: ListOf = {
  method: 'crm.address.list',
  most: OWNERS_OF_PAIRS,
  params: (ids) => ({
    filter: { ENTITY_TYPE_ID: REQUISITE, '@ENTITY_ID': ids },
    order: { ENTITY_ID: 'ASC', TYPE_ID: 'ASC' },
  }),
  idOf: (row) => row['ENTITY_ID'],
  isUnique: false,
  isWhole: true,
};

export const userList: ListOf = {
  method: 'user.get',
  most: PAGE,
  params: (ids) => ({ FILTER: { ID: ids }, sort: 'ID', order: 'ASC' }),
  idOf: (row) => row['ID'],
  isUnique: true,
  isWhole: false,
  isSpare: true,
};

/** The command for a page of the list. */
export function toPage({ method, params }: ListOf, ids: readonly number[], start: number): BatchCommand {
  return { method, params: start === 0 ? params(ids) : { ...params(ids), start } };
}
