import { listParams, matches, page, sorted } from '../rows.ts';
import type { Fields } from '../types.ts';
import { asList, int, isObject, type Methods, missing, phpMap, RestError, text } from '../wire.ts';
import { nextId, type World } from '../world.ts';
import { ownValues, presentValues } from './make.ts';
import { addTemplate, demandRight, type Template, zero } from './memory.ts';

const TEMPLATE = 'crm.documentgenerator.template';
const NUMERATOR = 'crm.documentgenerator.numerator';
const NAMES = new Set('id name code region active sort entityTypeId createdBy'.split(' '));

/** `entityTypeId` and `users` come only when the select names them. */
const row = (template: Template, select: string[]): Fields => ({
  id: String(template.id),
  name: template.name,
  code: template.code,
  region: template.region,
  sort: String(template.sort),
  active: template.active ? 'Y' : 'N',
  numeratorId: String(template.numeratorId),
  createTime: template.createTime,
  createdBy: String(template.createdBy),
  isDeleted: template.deleted ? 'Y' : 'N',
  withStamps: 'N',
  ...(select.includes('entityTypeId') ? { entityTypeId: template.entityTypeId } : {}),
  ...(select.includes('users') ? { users: template.users } : {}),
});

/** Templates and their numerators: for those who may change templates. */
export function templateMethods(world: World): Methods {
  const scope = ['crm'];
  const { templates, numerators } = world.generator;
  const find = (value: unknown): Template => {
    if (int(value) <= 0) {
      throw new RestError(400, '100', 'Bitrix\\DocumentGenerator\\Template constructor must be is public');
    }
    const template = templates.get(int(value));
    if (template === undefined) throw zero('Template not found');
    return template;
  };
  return {
    [`${TEMPLATE}.list`]: {
      scope,
      run: ({ params, grant }) => {
        demandRight(world, grant.userId, 'templates');
        const { filter, order, select, start } = listParams(params);
        const wanted = asList(select).map(text);
        const name = (key: string): string | undefined => (NAMES.has(key) ? key : undefined);
        const found = [...templates.values()]
          .filter((one) => !one.deleted && !one.code.startsWith('rest_'))
          .filter((one) => matches(row(one, ['entityTypeId']), filter, name))
          .map((one) => row(one, wanted));
        return page(sorted(found, order, name), start, (rows) => ({
          templates: phpMap(Object.fromEntries(rows.map((one) => [text(one['id']), one]))),
        }));
      },
    },
    [`${TEMPLATE}.get`]: {
      scope,
      run: ({ params, grant }) => {
        demandRight(world, grant.userId, 'templates');
        return { result: { template: row(find(params['id']), ['entityTypeId', 'users']) } };
      },
    },
    [`${TEMPLATE}.add`]: {
      scope,
      run: ({ params, grant }) => {
        demandRight(world, grant.userId, 'templates');
        const given = isObject(params['fields']) ? params['fields'] : {};
        for (const key of ['name', 'file', 'numeratorId', 'region', 'entityTypeId']) {
          if (text(given[key]) === '') throw missing(key);
        }
        const id = addTemplate(world, {
          name: text(given['name']),
          content: Buffer.from(text(asList(given['file'])[1]), 'base64'),
          region: text(given['region']),
          numeratorId: int(given['numeratorId']),
          entityTypeId: asList(given['entityTypeId']).map(text),
          users: asList(given['users']).map(text),
          createdBy: grant.userId,
          active: text(given['active']) !== 'N',
        });
        return { result: { template: row(find(id), ['entityTypeId', 'users']) } };
      },
    },
    [`${TEMPLATE}.getfields`]: {
      scope,
      run: ({ params, grant }) => {
        demandRight(world, grant.userId, 'templates');
        const template = find(params['id']);
        const present: Fields = {
          ...presentValues(world, int(params['entityTypeId']), int(params['entityId'])),
          ...ownValues(params),
        };
        const names = new Set(
          [...template.bytes.toString('utf8').matchAll(/\{(\w+)\}/g)].map((one) => one[1]),
        );
        const fields = [...names].map((key = '') => [key, { title: key, value: present[key] ?? null }]);
        return { result: { templateFields: phpMap(Object.fromEntries(fields)) } };
      },
    },
    [`${TEMPLATE}.delete`]: {
      scope,
      run: ({ params, grant }) => {
        demandRight(world, grant.userId, 'templates');
        find(params['id']).deleted = true;
        return { result: null };
      },
    },
    [`${NUMERATOR}.list`]: {
      scope,
      run: ({ params, grant }) => {
        demandRight(world, grant.userId, 'templates');
        const rows = [...numerators.values()].map(({ id, name, template }) => ({
          id: String(id),
          name,
          template,
        }));
        return page(rows, listParams(params).start, (shown) => ({ numerators: shown }));
      },
    },
    [`${NUMERATOR}.add`]: {
      scope,
      run: ({ params, grant }) => {
        demandRight(world, grant.userId, 'templates');
        const given = isObject(params['fields']) ? params['fields'] : {};
        for (const key of ['name', 'template']) if (text(given[key]) === '') throw missing(key);
        const id = nextId(world, 'numerator', 2);
        const made = { id, name: text(given['name']), template: text(given['template']) };
        numerators.set(id, { ...made, next: 1 });
        return { result: { numerator: { ...made, id: String(id) } } };
      },
    },
  };
}
