import { z } from 'zod';
import { STATUS_WORDS, STATUSES } from '../../../documents/facts/status-words.ts';
import type { DocumentStatus } from '../../../documents/ports/document.ts';
import type { LocalText } from '../../../robot/failure.ts';
import { listItems } from '../../crm/item-fields.ts';
import type { BatchAnswer, BatchCommand } from '../../rest/batch.ts';
import { isRecord } from '../../rest/values.ts';

/** One of our fields, by the last part of its name (interface.md §5). */
export type FieldPart = 'STATUS' | 'ID' | 'URL' | 'NUMBER' | 'SINCE';

/** Which of our fields a CRM type has, and the ids of the status list's items. */
export interface FieldFacts {
  /** Entity of the fields: `CRM_DEAL`, `CRM_44` (bitrix24.md F6). */
  entityId: string;
  /** Their names begin with the whole entity, as this portal wanted: `UF_CRM_SMART_INVOICE_…`. */
  whole?: true | undefined;
  parts: FieldPart[];
  items: Partial<Record<DocumentStatus, number>>;
}

interface FieldDeclaration {
  type: string;
  label: LocalText;
}

const FIELDS: Readonly<Record<FieldPart, FieldDeclaration>> = {
  STATUS: { type: 'enumeration', label: { ru: 'Directum: состояние', en: 'Directum: status' } },
  ID: { type: 'integer', label: { ru: 'Directum: ИД документа', en: 'Directum: document id' } },
  URL: { type: 'url', label: { ru: 'Directum: ссылка на документ', en: 'Directum: document link' } },
  NUMBER: { type: 'string', label: { ru: 'Directum: рег. номер', en: 'Directum: registration number' } },
  SINCE: { type: 'datetime', label: { ru: 'Directum: состояние с', en: 'Directum: status since' } },
};
export const FIELD_PARTS = Object.keys(FIELDS) as readonly FieldPart[];

export const DEAL_TYPE = 2;
export const DEAL_ENTITY = 'CRM_DEAL';
const INVOICE_ENTITY = 'CRM_SMART_INVOICE';
const ENTITIES: Readonly<Record<number, string>> = {
  1: 'CRM_LEAD',
  [DEAL_TYPE]: DEAL_ENTITY,
  7: 'CRM_QUOTE',
  31: INVOICE_ENTITY,
};
/** Types whose fields can also be made by a method of their own. */
const LEGACY_ADD: Readonly<Record<string, string>> = {
  CRM_LEAD: 'crm.lead.userfield.add',
  [DEAL_ENTITY]: 'crm.deal.userfield.add',
  CRM_QUOTE: 'crm.quote.userfield.add',
};

/** Entity of a type's fields; null for a smart process, whose entity holds the type's own id (bitrix24.md F6). */
export function fixedEntity(typeId: number): string | null {
  return ENTITIES[typeId] ?? null;
}

/** Full name of a field: `UF_CRM_DIRECTUM_ID`, for smart processes `UF_CRM_44_DIRECTUM_ID` (bitrix24.md F6). */
export function fieldName(entityId: string, part: FieldPart, whole = false): string {
  return `UF_${whole || /^CRM_\d+$/.test(entityId) ? entityId : 'CRM'}_DIRECTUM_${part}`;
}

/** The status list of deals with its `XML_ID`s, which only deals can be asked for (bitrix24.md F6). */
export const DEAL_LIST: BatchCommand = {
  method: 'crm.deal.userfield.list',
  params: { filter: { FIELD_NAME: fieldName(DEAL_ENTITY, 'STATUS') } },
};

/** Makes one of our fields; list items belong in `enum`, an inline `list` would lose them (bitrix24.md F6). */
export function addFieldCommand(
  entityId: string,
  part: FieldPart,
  language: 'ru' | 'en',
  whole = false,
): BatchCommand {
  const { type, label } = FIELDS[part];
  return {
    method: 'userfieldconfig.add',
    params: {
      moduleId: 'crm',
      field: {
        entityId,
        fieldName: fieldName(entityId, part, whole),
        userTypeId: type,
        multiple: 'N',
        mandatory: 'N',
        editFormLabel: label,
        ...(part === 'STATUS' ? { enum: statusItems(language) } : {}),
      },
    },
  };
}

/**
 * Another way to make the field where the first was refused: by its source that method takes only names that begin with
 * the whole entity (`UF_CRM_DEAL_…`), which contradicts bitrix24.md F6. Null where there is no other way.
 */
export function addOtherwise(
  entityId: string,
  part: FieldPart,
  language: 'ru' | 'en',
): { command: BatchCommand; whole?: true } | null {
  if (entityId === INVOICE_ENTITY)
    return { command: addFieldCommand(entityId, part, language, true), whole: true };
  const method = LEGACY_ADD[entityId];
  if (method === undefined) return null;
  const { type, label } = FIELDS[part];
  const items = statusItems(language).map(({ value, sort, xmlId }) => ({
    VALUE: value,
    SORT: sort,
    XML_ID: xmlId,
  }));
  const fields = {
    FIELD_NAME: fieldName(entityId, part),
    USER_TYPE_ID: type,
    MULTIPLE: 'N',
    MANDATORY: 'N',
    EDIT_FORM_LABEL: label,
    LIST_COLUMN_LABEL: label,
    ...(part === 'STATUS' ? { LIST: items } : {}),
  };
  return { command: { method, params: { fields } } };
}

function statusItems(language: 'ru' | 'en') {
  return STATUSES.map((status, index) => ({
    value: STATUS_WORDS[status].title[language],
    sort: (index + 1) * 10,
    xmlId: status,
  }));
}

const fieldsShape = z.object({ fields: z.record(z.string(), z.unknown()) });

/** Facts as the lookup's answers show them; null when the fields could not be read. */
export function readFacts(
  entityId: string,
  fields: BatchAnswer,
  list: BatchAnswer | undefined,
): FieldFacts | null {
  const read = fields.ok ? fieldsShape.safeParse(fields.result) : null;
  if (!read?.success) return null;
  const found = new Map(Object.entries(read.data.fields).map(([name, field]) => [plain(name), field]));
  const named = (whole: boolean) =>
    FIELD_PARTS.filter((part) => found.has(plain(fieldName(entityId, part, whole))));
  const whole = entityId === INVOICE_ENTITY && named(true).length > 0;
  const parts = named(whole);
  const facts = { entityId, parts, ...(whole ? { whole } : {}) };
  if (!parts.includes('STATUS')) return { ...facts, items: {} };
  const status = found.get(plain(fieldName(entityId, 'STATUS', whole)));
  return {
    ...facts,
    // The list knows our codes; the field itself only the titles, which an administrator may have changed.
    items: { ...readItems(status), ...(list?.ok ? readItems(ownRows(list.result)) : {}) },
  };
}

/** Fields of the administrator's own may have items like ours. */
function ownRows(result: unknown): unknown[] {
  const name = plain(fieldName(DEAL_ENTITY, 'STATUS'));
  return Array.isArray(result)
    ? result.filter((row) => isRecord(row) && plain(String(row['FIELD_NAME'])) === name)
    : [];
}

const text = z.union([z.string(), z.number()]).transform(String);
const itemShape = z
  .record(z.string(), z.unknown())
  .transform((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [plain(key), value])))
  .pipe(
    z.object({
      id: z.coerce.number().int().positive(),
      xmlid: text.nullish().catch(null),
      value: text.nullish().catch(null),
    }),
  );

/**
 * Ids of the status list's items, wherever in the answer they stand (`enum`, `LIST`, `items`; the methods differ in
 * that and in the case of their keys): by `XML_ID`, else by title.
 */
export function readItems(answer: unknown): Partial<Record<DocumentStatus, number>> {
  const byTitle: Partial<Record<DocumentStatus, number>> = {};
  const byCode: Partial<Record<DocumentStatus, number>> = {};
  for (const row of listItems(answer, 0)) {
    const read = itemShape.safeParse(row);
    if (!read.success) continue;
    const { id, xmlid, value } = read.data;
    for (const status of STATUSES) {
      if (xmlid === status) byCode[status] = id;
      else if (Object.values(STATUS_WORDS[status].title).includes(value ?? '')) byTitle[status] = id;
    }
  }
  return { ...byTitle, ...byCode };
}

/** A name without its spelling: `UF_CRM_44_DIRECTUM_ID` and `ufCrm44DirectumId` are one (bitrix24.md F1). */
export function plain(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}
