import type { ItemRef, ReadRequest } from '../../robot/ports/portal.ts';
import type { BatchCommand } from '../rest/batch.ts';
import { fieldsCommand } from './item-fields.ts';

const LEAD = 1;
export const CONTACT = 3;
export const COMPANY = 4;

export const REQUISITE = 8;

export function getParams(entityTypeId: number, id: number | string): Record<string, unknown> {
  return { entityTypeId, id, useOriginalUfNames: 'Y' };
}

export const item = (typeId: number, id: number | string): BatchCommand => ({
  method: 'crm.item.get',
  params: getParams(typeId, id),
});
export const legacy = (typeId: number, id: number | string): BatchCommand => ({
  method: typeId === COMPANY ? 'crm.company.get' : 'crm.contact.get',
  params: { id },
});
export const ACTIVE_BY_SORT = { filter: { ACTIVE: 'Y' }, order: { SORT: 'ASC', ID: 'ASC' } };
export const requisites = (typeId: number, id: number | string): BatchCommand => ({
  method: 'crm.requisite.list',
  params: {
    filter: { ENTITY_TYPE_ID: typeId, ENTITY_ID: id, ...ACTIVE_BY_SORT.filter },
    order: ACTIVE_BY_SORT.order,
    select: ['*'],
  },
});
export const requisite = (id: number | string): BatchCommand => ({
  method: 'crm.requisite.get',
  params: { id },
});
export const banks = (id: number | string): BatchCommand => ({
  method: 'crm.requisite.bankdetail.list',
  params: { filter: { ENTITY_ID: id, ...ACTIVE_BY_SORT.filter }, order: ACTIVE_BY_SORT.order },
});
/** One bank account: a requisite may have more than a page of them (bitrix24.md H3). */
export const bank = (id: number): BatchCommand => ({
  method: 'crm.requisite.bankdetail.list',
  params: { filter: { ID: id } },
});
export const addresses = (id: number | string): BatchCommand => ({
  method: 'crm.address.list',
  params: { filter: { ENTITY_TYPE_ID: REQUISITE, ENTITY_ID: id } },
});
export const user = (id: number | string): BatchCommand => ({ method: 'user.get', params: { ID: id } });
export const presets: BatchCommand = {
  method: 'crm.requisite.preset.list',
  params: { select: ['ID', 'COUNTRY_ID'] },
};
/** One preset: a portal may have more than a page of them (bitrix24.md H3). */
export const preset = (id: number): BatchCommand => ({
  method: presets.method,
  params: { ...presets.params, filter: { ID: id } },
});
export const link = (ref: ItemRef): BatchCommand => ({
  method: 'crm.requisite.link.get',
  params: { entityTypeId: ref.typeId, entityId: ref.id },
});

/** Companies and contacts have requisites of their own, and leads remember none: they know no link (bitrix24.md F4). */
export const hasLink = ({ typeId }: ItemRef): boolean => ![LEAD, COMPANY, CONTACT].includes(typeId);

/** All commands of one read; later ones refer to earlier by `$result` (bitrix24.md H3). */
export function plan(
  ref: ItemRef,
  request: ReadRequest,
  { asksFields = false }: { asksFields?: boolean } = {},
): Record<string, BatchCommand> {
  const isRecord = ref.typeId === COMPANY || ref.typeId === CONTACT;
  const companyId = request.companyId ?? (ref.typeId === COMPANY ? ref.id : '$result[item][item][companyId]');
  const contactId = request.contactId ?? (ref.typeId === CONTACT ? ref.id : '$result[item][item][contactId]');
  const commands: Record<string, BatchCommand> = { item: item(ref.typeId, ref.id), presets };
  if (asksFields) commands['fields'] = fieldsCommand(ref.typeId);
  if (hasLink(ref)) commands['link'] = link(ref);
  const sides: [string, number, number | string, boolean][] = [
    [
      'company',
      COMPANY,
      companyId,
      request.contactId === undefined && (request.companyId !== undefined || ref.typeId !== CONTACT),
    ],
    [
      'contact',
      CONTACT,
      contactId,
      request.companyId === undefined && (request.contactId !== undefined || ref.typeId !== COMPANY),
    ],
  ];
  for (const [name, typeId, id, wanted] of sides) {
    if (!wanted) continue;
    commands[name] = item(typeId, id);
    commands[`${name}_old`] = legacy(typeId, id);
    commands[`${name}_requisites`] = requisites(typeId, id);
    commands[`${name}_banks`] = banks(`$result[${name}_requisites][0][ID]`);
    commands[`${name}_addresses`] = addresses(`$result[${name}_requisites][0][ID]`);
  }
  if (!isRecord) {
    commands['own'] = item(COMPANY, '$result[item][item][mycompanyId]');
    commands['own_requisites'] = requisites(COMPANY, '$result[item][item][mycompanyId]');
  }
  if (hasLink(ref)) {
    commands['linked'] = requisite('$result[link][REQUISITE_ID]');
    commands['linked_banks'] = banks('$result[link][REQUISITE_ID]');
    commands['linked_addresses'] = addresses('$result[link][REQUISITE_ID]');
    commands['own_linked'] = requisite('$result[link][MC_REQUISITE_ID]');
  }
  commands['responsible'] = user('$result[item][item][assignedById]');
  for (const id of extraUsers(request)) commands[`user_${id}`] = user(id);
  return commands;
}

export function extraUsers(request: ReadRequest): number[] {
  return [...new Set(request.users ?? [])];
}
