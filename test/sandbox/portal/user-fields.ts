import { ufEntity } from './entities.ts';
import { legacyList, matches, page } from './rows.ts';
import type { Fields } from './types.ts';
import { asList, int, isObject, type Methods, missing, RestError, text, upperKeys } from './wire.ts';
import { nextId, type UserField, type World } from './world.ts';

const TYPES = new Set(
  'string integer double boolean date datetime money url address enumeration file employee crm crm_status iblock_element iblock_section'.split(
    ' ',
  ),
);

const refuse = (words: string): RestError => new RestError(400, 'ERROR_CORE', words);

/** The camelCase name crm.item.* uses for a user field unless useOriginalUfNames is Y. */
export function camelUfName(name: string): string {
  const rest = name.replace(/^UF_CRM_/, '');
  const typed = /^(\d+)_(.+)$/.exec(rest);
  const camel = (words: string): string =>
    words
      .split('_')
      .map((word) => word.slice(0, 1) + word.slice(1).toLowerCase())
      .join('');
  if (typed !== null) {
    const [, type, tail] = typed as unknown as [string, string, string];
    return /^[A-Z_]+$/.test(tail) ? `ufCrm${type}${camel(tail)}` : `ufCrm${type}_${tail}`;
  }
  return /^[A-Z_]+$/.test(rest) ? `ufCrm${camel(rest)}` : `ufCrm_${rest}`;
}

export const fieldsOf = (world: World, entityTypeId: number): UserField[] =>
  world.userFields.filter((one) => one.entityId === ufEntity(world, entityTypeId));

/** Adds a field the checks have passed; `items` are the list's values. */
export function addUserField(
  world: World,
  entityId: string,
  fieldName: string,
  userTypeId: string,
  options: { multiple?: boolean; items?: readonly Fields[]; raw?: Fields } = {},
): UserField {
  if (!TYPES.has(userTypeId)) throw refuse('Указан неверный пользовательский тип.');
  if (!/^UF_[A-Z0-9_]+$/.test(fieldName)) throw refuse('Недопустимые символы в коде поля.');
  if (fieldName.length > 50) throw refuse('Код поля длиннее 50 символов.');
  if (world.userFields.some((one) => one.entityId === entityId && one.fieldName === fieldName)) {
    throw refuse(`Поле ${fieldName} для объекта ${entityId} уже существует.`);
  }
  const list = (options.items ?? []).map((item, index) => ({
    id: nextId(world, 'enum', 101),
    value: text(item['value']),
    xmlId: text(item['xmlId']) || `x${index}`,
    sort: int(item['sort']) || (index + 1) * 100,
    def: text(item['def']) || 'N',
  }));
  if (new Set(list.map((one) => one.xmlId)).size < list.length) throw refuse('XML_ID значений повторяется.');
  const field: UserField = {
    id: nextId(world, 'userField', 301),
    entityId,
    fieldName,
    userTypeId,
    multiple: options.multiple ?? false,
    list,
    raw: options.raw ?? {},
  };
  world.userFields.push(field);
  return field;
}

const configRow = (field: UserField): Fields => ({
  ...field.raw,
  id: String(field.id),
  entityId: field.entityId,
  fieldName: field.fieldName,
  userTypeId: field.userTypeId,
  multiple: field.multiple ? 'Y' : 'N',
  ...(field.userTypeId === 'enumeration'
    ? { enum: field.list.map((one) => ({ ...one, id: String(one.id), userFieldId: String(field.id) })) }
    : {}),
});

const legacyRow = (field: UserField): Fields => ({
  ID: String(field.id),
  ENTITY_ID: field.entityId,
  FIELD_NAME: field.fieldName,
  USER_TYPE_ID: field.userTypeId,
  MULTIPLE: field.multiple ? 'Y' : 'N',
  ...(field.userTypeId === 'enumeration'
    ? {
        LIST: field.list.map((one) => ({
          ID: String(one.id),
          VALUE: one.value,
          XML_ID: one.xmlId,
          DEF: one.def,
          SORT: String(one.sort),
        })),
      }
    : {}),
});

export function userFieldMethods(world: World): Methods {
  const legacyAdd = (entityId: string): Methods[string] => ({
    scope: ['crm'],
    admin: true,
    run: ({ params }) => {
      const fields = upperKeys(params['fields']);
      const given = text(fields['FIELD_NAME']).toUpperCase();
      const name = given.startsWith('UF_CRM_') ? given : `UF_CRM_${given}`;
      const items = asList(fields['LIST']).map((one) => {
        const item = upperKeys(one);
        return { value: item['VALUE'], xmlId: item['XML_ID'], sort: item['SORT'], def: item['DEF'] };
      });
      const field = addUserField(world, entityId, name, text(fields['USER_TYPE_ID']), {
        multiple: fields['MULTIPLE'] === 'Y',
        items,
        raw: { editFormLabel: fields['EDIT_FORM_LABEL'] },
      });
      return { result: field.id };
    },
  });
  return {
    'crm.deal.userfield.list': {
      scope: ['crm'],
      run: ({ params }) =>
        legacyList(world.userFields.filter((one) => one.entityId === 'CRM_DEAL').map(legacyRow), params),
    },
    'crm.deal.userfield.add': legacyAdd('CRM_DEAL'),
    'crm.lead.userfield.add': legacyAdd('CRM_LEAD'),
    'crm.quote.userfield.add': legacyAdd('CRM_QUOTE'),
    'userfieldconfig.add': {
      scope: ['userfieldconfig'],
      admin: true,
      run: ({ params, grant }) => {
        if (!grant.scopes.includes('crm')) {
          throw new RestError(401, 'insufficient_scope', 'The request requires higher privileges');
        }
        if (params['moduleId'] === undefined) throw missing('moduleId');
        if (!isObject(params['field'])) throw missing('field');
        const { list: _list, enum: items, ...field } = params['field'];
        const entityId = text(field['entityId']);
        const name = text(field['fieldName']);
        const isWhole = world.misbehave.wholeFieldNames || /^CRM_\d+$/.test(entityId);
        const prefix = isWhole ? `UF_${entityId}_` : 'UF_CRM_';
        if (!name.startsWith(prefix)) throw refuse(`Код поля должен начинаться с ${prefix}`);
        const made = addUserField(world, entityId, name, text(field['userTypeId']), {
          multiple: field['multiple'] === 'Y' || field['multiple'] === true,
          items: asList(items).filter(isObject),
          raw: field,
        });
        return { result: { field: configRow(made) } };
      },
    },
    'userfieldconfig.list': {
      scope: ['userfieldconfig'],
      admin: true,
      run: ({ params }) => {
        if (params['moduleId'] === undefined) throw missing('moduleId');
        const rows = world.userFields.map(configRow).filter((row) => matches(row, params['filter']));
        return page(rows, params['start'], (fields) => ({ fields }));
      },
    },
    'userfieldconfig.get': {
      scope: ['userfieldconfig'],
      admin: true,
      run: ({ params }) => {
        const field = world.userFields.find((one) => one.id === int(params['id']));
        if (field === undefined) throw new RestError(400, 'NOT_FOUND', 'Поле не найдено');
        return { result: { field: configRow(field) } };
      },
    },
  };
}
