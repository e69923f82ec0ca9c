import { isKnownType, itemsOf } from '../entities.ts';
import { mayRead } from '../rights.ts';
import { chosen, listParams, matches, page, sorted } from '../rows.ts';
import type { Fields } from '../types.ts';
import { int, isObject, type Methods, missing, RestError, text } from '../wire.ts';
import type { World } from '../world.ts';
import { shown } from './files.ts';
import { makeDocument, ownValues, presentValues, refill } from './make.ts';
import { addTemplate, demandRight, type MadeDocument, mayUse, type Template, zero } from './memory.ts';

const DOCUMENT = 'crm.documentgenerator.document';
/** What a list of documents can be filtered and ordered by. */
const NAMES = new Set(
  'id title number templateId entityTypeId entityId createTime updateTime createdBy updatedBy'.split(' '),
);

const isOn = (value: unknown, otherwise: boolean): boolean =>
  value === undefined ? otherwise : ['1', 'Y', 'true'].includes(text(value));

/** Documents made from templates and CRM data (bitrix24.md F7a). */
export function generatorMethods(world: World): Methods {
  const scope = ['crm'];
  const { generator } = world;

  const demandEntity = (userId: number, params: Fields): { entityTypeId: number; entityId: number } => {
    const entityTypeId = int(params['entityTypeId']);
    if (!isKnownType(world, entityTypeId)) throw zero('No provider for entityTypeId');
    const entityId = int(params['entityId']);
    if (entityId <= 0) throw zero('Empty required parameter "value"');
    const exists = itemsOf(world, entityTypeId).has(entityId);
    if (exists && !mayRead(world, userId, entityTypeId, entityId)) {
      throw new RestError(400, 'DOCGEN_ACCESS_ERROR', 'Access denied');
    }
    return { entityTypeId, entityId };
  };
  const demandTemplate = (userId: number, value: unknown): Template => {
    if (int(value) <= 0) {
      throw new RestError(400, '100', 'Bitrix\\DocumentGenerator\\Template constructor must be is public');
    }
    const template = generator.templates.get(int(value));
    if (template === undefined) throw zero('Template not found');
    if (!mayUse(world, template, userId)) {
      throw zero('You do not have permissions to create document on this template');
    }
    return template;
  };
  const demandDocument = (userId: number, params: Fields): MadeDocument => {
    if (params['id'] === undefined) {
      throw new RestError(400, '100', 'Bitrix\\DocumentGenerator\\Document constructor must be is public');
    }
    demandRight(world, userId, 'view');
    const document = generator.documents.get(int(params['id']));
    if (document === undefined) throw zero('Document not found');
    demandEntity(userId, { entityTypeId: document.entityTypeId, entityId: document.entityId });
    return document;
  };
  const methods: Methods = {
    [`${DOCUMENT}.add`]: {
      scope,
      run: ({ params, grant: { userId }, token }) => {
        demandRight(world, userId, 'create');
        const template = demandTemplate(userId, params['templateId']);
        const made = makeDocument(world, {
          template,
          ...demandEntity(userId, params),
          values: ownValues(params),
          stampsEnabled: isOn(params['stampsEnabled'], false),
          userId,
        });
        return { result: { document: shown(world, made, token) } };
      },
    },
    [`${DOCUMENT}.get`]: {
      scope,
      run: ({ params, grant, token }) => ({
        result: { document: shown(world, demandDocument(grant.userId, params), token) },
      }),
    },
    [`${DOCUMENT}.list`]: {
      scope,
      run: ({ params, grant: { userId }, token }) => {
        demandRight(world, userId, 'view');
        const { filter, order, select, start } = listParams(params);
        const name = (key: string): string | undefined => (NAMES.has(key) ? key : undefined);
        const rows = [...generator.documents.values()]
          .filter((one) => mayRead(world, userId, one.entityTypeId, one.entityId))
          .map((one) => shown(world, one, token, true))
          .filter((row) => matches(row, filter, name));
        const ordered = sorted(rows, order, name).map((row) => chosen(row, select));
        return page(ordered, start, (documents) => ({ documents }));
      },
    },
    [`${DOCUMENT}.update`]: {
      scope,
      run: ({ params, grant: { userId }, token }) => {
        const document = demandDocument(userId, params);
        demandRight(world, userId, 'create');
        const template = demandTemplate(userId, document.templateId);
        // The number stays, and so does the title unless one is given.
        const { DocumentNumber: _number, ...values } = ownValues(params);
        document.stampsEnabled = isOn(params['stampsEnabled'], true);
        document.title = text(values['DocumentTitle']) || document.title;
        document.values = { ...document.values, ...values, stampsEnabled: document.stampsEnabled };
        document.updatedBy = userId;
        refill(world, document, template);
        return { result: { document: shown(world, document, token) } };
      },
    },
    [`${DOCUMENT}.delete`]: {
      scope,
      run: ({ params, grant }) => {
        const { id } = demandDocument(grant.userId, params);
        demandRight(world, grant.userId, 'create');
        generator.documents.delete(id);
        return { result: null };
      },
    },
    [`${DOCUMENT}.getfields`]: {
      scope,
      run: ({ params, grant }) => {
        const { entityTypeId, entityId, values } = demandDocument(grant.userId, params);
        const present: Fields = { ...presentValues(world, entityTypeId, entityId), ...values };
        const fields = Object.entries(present).map(([key, value]) => [key, { title: key, value }]);
        return { result: { documentFields: Object.fromEntries(fields) } };
      },
    },
    [`${DOCUMENT}.enablepublicurl`]: {
      scope,
      run: ({ params, grant }) => {
        const document = demandDocument(grant.userId, params);
        document.public = isOn(params['status'], true);
        return {
          result: { publicUrl: document.public ? `${world.url}/pub/document/${document.id}/` : null },
        };
      },
    },
    [`${DOCUMENT}.upload`]: {
      scope,
      run: ({ params, grant: { userId }, token }) => {
        demandRight(world, userId, 'create');
        const given = isObject(params['fields']) ? params['fields'] : {};
        for (const key of ['entityTypeId', 'entityId', 'fileContent', 'region', 'title', 'number']) {
          if (text(given[key]) === '') throw missing(key);
        }
        const region = text(given['region']);
        const hidden =
          [...generator.templates.values()].find((one) => one.code === `rest_${region}`) ??
          generator.templates.get(addTemplate(world, { name: 'REST', region }));
        if (hidden === undefined) throw zero('Template not found');
        Object.assign(hidden, {
          code: `rest_${region}`,
          bytes: Buffer.from(text(given['fileContent']), 'base64'),
        });
        const made = makeDocument(world, {
          template: hidden,
          ...demandEntity(userId, given),
          values: { DocumentTitle: given['title'], DocumentNumber: given['number'] },
          stampsEnabled: false,
          userId,
        });
        return { result: { document: shown(world, made, token) } };
      },
    },
  };
  return methods;
}
