import { addType, ensureStage, isDynamic, isKnownType, itemsOf, stagesOf, ufEntity } from './entities.ts';
import type { Fields } from './types.ts';
import { addUserField, fieldsOf } from './user-fields.ts';
import { asList, int, isoTime, text } from './wire.ts';
import { nextId, type World } from './world.ts';

const FIRST_ID: Record<number, number> = { 1: 15, 2: 915, 3: 8, 4: 44, 7: 12, 31: 49 };

/** Names in either case: TITLE and title, ASSIGNED_BY_ID and assignedById, MYCOMPANY_ID and mycompanyId. */
const camel = (name: string): string =>
  name.startsWith('UF_') || !/^[A-Z0-9_]+$/.test(name)
    ? name
    : name.toLowerCase().replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());

const guessType = (value: unknown): string =>
  typeof value === 'number'
    ? Number.isInteger(value)
      ? 'integer'
      : 'double'
    : typeof value === 'boolean'
      ? 'boolean'
      : 'string';

function contacts(fields: Fields): unknown[] {
  return ['phone', 'email'].flatMap((kind) =>
    asList(fields[kind]).map((one, index) => {
      const row = typeof one === 'object' && one !== null ? (one as Fields) : { VALUE: one };
      return {
        id: index + 1,
        typeId: kind.toUpperCase(),
        valueType: text(row['VALUE_TYPE']) || 'WORK',
        value: text(row['VALUE'] ?? row['value']),
      };
    }),
  );
}

export function addItem(world: World, entityTypeId: number, given: Fields): number {
  if (isDynamic(entityTypeId)) addType(world, entityTypeId);
  if (!isKnownType(world, entityTypeId)) throw new Error(`portal sandbox: no CRM type ${entityTypeId}`);
  const { phone, email, ...fields } = Object.fromEntries(
    Object.entries(given).map(([name, value]) => [camel(name), value]),
  );
  let id = int(fields['id']);
  while (id === 0 || (fields['id'] === undefined && itemsOf(world, entityTypeId).has(id))) {
    id = nextId(world, `item${entityTypeId}`, FIRST_ID[entityTypeId] ?? 5);
  }
  for (const [name, value] of Object.entries(fields)) {
    if (!name.startsWith('UF_') || fieldsOf(world, entityTypeId).some((one) => one.fieldName === name))
      continue;
    const sample = Array.isArray(value) ? value[0] : value;
    addUserField(world, ufEntity(world, entityTypeId), name, guessType(sample), {
      multiple: Array.isArray(value),
    });
  }
  const now = isoTime(world.now());
  const categoryId = int(fields['categoryId']);
  const staged = entityTypeId !== 3 && entityTypeId !== 4;
  const item: Fields = {
    title: '',
    assignedById: 1,
    createdBy: 1,
    updatedBy: 1,
    createdTime: now,
    updatedTime: now,
    movedTime: now,
    opened: 'Y',
    ...(staged
      ? {
          categoryId,
          stageId: stagesOf(world, entityTypeId, categoryId)[0]?.id,
          opportunity: 0,
          currencyId: 'RUB',
        }
      : {}),
    ...(phone === undefined && email === undefined ? {} : { fm: contacts({ phone, email }) }),
    ...fields,
    id,
  };
  if (item['contactId'] === undefined && asList(item['contactIds'])[0] !== undefined) {
    item['contactId'] = asList(item['contactIds'])[0];
  }
  if (staged) ensureStage(world, entityTypeId, text(item['stageId']));
  itemsOf(world, entityTypeId).set(id, item);
  return id;
}

export function addUser(world: World, fields: Fields): number {
  const id = int(fields['ID']) || nextId(world, 'user');
  world.users.set(id, {
    NAME: '',
    LAST_NAME: '',
    SECOND_NAME: '',
    EMAIL: '',
    WORK_POSITION: '',
    UF_DEPARTMENT: [1],
    USER_TYPE: 'employee',
    ...fields,
    ACTIVE: !(fields['ACTIVE'] === false || fields['ACTIVE'] === 'N'),
    ADMIN: fields['ADMIN'] === true || fields['ADMIN'] === 'Y',
    ID: String(id),
  });
  return id;
}

export function addDepartment(world: World, fields: Fields): number {
  const id = int(fields['ID']) || nextId(world, 'department', 2);
  world.departments.set(id, textRow({ SORT: 500, PARENT: 1, UF_HEAD: null, ...fields, ID: id }));
  return id;
}

/** Rows of the legacy methods hold text only. */
export const textRow = (fields: Fields): Fields =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      value === null || value === undefined ? null : text(value),
    ]),
  );

export function addFile(
  world: World,
  entityTypeId: number,
  id: number,
  field: string,
  name: string,
  bytes: Buffer,
): void {
  const item = itemsOf(world, entityTypeId).get(id);
  if (item === undefined) throw new Error(`portal sandbox: no item ${entityTypeId}:${id}`);
  const known =
    fieldsOf(world, entityTypeId).find((one) => one.fieldName === field) ??
    addUserField(world, ufEntity(world, entityTypeId), field, 'file');
  const fileId = nextId(world, 'file', 771);
  world.files.set(fileId, { id: fileId, name, bytes });
  item[field] = known.multiple ? [...asList(item[field]), fileId] : fileId;
}
