import type { Fields } from './types.ts';
import { camelUfName, fieldsOf } from './user-fields.ts';
import { asList, int, isObject, RestError, readDate, text } from './wire.ts';
import { nextId, type UserField, type World } from './world.ts';

const SYSTEM =
  'xmlId createdBy updatedBy movedBy createdTime updatedTime movedTime categoryId opened stageId previousStageId begindate closedate companyId contactId contactIds opportunity isManualOpportunity taxValue currencyId mycompanyId sourceId sourceDescription webformId assignedById comments closed typeId originatorId originId additionalInfo observers utmSource leadId quoteId locationId accountNumber number name lastName secondName post birthdate isMyCompany industry fm email phone honorific title parentId2 parentId1'.split(
    ' ',
  );
const READ_ONLY = new Set(
  'id createdTime updatedTime movedTime createdBy updatedBy movedBy previousStageId'.split(' '),
);
const DATES = new Set(['begindate', 'closedate', 'birthdate']);
const TIMES = new Set(['createdTime', 'updatedTime', 'movedTime']);
const NUMBERS = /^(id|.*Id|.*By|opportunity|taxValue|categoryId)$/;
const TEXT_IDS = new Set([
  'xmlId',
  'stageId',
  'previousStageId',
  'currencyId',
  'sourceId',
  'typeId',
  'originatorId',
  'originId',
]);

export const systemFields = (entityTypeId: number): string[] =>
  ['id', ...SYSTEM].filter((name) => name !== (entityTypeId === 2 ? 'parentId2' : ''));

/** The stored name behind one a caller used: camelCase system names, UF names in either form. */
export function storedName(
  world: World,
  entityTypeId: number,
  name: string,
  original: boolean,
): string | undefined {
  if (systemFields(entityTypeId).includes(name)) return name;
  return fieldsOf(world, entityTypeId).find((field) =>
    original ? field.fieldName === name : camelUfName(field.fieldName) === name,
  )?.fieldName;
}

const fileUrl = (world: World, id: number, auth: string): string =>
  `${world.url}/rest/download.json?token=${encodeURIComponent(`crm|${id}`)}&auth=${auth}`;

function readUserField(world: World, field: UserField, value: unknown, token: string): unknown {
  const one = (single: unknown): unknown => {
    if (text(single) === '') return null;
    switch (field.userTypeId) {
      case 'file': {
        const id = int(single);
        return {
          id,
          url: `${world.url}/bitrix/components/bitrix/crm.item/show_file.php?fileId=${id}`,
          urlMachine: fileUrl(world, id, token),
        };
      }
      case 'date':
      case 'datetime':
        return readDate(single, field.userTypeId);
      case 'integer':
      case 'double':
      case 'enumeration':
      case 'employee':
        return Number(single);
      case 'boolean':
        return ['Y', '1', 'true'].includes(String(single)) ? 'Y' : 'N';
      default:
        return text(single);
    }
  };
  return field.multiple ? asList(value).map(one) : one(value);
}

/** An item as crm.item.* shows it to the owner of `token`. */
export function readItem(
  world: World,
  entityTypeId: number,
  item: Fields,
  token: string,
  original: boolean,
): Fields {
  const shown: Fields = {};
  for (const name of systemFields(entityTypeId)) {
    const value = item[name] ?? null;
    if (DATES.has(name)) shown[name] = readDate(value, 'date');
    else if (TIMES.has(name)) shown[name] = readDate(value, 'datetime');
    else if (name === 'contactIds') shown[name] = asList(value ?? item['contactId']).map(Number);
    else if (name === 'fm') shown[name] = asList(value);
    else if (name === 'observers') shown[name] = asList(value);
    else if (NUMBERS.test(name) && !TEXT_IDS.has(name)) shown[name] = value === null ? null : Number(value);
    else shown[name] = value;
  }
  shown['entityTypeId'] = entityTypeId;
  for (const field of fieldsOf(world, entityTypeId)) {
    const name = original ? field.fieldName : camelUfName(field.fieldName);
    shown[name] = readUserField(world, field, item[field.fieldName], token);
  }
  return shown;
}

function writeFile(world: World, value: unknown): number | '' {
  if (isObject(value) && !Array.isArray(value) && 'id' in value) return int(value['id']);
  const [name, content] = asList(value).map(text);
  if (name === undefined || name === '' || content === undefined) return '';
  const id = nextId(world, 'file', 771);
  world.files.set(id, { id, name, bytes: Buffer.from(content, 'base64') });
  return id;
}

function writeUserField(world: World, field: UserField, value: unknown): unknown {
  if (field.multiple && value !== '' && value !== null && !isObject(value)) {
    throw new RestError(400, '100', `Field ${field.fieldName} is multiple: a list is expected`);
  }
  const one = (single: unknown): unknown => {
    if (field.userTypeId === 'file') return writeFile(world, single);
    if (text(single) === '') return '';
    if (field.userTypeId === 'enumeration') {
      return field.list.some((item) => item.id === Number(single)) ? Number(single) : 0;
    }
    if (field.userTypeId === 'integer') return int(single);
    if (field.userTypeId === 'date') return text(readDate(single, 'date')).slice(0, 10);
    return single;
  };
  return field.multiple ? asList(value).map(one) : one(value);
}

/** What an update would store: unknown names are dropped without a word. */
export function writeFields(world: World, entityTypeId: number, given: Fields, original: boolean): Fields {
  const stored: Fields = {};
  for (const [name, value] of Object.entries(given)) {
    if (name === 'contacts' || name === 'companies') {
      throw new RestError(400, '100', `Invalid value for field ${name}`);
    }
    if (entityTypeId === 1 && name === 'categoryId') {
      throw new RestError(400, 'CRM_FIELD_ERROR_VALUE_NOT_VALID', 'Поле categoryId недопустимо');
    }
    const own = storedName(world, entityTypeId, name, original);
    if (own === undefined || READ_ONLY.has(own)) continue;
    const field = fieldsOf(world, entityTypeId).find((one) => one.fieldName === own);
    stored[own] = field === undefined ? value : writeUserField(world, field, value);
  }
  return stored;
}
