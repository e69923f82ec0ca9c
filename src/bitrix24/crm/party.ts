import { RobotFailure } from '../../robot/failure.ts';
import type { ItemRef, Party, ReadRequest, Requisite } from '../../robot/ports/portal.ts';
import { PAGE } from '../rest/batch.ts';
import { PortalError } from '../rest/portal-error.ts';
import {
  addresses,
  bank,
  banks,
  COMPANY,
  CONTACT,
  item,
  legacy,
  preset,
  presets,
  requisite,
  requisites,
} from './commands.ts';
import type { CrmRead } from './reading/crm-read.ts';
import * as shapes from './shapes.ts';

type Facts = ReturnType<typeof shapes.itemFactsShape.parse>;
type Link = ReturnType<typeof shapes.linkShape.parse> | null;

/** Country of a preset (bitrix24.md F4). */
export const RUSSIA = 1;

/** Last, first and second name of a contact or lead. */
export function personName(facts: Facts): string | null {
  return [facts.lastName, facts.name, facts.secondName].filter(Boolean).join(' ') || null;
}

/** The other side of the item (bitrix24.md F4). @throws PortalError, RobotFailure item_not_found */
export async function readParty(
  read: CrmRead,
  ref: ItemRef,
  request: ReadRequest,
  facts: Facts,
  linked: Link,
): Promise<Party | null> {
  if (request.companyId !== undefined) return readSide(read, 'company', request.companyId, linked, true);
  if (request.contactId !== undefined) return readSide(read, 'contact', request.contactId, linked, true);
  if (ref.typeId === COMPANY) return readSide(read, 'company', ref.id, linked, true);
  if (ref.typeId === CONTACT) return readSide(read, 'contact', ref.id, linked, true);
  const company =
    facts.companyId === null ? null : await readSide(read, 'company', facts.companyId, linked, false);
  if (company !== null) return company;
  const contactId = facts.contactId ?? facts.contactIds[0] ?? null;
  return contactId === null ? null : readSide(read, 'contact', contactId, linked, false);
}

/** A company or contact; null when the item's own is deleted, item_not_found when it was named by a person. */
async function readSide(
  read: CrmRead,
  kind: Party['kind'],
  id: number,
  linked: Link,
  named: boolean,
): Promise<Party | null> {
  const typeId = kind === 'company' ? COMPANY : CONTACT;
  let fields: shapes.CrmItem;
  try {
    ({ item: fields } = await read.get(kind, item(typeId, id), shapes.itemShape, (r) => r.item.id === id));
  } catch (error) {
    if (!named && error instanceof PortalError && error.kind === 'gone') return null;
    throw error instanceof PortalError && error.kind === 'gone' ? notFound(kind, id) : error;
  }
  const facts = shapes.itemFactsShape.parse(fields);
  let contacts = shapes.readMultifields(fields);
  if (contacts === null) {
    const old = await read.tryGet(`${kind}_old`, legacy(typeId, id), shapes.contactsShape);
    contacts = { phones: old?.PHONE ?? [], emails: old?.EMAIL ?? [], webs: old?.WEB ?? [] };
  }
  const full = (values: (string | null)[]) => values.filter((value) => value !== null);
  return {
    kind,
    id,
    name: kind === 'company' ? facts.title : personName(facts),
    lastName: facts.lastName,
    firstName: kind === 'contact' ? facts.name : null,
    secondName: facts.secondName,
    phones: full(contacts.phones),
    emails: full(contacts.emails),
    webs: full(contacts.webs),
    requisite: await readRequisite(read, kind, typeId, id, linked),
  };
}

/** Chosen on the item when it is this party's, else the party's first active by sort (F4). */
async function readRequisite(
  read: CrmRead,
  kind: string,
  typeId: number,
  id: number,
  linked: Link,
): Promise<Requisite | null> {
  const belongs = (row: shapes.RequisiteRow) => row.ENTITY_TYPE_ID === typeId && row.ENTITY_ID === id;
  const linkedId = linked?.REQUISITE_ID ?? null;
  const chosen =
    linkedId === null
      ? null
      : await read.tryGet('linked', requisite(linkedId), shapes.requisiteShape, (row) => row.ID === linkedId);
  const own = chosen !== null && belongs(chosen);
  const row = own
    ? chosen
    : (
        await read.get(`${kind}_requisites`, requisites(typeId, id), shapes.requisitesShape, (rows) =>
          rows.every(belongs),
        )
      )[0];
  if (row === undefined) return null;
  const prefix = own ? 'linked' : kind;
  const bankId = own ? (linked?.BANK_DETAIL_ID ?? null) : null;
  const ofRow = (rows: { ENTITY_ID: number | null }[]) =>
    rows.every(({ ENTITY_ID }) => ENTITY_ID === null || ENTITY_ID === row.ID);
  return toRequisiteOf({
    row,
    countryId: await readCountry(read, row.PRESET_ID),
    banks: await readBanks(read, prefix, row.ID, bankId),
    addresses:
      (await read.tryGet(`${prefix}_addresses`, addresses(row.ID), shapes.addressesShape, ofRow)) ?? [],
    bankId,
    person: typeId === CONTACT,
  });
}

/** Accounts of a requisite; the one chosen on the item is among them though it stands on a later page. */
async function readBanks(read: CrmRead, prefix: string, requisiteId: number, chosen: number | null) {
  const ofRow = (rows: { ENTITY_ID: number | null }[]) =>
    rows.every(({ ENTITY_ID }) => ENTITY_ID === null || ENTITY_ID === requisiteId);
  const first = (await read.tryGet(`${prefix}_banks`, banks(requisiteId), shapes.banksShape, ofRow)) ?? [];
  if (chosen === null || first.length < PAGE || first.some(({ ID }) => ID === chosen)) return first;
  return [...first, ...((await read.tryGet('bank', bank(chosen), shapes.banksShape, ofRow)) ?? [])];
}

/** Country of a requisite's preset; null when the portal shows no such preset. */
export async function readCountry(read: CrmRead, presetId: number | null): Promise<number | null> {
  if (presetId === null) return null;
  const first = await read.tryGet('presets', presets, shapes.presetsShape);
  const found =
    first === null || first.length < PAGE || first.some(({ ID }) => ID === presetId)
      ? first?.find(({ ID }) => ID === presetId)
      : (await read.tryGet('preset', preset(presetId), shapes.presetsShape))?.find(
          ({ ID }) => ID === presetId,
        );
  return found?.COUNTRY_ID ?? null;
}

function toRequisiteOf({
  row,
  ...facts
}: { row: shapes.RequisiteRow } & Parameters<typeof shapes.toRequisite>[1]): Requisite {
  return shapes.toRequisite(row, facts);
}

function notFound(kind: Party['kind'], id: number): RobotFailure {
  const isCompany = kind === 'company';
  const ru = isCompany ? `Компания с ИД ${id} не найдена в CRM.` : `Контакт с ИД ${id} не найден в CRM.`;
  return new RobotFailure('item_not_found', {
    ru: `${ru} Проверьте поле «${isCompany ? 'ИД компании' : 'ИД контакта'}» робота.`,
    en: `CRM has no ${kind} with id ${id}. Check the field «${isCompany ? 'Company id' : 'Contact id'}» of the robot.`,
  });
}
