import { moveItem } from './automation.ts';
import { demandType, isDynamic, itemsOf, stageOrder } from './entities.ts';
import { readItem, storedName, systemFields, writeFields } from './item-values.ts';
import { demandInside, mayRead } from './rights.ts';
import { chosen, filterKeys, listParams, matches, page, sorted, takesList } from './rows.ts';
import type { Fields } from './types.ts';
import { camelUfName, fieldsOf } from './user-fields.ts';
import { asList, int, isObject, isoTime, type Methods, missing, RestError, text } from './wire.ts';
import type { World } from './world.ts';

const isOriginal = (params: Fields): boolean => text(params['useOriginalUfNames']) === 'Y';

const byName = (world: World, entityTypeId: number, original: boolean) => (key: string) =>
  storedName(world, entityTypeId, key, original) === undefined ? undefined : key;

/** Unlike a select, a filter and an order take only names that exist (bitrix24.md F1a). */
function demandKnown(filter: unknown, order: unknown, name: (key: string) => string | undefined): void {
  const refuse = (what: string, key: string, why: string): never => {
    throw new RestError(400, 'INVALID_ARG_VALUE', `Invalid ${what}: field '${key}' ${why}`);
  };
  for (const { operator, name: key, list } of filterKeys(filter)) {
    if (name(key) === undefined) refuse('filter', key, 'is not allowed in filter');
    if (list && !takesList(operator)) refuse('filter', key, 'has invalid value');
  }
  for (const key of isObject(order) ? Object.keys(order) : []) {
    if (name(key) === undefined) refuse('order', key, 'is not allowed in order');
  }
}

/** crm.item.*: one door to deals, leads, contacts, companies, quotes, smart invoices and smart processes. */
export function itemMethods(world: World): Methods {
  const find = (params: Fields, userId: number): { type: number; id: number; item: Fields } => {
    demandInside(world, userId);
    const type = demandType(world, params['entityTypeId']);
    if (params['id'] === undefined || isObject(params['id'])) throw missing('id');
    const id = int(params['id']);
    const item = itemsOf(world, type).get(id);
    if (item === undefined) throw new RestError(400, 'NOT_FOUND', 'Элемент не найден');
    if (!mayRead(world, userId, type, id)) throw new RestError(400, 'ACCESS_DENIED', 'Доступ запрещен');
    return { type, id, item };
  };

  return {
    'crm.item.get': {
      scope: ['crm'],
      run: ({ params, token, grant }) => {
        const { type, item } = find(params, grant.userId);
        return { result: { item: readItem(world, type, item, token, isOriginal(params)) } };
      },
    },
    'crm.item.list': {
      scope: ['crm'],
      run: ({ params, token, grant }) => {
        demandInside(world, grant.userId);
        const type = demandType(world, params['entityTypeId']);
        const original = isOriginal(params);
        const { filter, order, select, start } = listParams(params);
        const name = byName(world, type, original);
        const wanted = asList(select).map(text);
        if (type === 2 && wanted.includes('parentId2')) {
          throw new RestError(400, 'INVALID_ARG_VALUE', 'Invalid value in select: parentId2');
        }
        demandKnown(filter, order, name);
        const rows = [...itemsOf(world, type).values()]
          .filter((item) => mayRead(world, grant.userId, type, int(item['id'])))
          .map((item) => readItem(world, type, item, token, original))
          .filter((row) => matches(row, filter, name));
        // With original names an explicit select honours user fields only.
        const visible =
          original && wanted.length > 0 && !wanted.includes('*')
            ? wanted.filter((key) => key.startsWith('UF_')).concat('\u0000none')
            : wanted;
        const shown = sorted(rows, order ?? { id: 'ASC' }, name).map((row) => {
          const picked = chosen(row, visible);
          if (wanted.includes('*')) return picked;
          const { fm: _fm, ...rest } = picked;
          return rest;
        });
        return page(shown, start, (items) => ({ items }));
      },
    },
    'crm.item.fields': {
      scope: ['crm'],
      run: ({ params, grant }) => {
        demandInside(world, grant.userId);
        const type = demandType(world, params['entityTypeId']);
        const fields: Fields = {};
        for (const name of systemFields(type)) {
          fields[name] = { type: 'string', isRequired: false, isReadOnly: name === 'id', title: name };
        }
        for (const field of fieldsOf(world, type)) {
          fields[isOriginal(params) ? field.fieldName : camelUfName(field.fieldName)] = {
            type: field.userTypeId,
            isRequired: false,
            isReadOnly: false,
            isMultiple: field.multiple,
            isDynamic: true,
            title: field.fieldName,
            upperName: field.fieldName,
            ...(field.userTypeId === 'enumeration'
              ? { items: field.list.map((one) => ({ ID: String(one.id), VALUE: one.value })) }
              : {}),
          };
        }
        return { result: { fields } };
      },
    },
    'crm.item.update': {
      scope: ['crm'],
      run: ({ params, token, grant }) => {
        const { type, id, item } = find(params, grant.userId);
        if (!isObject(params['fields'])) throw missing('fields');
        const original = isOriginal(params);
        const { stageId, fm, ...fields } = writeFields(world, type, params['fields'], original);
        const moved = stageId !== undefined && stageId !== item['stageId'];
        if (moved && (isDynamic(type) || type === 2) && stageOrder(world, type, text(stageId)) < 0) {
          throw new RestError(400, 'CRM_FIELD_ERROR_VALUE_NOT_VALID', 'Недопустимая стадия');
        }
        let changed = moved;
        for (const [name, value] of Object.entries(fields)) {
          if (JSON.stringify(item[name] ?? '') === JSON.stringify(value ?? '')) continue;
          item[name] = value;
          changed = true;
        }
        if (fm !== undefined) {
          item['fm'] = [...asList(item['fm']), ...asList(fm)];
          changed = true;
        }
        if (changed) {
          item['updatedTime'] = isoTime(world.now());
          item['updatedBy'] = grant.userId;
        }
        if (moved) moveItem(world, type, id, text(stageId));
        return { result: { item: readItem(world, type, item, token, original) } };
      },
    },
  };
}
