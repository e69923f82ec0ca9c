import { demandType, isKnownType, itemsOf, stagesOf } from './entities.ts';
import { systemFields } from './item-values.ts';
import { mayRead } from './rights.ts';
import { legacyList } from './rows.ts';
import type { Fields } from './types.ts';
import { fieldsOf } from './user-fields.ts';
import { asList, castInt, int, legacyError, type Method, type Methods, text } from './wire.ts';
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

/** The older CRM methods, whose errors have an empty code. */
export function crmMethods(world: World): Methods {
  const get = (entityTypeId: number): Method => ({
    scope: ['crm'],
    run: ({ params, grant }) => {
      const id = castInt(params['id'] ?? params['ID']);
      if (id <= 0) throw legacyError('ID is not defined or invalid.');
      const item = itemsOf(world, entityTypeId).get(id);
      if (item === undefined) throw legacyError('Not found');
      if (!mayRead(world, grant.userId, entityTypeId, id)) throw legacyError('Access denied.');
      return { result: legacyRow(world, entityTypeId, item) };
    },
  });
  const list = (entityTypeId: number): Method => ({
    scope: ['crm'],
    run: ({ params, grant }) => {
      const rows = [...itemsOf(world, entityTypeId).values()]
        .filter((one) => mayRead(world, grant.userId, entityTypeId, int(one['id'])))
        .map((one) => legacyRow(world, entityTypeId, one));
      const select = asList(params['select'] ?? params['SELECT']);
      const shown = rows.map(({ PHONE, EMAIL, ...row }) =>
        select.length === 0 ? row : { ...row, ...(PHONE ? { PHONE } : {}), ...(EMAIL ? { EMAIL } : {}) },
      );
      const names = new Set([
        ...systemFields(entityTypeId).map(upper),
        ...fieldsOf(world, entityTypeId).map(({ fieldName }) => fieldName),
      ]);
      return legacyList(shown, params, { known: (name) => names.has(name) });
    },
  });
  return {
    'crm.company.get': get(4),
    'crm.contact.get': get(3),
    'crm.company.list': list(4),
    'crm.contact.list': list(3),
    'crm.deal.list': list(2),
    'crm.lead.list': list(1),
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
