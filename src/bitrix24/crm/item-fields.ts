import { z } from 'zod';
import { BoundedMap } from '../../lib/bounded-map.ts';
import type { ItemField, ItemFields } from '../../robot/ports/portal.ts';
import type { BatchCommand } from '../rest/batch.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { isRecord } from '../rest/values.ts';

/** Short, because asking again costs no hit of its own: a title is at most so old. */
const KEEP_MS = 60_000;
const TYPES_KEPT = 200;

/** Types that can be asked for their own fields in another way (bitrix24.md F6). */
const OLDER_LIST: Readonly<Record<number, string>> = {
  1: 'crm.lead.userfield.list',
  2: 'crm.deal.userfield.list',
  7: 'crm.quote.userfield.list',
};

/** Deals, leads, quotes, smart invoices: what robots work on beside smart processes. */
const SALES_TYPES = [2, 1, 7, 31] as const;

/** The fields a type has (bitrix24.md F1). */
export const fieldsCommand = (typeId: number): BatchCommand => ({
  method: 'crm.item.fields',
  params: { entityTypeId: typeId, useOriginalUfNames: 'Y' },
});

/** `crm.item.fields`, by names as `crm.item.get` spells them. */
export const fieldsShape = z
  .object({ fields: z.record(z.string(), z.unknown()) })
  .transform(({ fields }) => new Map(Object.entries(fields).flatMap(([name, field]) => toFact(name, field))));

const text = z.union([z.string(), z.number()]).transform(String);
const factShape = z.looseObject({ type: z.string(), upperName: z.string().optional().catch(undefined) });
const typesShape = z.object({
  types: z
    .array(z.unknown())
    .transform((rows) =>
      rows.flatMap(
        (row) => z.object({ entityTypeId: z.coerce.number().int() }).safeParse(row).data?.entityTypeId ?? [],
      ),
    ),
});
const olderShape = z.looseObject({ FIELD_NAME: z.string(), USER_TYPE_ID: z.string() });

function toFact(name: string, field: unknown): [string, ItemField][] {
  const read = factShape.safeParse(field);
  if (!read.success) return [];
  // Some portals list the camelCase names all the same (bitrix24.md F1); the stored one stands beside them.
  const code = /^UF_/.test(read.data.upperName ?? '') ? (read.data.upperName ?? name) : name;
  return [[code, { type: read.data.type, items: readTitles(field) }]];
}

const toOlderFact = (row: z.infer<typeof olderShape>): ItemField => ({
  type: row.USER_TYPE_ID,
  items: readTitles(row),
});

/** Titles of a list's values by their ids. */
function readTitles(field: unknown): Map<string, string> {
  const row = z.object({ id: text, value: text });
  return new Map(
    listItems(field, 0).flatMap((item) => {
      const lower = isRecord(item)
        ? Object.fromEntries(Object.entries(item).map(([key, value]) => [key.toLowerCase(), value]))
        : {};
      const read = row.safeParse(lower);
      return read.success ? [[read.data.id, read.data.value] as const] : [];
    }),
  );
}

const ITEM_KEYS = new Set(['enum', 'list', 'items']);
/** `[{LIST: […]}]` is the deepest place known. */
const MAX_DEPTH = 3;

/** Rows of a list field's values, wherever in an answer they stand: `enum`, `LIST` or `items`, in any case of letters. */
export function listItems(value: unknown, depth: number): unknown[] {
  if (depth > MAX_DEPTH || typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((row) => listItems(row, depth + 1));
  return Object.entries(value).flatMap(([key, inner]) => {
    if (!ITEM_KEYS.has(key.toLowerCase())) return listItems(inner, depth + 1);
    return Array.isArray(inner) ? inner : isRecord(inner) ? Object.values(inner) : [];
  });
}

/** Kinds of the fields of CRM types, and titles of their lists. */
export interface ItemFieldsReader {
  /** What was read a short while ago; null when it must be asked for. */
  known(memberId: string, typeId: number): ItemFields | null;
  /** Asks for them, by `ask` where that is done together with something else, and keeps them. @throws PortalError */
  load(memberId: string, typeId: number, ask?: () => Promise<ItemFields>): Promise<ItemFields>;
  /**
   * Fields of deals, leads, quotes and smart invoices, and of smart processes while one of the `wanted` is not among them.
   * A type that the portal refuses to show is left out. @throws PortalError when all are refused, or none answers
   */
  ofTypes(memberId: string, wanted: readonly string[]): Promise<ItemFields[]>;
}

export function createItemFields(rest: PortalRest): ItemFieldsReader {
  const kept = new BoundedMap<string, { facts: ItemFields; at: number }>(TYPES_KEPT);
  const keyOf = (memberId: string, typeId: number) => `${memberId} ${typeId}`;

  async function askAlone(memberId: string, typeId: number): Promise<ItemFields> {
    const { method, params } = fieldsCommand(typeId);
    const read = fieldsShape.safeParse(await rest.call(memberId, method, params));
    if (!read.success) throw unreadable(method);
    return read.data;
  }

  /** The type's own fields by the older method, which names their lists' values too; null where there is none. */
  async function askOlder(memberId: string, typeId: number): Promise<ItemFields | null> {
    const method = OLDER_LIST[typeId];
    if (method === undefined) return null;
    const facts = new Map<string, ItemField>();
    for (let start = 0; ; start += PAGE) {
      const rows = await rest.call(memberId, method, { order: { ID: 'ASC' }, start });
      if (!Array.isArray(rows)) throw unreadable(method);
      const before = facts.size;
      for (const row of rows) {
        const read = olderShape.safeParse(row);
        if (read.success) facts.set(read.data.FIELD_NAME, toOlderFact(read.data));
      }
      // A portal that pays no heed to `start` shows nothing new.
      if (rows.length < PAGE || facts.size === before) return facts;
    }
  }

  /** @throws PortalError when a better answer may come later; what is refused gives null */
  async function orNull<T>(asking: Promise<T>): Promise<T | null> {
    try {
      return await asking;
    } catch (error) {
      if (error instanceof PortalError && !error.retry) return null;
      throw error;
    }
  }

  /** Ids of smart processes as the portal lists them (bitrix24.md F6). */
  async function smartProcesses(memberId: string): Promise<number[]> {
    const ids: number[] = [];
    for (let start = 0; start < TYPES_KEPT; start += PAGE) {
      const answer = await orNull(rest.call(memberId, 'crm.type.list', { order: { id: 'ASC' }, start }));
      const types = typesShape.safeParse(answer).data?.types ?? [];
      ids.push(...types.filter((id) => !ids.includes(id)));
      if (types.length < PAGE) break;
    }
    return ids;
  }

  async function load(
    memberId: string,
    typeId: number,
    ask = () => askAlone(memberId, typeId),
  ): Promise<ItemFields> {
    const asking = ask();
    const answer = await orNull(asking);
    const isWhole = answer !== null && ![...answer.values()].some(isListWithoutValues);
    const older = isWhole ? null : await orNull(askOlder(memberId, typeId));
    // Refused in both ways: the first refusal says why.
    const facts = new Map(answer ?? older ?? (await asking));
    for (const [code, fact] of older ?? []) {
      const own = facts.get(code);
      if (own === undefined || isListWithoutValues(own)) facts.set(code, fact);
    }
    kept.set(keyOf(memberId, typeId), { facts, at: performance.now() });
    return facts;
  }

  return {
    known(memberId, typeId) {
      const found = kept.get(keyOf(memberId, typeId));
      return found !== undefined && performance.now() - found.at < KEEP_MS ? found.facts : null;
    },
    load,
    async ofTypes(memberId, wanted) {
      const found: ItemFields[] = [];
      const lacks = () => wanted.some((code) => !found.some((fields) => fields.has(code)));
      const take = async (typeId: number) => {
        const fields = await orNull(load(memberId, typeId));
        if (fields !== null) found.push(fields);
      };
      for (const typeId of SALES_TYPES) await take(typeId);
      if (found.length === 0) return [await load(memberId, SALES_TYPES[0])];
      for (const typeId of lacks() ? await smartProcesses(memberId) : []) if (lacks()) await take(typeId);
      return found;
    },
  };
}

const isListWithoutValues = ({ type, items }: ItemField): boolean =>
  type === 'enumeration' && items.size === 0;

const PAGE = 50;

function unreadable(method: string): PortalError {
  return new PortalError({ code: 'UNREADABLE', kind: 'server', status: null, retry: true, method });
}
