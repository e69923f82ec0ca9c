import type { ItemRef } from '../../../robot/ports/portal.ts';
import type { BatchCommand } from '../../rest/batch.ts';
import { PAGE } from '../../rest/batch.ts';
import type { PortalRest } from '../../rest/rest.ts';
import * as commands from '../commands.ts';
import { fieldsCommand } from '../item-fields.ts';
import * as shapes from '../shapes.ts';
import { listQuestions, type Question, type Row } from './ask-lists.ts';
import type { Known } from './crm-read.ts';
import * as lists from './list-commands.ts';
import { createReading, type Facts, type ReadItem, type Reading } from './reading-of-many.ts';

const { COMPANY, CONTACT } = commands;

/** An item to be read together with others, and people besides its responsible. */
interface WantedItem {
  ref: ItemRef;
  users: readonly number[];
}

/** What lists brought of many items: as answers to the commands of a single reading, which is therefore the same reading. */
export interface ManyItems {
  /** When the reading began, by `performance.now()`. */
  readAt: number;
  known(command: BatchCommand): Known | undefined;
}

/**
 * Reads many items with their parties, own companies and people in three waves of lists (bitrix24.md F1a). What a list leaves
 * out is asked singly in the same waves, fifty in a hit. @throws PortalError when the portal has no such lists, or is away
 */
export async function readMany(
  rest: PortalRest,
  memberId: string,
  wanted: readonly WantedItem[],
): Promise<ManyItems> {
  const readAt = performance.now();
  const reading = createReading(rest, memberId);
  await readItems(reading, wanted);
  const items = wanted.flatMap(({ ref }) => reading.itemOf(ref) ?? []);
  await readOwners(reading, items, wanted);
  await readDetails(reading, items);
  return { readAt, known: reading.known };
}

/** First wave: items, requisites chosen on them, and what is the same for all. */
async function readItems(reading: Reading, wanted: readonly WantedItem[]): Promise<void> {
  const byType = Map.groupBy(wanted, ({ ref }) => ref.typeId);
  const linked = wanted.filter(({ ref }) => commands.hasLink(ref));
  const links = new Map<number, Map<number, Row[]>>();
  const listed = itemLists(
    reading,
    [...byType].map(([typeId, some]) => [typeId, some.map(({ ref }) => ref.id)]),
  );
  await reading.ask([
    ...listed.questions,
    ...[...Map.groupBy(linked, ({ ref }) => ref.typeId)].flatMap(([typeId, some]) => {
      const rows = new Map<number, Row[]>();
      links.set(typeId, rows);
      const ids = some.map(({ ref }) => ref.id);
      return listQuestions(lists.linkList(typeId), ids, rows);
    }),
    reading.singly(commands.presets),
    ...[...byType.keys()].map((typeId) => reading.singly(fieldsCommand(typeId))),
  ]);
  listed.keep();
  for (const { ref } of linked)
    reading.put(commands.link(ref), links.get(ref.typeId)?.get(ref.id)?.[0] ?? null);
  // A list may show no bindings, and one of them may be the other side.
  const bare = wanted.filter(({ ref }) => isWithoutBindings(reading, ref));
  await reading.ask(bare.map(({ ref }) => reading.singly(commands.item(ref.typeId, ref.id))));
}

function isWithoutBindings(reading: Reading, ref: ItemRef): boolean {
  const item = reading.itemOf(ref);
  const read = shapes.itemShape.safeParse(reading.resultOf(commands.item(ref.typeId, ref.id)));
  return item?.owner === null && read.success && !('contactIds' in read.data.item);
}

/** Second wave: companies, contacts, their requisites, own companies, people. */
async function readOwners(
  reading: Reading,
  items: readonly ReadItem[],
  wanted: readonly WantedItem[],
): Promise<void> {
  const own = items.flatMap(({ facts }) => facts.mycompanyId ?? facts.myCompanyId ?? []);
  const owners = (typeId: number) =>
    items.flatMap(({ owner }) => (owner !== null && owner[0] === typeId ? [owner[1]] : []));
  const parties: [number, number[]][] = [
    [COMPANY, [...owners(COMPANY), ...own]],
    [CONTACT, owners(CONTACT)],
  ];
  const listed = itemLists(reading, parties);
  const requisites = parties.map(([typeId, ids]) => ({ typeId, ids, rows: new Map<number, Row[]>() }));
  const users = new Map<number, Row[]>();
  const userIds = [
    ...items.flatMap(({ facts }) => facts.assignedById ?? []),
    ...wanted.flatMap(({ users: named }) => named),
  ];
  await reading.ask([
    ...listed.questions,
    ...requisites.flatMap(({ typeId, ids, rows }) => listQuestions(lists.requisiteList(typeId), ids, rows)),
    ...listQuestions(lists.userList, userIds, users, (id) => reading.singly(commands.user(id))),
    ...unique(items.flatMap(({ link }) => link?.MC_REQUISITE_ID ?? [])).map((id) =>
      reading.singly(commands.requisite(id)),
    ),
  ]);
  listed.keep();
  for (const { typeId, rows } of requisites) {
    for (const [id, some] of rows) {
      reading.put(commands.requisites(typeId, id), some);
      // One of them may be the one chosen on an item. What was asked singly stands: a list knows no rights (F1a).
      for (const row of some) {
        const single = commands.requisite(Number(row['ID']));
        if (!reading.has(single)) reading.put(single, row);
      }
    }
  }
  for (const [id, some] of users) reading.put(commands.user(id), some);
}

/** Third wave: accounts and addresses of the requisites that count, and what only the second wave showed to be needed. */
async function readDetails(reading: Reading, items: readonly ReadItem[]): Promise<void> {
  const ids: number[] = [];
  const more: Question[] = [];
  const ownCompanies: number[] = [];
  const presets = shapes.presetsShape.parse(reading.resultOf(commands.presets));
  for (const { ref, facts, link, owner } of items) {
    // Its contact counts in place of a company that is gone, and nothing of that is known.
    if (owner?.[0] === COMPANY && reading.isGone(commands.item(...owner)) && hasContact(facts)) {
      reading.leave(ref);
      continue;
    }
    const rows = owner === null ? [] : requisitesOf(reading, owner);
    const chosenId = link?.REQUISITE_ID ?? null;
    const chosen = rows.find(({ ID }) => ID === chosenId);
    const [first] = chosen === undefined ? rows : [chosen];
    if (first !== undefined) ids.push(first.ID);
    if (chosenId !== null && chosen === undefined && owner !== null) {
      ids.push(chosenId);
      more.push(reading.singly(commands.requisite(chosenId)));
    }
    const ownId = link?.MC_REQUISITE_ID ?? null;
    const mine = ownId === null ? null : reading.resultOf(commands.requisite(ownId));
    const named = facts.mycompanyId ?? facts.myCompanyId;
    const row = shapes.requisiteShape.safeParse(mine).data;
    if (named === null && row?.ENTITY_TYPE_ID === COMPANY && row.ENTITY_ID !== null)
      ownCompanies.push(row.ENTITY_ID);
    if (owner !== null && isWithoutMultifields(reading, owner))
      more.push(reading.singly(commands.legacy(...owner)));
    more.push(...presetsOf(reading, presets, [first, row]));
  }
  const listed = itemLists(reading, [[COMPANY, ownCompanies]]);
  const banks = new Map<number, Row[]>();
  const addresses = new Map<number, Row[]>();
  await reading.ask([
    ...listed.questions,
    ...listQuestions(lists.bankList, ids, banks),
    ...listQuestions(lists.addressList, ids, addresses),
    ...new Map(more.map((question) => [JSON.stringify(question.command), question])).values(),
  ]);
  listed.keep();
  for (const [id, rows] of banks) reading.put(commands.banks(id), rows);
  for (const [id, rows] of addresses) reading.put(commands.addresses(id), rows);
}

/** Items of several types that are not read yet; `keep` puts them where a single reading looks for them. */
function itemLists(reading: Reading, byType: readonly (readonly [typeId: number, ids: readonly number[]])[]) {
  const asked = byType.map(([typeId, ids]) => ({
    typeId,
    ids: ids.filter((id) => !reading.has(commands.item(typeId, id))),
    rows: new Map<number, Row[]>(),
  }));
  return {
    questions: asked.flatMap(({ typeId, ids, rows }) =>
      listQuestions(lists.itemList(typeId), ids, rows, (id) => reading.singly(commands.item(typeId, id))),
    ),
    keep() {
      for (const { typeId, rows } of asked)
        for (const [id, [row]] of rows) reading.put(commands.item(typeId, id), { item: row });
    },
  };
}

function requisitesOf(reading: Reading, [typeId, id]: [number, number]): shapes.RequisiteRow[] {
  return shapes.requisitesShape.parse(reading.resultOf(commands.requisites(typeId, id)));
}

/** Phones and e-mails then come by the older method (bitrix24.md F2). */
function isWithoutMultifields(reading: Reading, [typeId, id]: [number, number]): boolean {
  const read = shapes.itemShape.safeParse(reading.resultOf(commands.item(typeId, id)));
  return read.success && shapes.readMultifields(read.data.item) === null;
}

/** Presets of requisites that stand on a later page of them. */
function presetsOf(
  reading: Reading,
  first: ReturnType<typeof shapes.presetsShape.parse>,
  rows: readonly (shapes.RequisiteRow | undefined)[],
): Question[] {
  if (first.length < PAGE) return [];
  return rows
    .flatMap((row) => row?.PRESET_ID ?? [])
    .filter((id) => !first.some(({ ID }) => ID === id))
    .map((id) => reading.singly(commands.preset(id)));
}

const hasContact = ({ contactId, contactIds }: Facts) => contactId !== null || contactIds.length > 0;

const unique = (ids: readonly number[]) => [...new Set(ids)];
