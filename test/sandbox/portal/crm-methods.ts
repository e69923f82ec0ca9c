import { demandType, isDynamic, isKnownType, itemsOf, stagesOf } from './entities.ts';
import { legacyList } from './rows.ts';
import type { Fields } from './types.ts';
import { fieldsOf } from './user-fields.ts';
import { asList, int, legacyError, type Method, type Methods, text } from './wire.ts';
import type { World } from './world.ts';

const upper = (name: string): string =>
  name.startsWith('UF_') ? name : name.replace(/([A-Z])/g, '_$1').toUpperCase();

/** A company or contact as the legacy methods show it: UPPER_CASE, all text. */
function legacyRow(world: World, entityTypeId: number, item: Fields): Fields {
  const row: Fields = {};
  for (const [name, value] of Object.entries(item)) {
    if (name === 'fm' || name === 'contactIds') continue;
    row[upper(name)] = value === null || value === undefined ? null : text(value);
  }
  for (const kind of ['PHONE', 'EMAIL']) {
    const values = asList(item['fm']).filter((one) => (one as Fields)['typeId'] === kind) as Fields[];
    row[`HAS_${kind}`] = values.length > 0 ? 'Y' : 'N';
    if (values.length === 0) continue;
    row[kind] = values.map((one) => ({
      ID: text(one['id']),
      VALUE_TYPE: text(one['valueType']),
      VALUE: text(one['value']),
      TYPE_ID: kind,
    }));
  }
  for (const field of fieldsOf(world, entityTypeId)) row[field.fieldName] ??= null;
  return row;
}

const LINKED = new Set([2, 5, 7, 31]);

/** The older CRM methods, whose errors have an empty code. */
/** Factory presets of Russia and one of each neighbour (bitrix24.md F4; countries by the portal's own numbers). */
const PRESETS = [
  { ID: '1', NAME: 'Организация', COUNTRY_ID: '1', XML_ID: '#CRM_REQUISITE_PRESET_DEF_RU_COMPANY#' },
  { ID: '2', NAME: 'ИП', COUNTRY_ID: '1', XML_ID: '#CRM_REQUISITE_PRESET_DEF_RU_INDIVIDUAL#' },
  { ID: '3', NAME: 'Физ. лицо', COUNTRY_ID: '1', XML_ID: '#CRM_REQUISITE_PRESET_DEF_RU_PERSON#' },
  { ID: '4', NAME: 'ТОО', COUNTRY_ID: '6', XML_ID: '' },
  { ID: '5', NAME: 'ООО (Беларусь)', COUNTRY_ID: '4', XML_ID: '' },
  { ID: '6', NAME: 'ТОВ', COUNTRY_ID: '14', XML_ID: '' },
  { ID: '7', NAME: 'GmbH', COUNTRY_ID: '46', XML_ID: '' },
];

export function crmMethods(world: World): Methods {
  const get = (entityTypeId: number): Method => ({
    scope: ['crm'],
    run: ({ params }) => {
      const id = int(params['id'] ?? params['ID']);
      if (id <= 0) throw legacyError('ID is not defined or invalid.');
      const item = itemsOf(world, entityTypeId).get(id);
      if (item === undefined) throw legacyError('Not found');
      return { result: legacyRow(world, entityTypeId, item) };
    },
  });
  const list = (entityTypeId: number): Method => ({
    scope: ['crm'],
    run: ({ params }) => {
      const rows = [...itemsOf(world, entityTypeId).values()].map((one) =>
        legacyRow(world, entityTypeId, one),
      );
      const select = asList(params['select'] ?? params['SELECT']);
      const shown = rows.map(({ PHONE, EMAIL, ...row }) =>
        select.length === 0 ? row : { ...row, ...(PHONE ? { PHONE } : {}), ...(EMAIL ? { EMAIL } : {}) },
      );
      return legacyList(shown, params);
    },
  });
  const rows = (source: () => Fields[]): Method => ({
    scope: ['crm'],
    run: ({ params }) => legacyList(source(), params),
  });
  return {
    'crm.company.get': get(4),
    'crm.contact.get': get(3),
    'crm.company.list': list(4),
    'crm.contact.list': list(3),
    'crm.requisite.list': rows(() => world.requisites),
    'crm.requisite.get': {
      scope: ['crm'],
      run: ({ params }) => {
        const id = int(params['id'] ?? params['ID']);
        if (id <= 0) throw legacyError('ID is not defined or invalid.');
        const row = world.requisites.find((one) => int(one['ID']) === id);
        if (row === undefined) throw legacyError(`The Requisite with ID '${id}' is not found`);
        return { result: row };
      },
    },
    'crm.requisite.preset.list': rows(() => PRESETS),
    'crm.requisite.bankdetail.list': rows(() => world.bankDetails),
    'crm.address.list': {
      scope: ['crm'],
      run: ({ params }) => legacyList(world.addresses, { order: { TYPE_ID: 'ASC' }, ...params }),
    },
    'crm.requisite.link.list': {
      scope: ['crm'],
      run: ({ params }) =>
        legacyList([...world.links.values()], {
          order: { ENTITY_TYPE_ID: 'ASC', ENTITY_ID: 'ASC' },
          ...params,
        }),
    },
    'crm.requisite.link.get': {
      scope: ['crm'],
      run: ({ params }) => {
        const type = int(params['entityTypeId']);
        const id = int(params['entityId']);
        if (!LINKED.has(type) && !isDynamic(type))
          throw legacyError('ENTITY_TYPE_ID is not defined or invalid.');
        if (id <= 0) throw legacyError('ENTITY_ID is not defined or invalid.');
        const link = world.links.get(`${type}:${id}`);
        if (link === undefined) throw legacyError('Entity not found.');
        return { result: link };
      },
    },
    'crm.type.list': {
      scope: ['crm'],
      run: ({ params }) => {
        const wanted = int((params['filter'] as Fields | undefined)?.['entityTypeId']);
        const types = [...world.types.values()]
          .filter((one) => wanted === 0 || one.entityTypeId === wanted)
          .map((one) => ({
            ...one,
            isAutomationEnabled: 'Y',
            isStagesEnabled: 'Y',
            isCategoriesEnabled: 'Y',
          }));
        return { result: { types }, total: types.length };
      },
    },
    'crm.category.list': {
      scope: ['crm'],
      run: ({ params }) => {
        const entityTypeId = demandType(world, params['entityTypeId']);
        const ids = new Set([0]);
        for (const item of itemsOf(world, entityTypeId).values()) ids.add(int(item['categoryId']));
        const categories = [...ids].map((id) => ({
          id,
          name: id === 0 ? 'Общая' : `Воронка ${id}`,
          sort: 100 + id,
          entityTypeId,
          isDefault: id === 0 ? 'Y' : 'N',
        }));
        return { result: { categories }, total: categories.length };
      },
    },
    'crm.status.list': {
      scope: ['crm'],
      run: ({ params }) => {
        for (const type of [1, 2, 7, 31, ...world.types.keys()])
          if (isKnownType(world, type)) stagesOf(world, type);
        const all = [...world.stages].flatMap(([entity, stages]) =>
          stages.map((stage, index) => ({
            ID: String(1000 + index),
            ENTITY_ID: entity,
            STATUS_ID: stage.id,
            NAME: stage.name,
            SORT: String((index + 1) * 10),
            SEMANTICS: /WON$/.test(stage.id) ? 'S' : /LOSE$/.test(stage.id) ? 'F' : null,
          })),
        );
        return legacyList(all, { order: { SORT: 'ASC' }, ...params });
      },
    },
  };
}
