import { moveItem } from './automation.ts';
import { itemsOf, stageOrder, timelineType } from './entities.ts';
import { legacyList } from './rows.ts';
import type { Activity, Fields, TimelineEntry } from './types.ts';
import {
  asList,
  int,
  isObject,
  legacyError,
  type Methods,
  missing,
  RestError,
  text,
  upperKeys,
} from './wire.ts';
import { nextId, type World } from './world.ts';

export function addToTimeline(
  world: World,
  entityTypeId: number,
  id: number,
  entry: Omit<TimelineEntry, 'id'>,
): number {
  const key = `${entityTypeId}:${id}`;
  const made = { id: nextId(world, 'timeline', 501), ...entry };
  world.timeline.set(key, [...(world.timeline.get(key) ?? []), made]);
  return made.id;
}

const refuse = (code: string, words: string): RestError => new RestError(400, code, words);

const LAYOUT_KEYS = new Set(['icon', 'header', 'body', 'footer']);
const ACTIONS = new Set(['redirect', 'restEvent', 'openRestApp']);

function checkLayout(layout: unknown): Fields {
  if (!isObject(layout) || Object.keys(layout).length === 0)
    throw refuse('ERROR_EMPTY_LAYOUT', 'Empty layout');
  if (!isObject(layout['icon'])) throw refuse('FIELD_IS_REQUIRED', 'layout.icon is required');
  if (!isObject(layout['header'])) throw refuse('FIELD_IS_REQUIRED', 'layout.header is required');
  const body = layout['body'];
  if (!isObject(body) || !isObject(body['logo']))
    throw refuse('FIELD_IS_REQUIRED', 'layout.body.logo is required');
  const blocks = isObject(body['blocks']) ? Object.entries(body['blocks']) : [];
  if (blocks.length === 0) throw refuse('FIELD_IS_REQUIRED', 'layout.body.blocks is required');
  if (blocks.length > 20) throw refuse('TOO_MANY_ITEMS', 'Too many blocks');
  const footer = layout['footer'];
  const buttons = isObject(footer) && isObject(footer['buttons']) ? Object.entries(footer['buttons']) : [];
  if (buttons.length > 2) throw refuse('TOO_MANY_ITEMS', 'Too many buttons');
  for (const name of Object.keys(layout)) {
    if (!LAYOUT_KEYS.has(name)) throw refuse('FIELD_IS_REDUNDANT', `layout.${name} is redundant`);
  }
  for (const [key, button] of buttons) {
    const action = isObject(button) ? button['action'] : undefined;
    if (!isObject(button) || text(button['title']) === '' || !isObject(action))
      throw refuse('FIELD_IS_REQUIRED', `buttons.${key} needs a title and an action`);
    if (!ACTIONS.has(text(action['type']))) throw refuse('ENUM_FIELD', `Unknown action of ${key}`);
    if (action['type'] === 'redirect' && text(action['uri']) === '')
      throw refuse('FIELD_IS_REQUIRED', 'action.uri is required');
    if (action['type'] === 'restEvent' && text(action['id']) === '')
      throw refuse('FIELD_IS_REQUIRED', 'action.id is required');
  }
  for (const [key] of [...blocks, ...buttons]) {
    if (!/^[A-Za-z0-9_]+$/.test(key))
      throw refuse('KEY_CONTAIN_WRONG_SYMBOLS', `Wrong symbols in key ${key}`);
  }
  return layout;
}

function checkFields(fields: unknown): Fields {
  const given = isObject(fields) ? fields : {};
  if (text(given['isIncomingChannel']) === 'Y' && text(given['deadline']) !== '') {
    throw refuse('INCOMING_ACTIVITY_CAN_NOT_BE_WITH_DEADLINE', 'Incoming activity can not be with deadline');
  }
  return given;
}

const wrongContext = (context: string): void => {
  if (context !== 'app') throw refuse('ERROR_WRONG_CONTEXT', 'Application context required');
};

const shown = (one: Activity): Fields => ({
  id: one.id,
  ownerTypeId: one.ownerTypeId,
  ownerId: one.ownerId,
  fields: one.fields,
  layout: one.layout,
});

const activityRow = (one: Activity): Fields => ({
  ID: String(one.id),
  OWNER_ID: String(one.ownerId),
  OWNER_TYPE_ID: String(one.ownerTypeId),
  PROVIDER_ID: 'CONFIGURABLE_REST_APP',
  COMPLETED: text(one.fields['completed']) === 'Y' || one.fields['completed'] === true ? 'Y' : 'N',
  ORIGINATOR_ID: text(one.fields['originatorId']),
  ORIGIN_ID: text(one.fields['originId']),
});

/** Comments, log messages, configurable activities and application triggers. */
export function timelineMethods(world: World): Methods {
  const activity = (id: unknown): Activity => {
    const found = world.activities.find((one) => one.id === int(id));
    if (found === undefined) throw refuse('NOT_FOUND', 'Дело не найдено');
    return found;
  };
  const trigger = { scope: ['crm'], app: true, admin: true } as const;
  return {
    'crm.timeline.comment.add': {
      scope: ['crm'],
      run: ({ params, grant }) => {
        const fields = params['fields'];
        if (!isObject(fields)) throw missing('fields');
        const type = timelineType(text(fields['ENTITY_TYPE']));
        if (type === undefined || !itemsOf(world, type).has(int(fields['ENTITY_ID']))) {
          throw legacyError('Entity not found.');
        }
        const files = asList(fields['FILES']).map((one) => text(asList(one)[0]));
        if (text(fields['COMMENT']) === '' && files.length === 0) throw legacyError('Empty comment message');
        const id = addToTimeline(world, type, int(fields['ENTITY_ID']), {
          kind: 'comment',
          comment: text(fields['COMMENT']),
          title: '',
          authorId: int(fields['AUTHOR_ID']) || grant.userId,
          files,
        });
        return { result: id };
      },
    },
    'crm.timeline.logmessage.add': {
      scope: ['crm'],
      run: ({ params, grant }) => {
        const fields = params['fields'];
        if (!isObject(fields)) throw missing('fields');
        const type = int(fields['entityTypeId']);
        for (const name of ['title', 'text']) if (text(fields[name]) === '') throw missing(name);
        if (!itemsOf(world, type).has(int(fields['entityId'])))
          throw refuse('NOT_FOUND', 'Элемент не найден');
        const title = text(fields['title']);
        const id = addToTimeline(world, type, int(fields['entityId']), {
          kind: 'log',
          comment: text(fields['text']),
          title,
          authorId: grant.userId,
          files: [],
        });
        return {
          result: { logMessage: { id, title, text: text(fields['text']), iconCode: fields['iconCode'] } },
        };
      },
    },
    'crm.activity.configurable.add': {
      scope: ['crm'],
      run: ({ params, grant }) => {
        for (const name of ['ownerTypeId', 'ownerId', 'fields', 'layout']) {
          if (params[name] === undefined) throw missing(name);
        }
        wrongContext(grant.context);
        const [ownerTypeId, ownerId] = [int(params['ownerTypeId']), int(params['ownerId'])];
        if (!itemsOf(world, ownerTypeId).has(ownerId)) throw refuse('NOT_FOUND', 'Элемент не найден');
        const made: Activity = {
          id: nextId(world, 'crmActivity', 701),
          ownerTypeId,
          ownerId,
          fields: checkFields(params['fields']),
          layout: checkLayout(params['layout']),
          updates: 0,
          application: world.clientId,
        };
        world.activities.push(made);
        return { result: { activity: shown(made) } };
      },
    },
    'crm.activity.configurable.update': {
      scope: ['crm'],
      run: ({ params, grant }) => {
        if (params['id'] === undefined) throw missing('id');
        wrongContext(grant.context);
        const found = activity(params['id']);
        if (found.application !== world.clientId) {
          throw refuse('ERROR_WRONG_APPLICATION', 'The activity was created by another application');
        }
        if (params['fields'] !== undefined)
          found.fields = { ...found.fields, ...checkFields(params['fields']) };
        if (params['layout'] !== undefined) found.layout = checkLayout(params['layout']);
        found.updates++;
        return { result: { activity: shown(found) } };
      },
    },
    'crm.activity.configurable.get': {
      scope: ['crm'],
      run: ({ params, grant }) => {
        if (params['id'] === undefined) throw missing('id');
        wrongContext(grant.context);
        return { result: { activity: shown(activity(params['id'])) } };
      },
    },
    'crm.activity.list': {
      scope: ['crm'],
      run: ({ params }) => legacyList(world.activities.map(activityRow), params),
    },
    'crm.automation.trigger.add': {
      ...trigger,
      run: ({ params }) => {
        const given = upperKeys(params);
        if (!/^[a-z0-9.\-_]+$/i.test(text(given['CODE']))) throw legacyError('Wrong trigger code!');
        if (typeof given['NAME'] !== 'string' || given['NAME'] === '')
          throw legacyError('Empty trigger name!');
        world.triggers.set(text(given['CODE']), given['NAME']);
        return { result: true };
      },
    },
    'crm.automation.trigger.list': {
      ...trigger,
      run: () => ({ result: [...world.triggers].map(([CODE, NAME]) => ({ NAME, CODE })) }),
    },
    'crm.automation.trigger.delete': {
      ...trigger,
      run: ({ params }) => {
        if (!world.triggers.delete(text(upperKeys(params)['CODE']))) throw legacyError('Trigger not found');
        return { result: true };
      },
    },
    'crm.automation.trigger.execute': {
      ...trigger,
      run: ({ params }) => {
        const given = upperKeys(params);
        const code = text(given['CODE']);
        const [type, id] = [int(given['OWNER_TYPE_ID']), int(given['OWNER_ID'])];
        if (!world.triggers.has(code)) throw legacyError(`Trigger with code ${code} is not registered.`);
        if (type <= 0) throw legacyError('Incorrect parameter OWNER_TYPE_ID.');
        if (id <= 0) throw legacyError('Incorrect parameter OWNER_ID.');
        world.triggerRuns.push({ code, entityTypeId: type, id, at: world.now() });
        const item = itemsOf(world, type).get(id);
        const here = stageOrder(world, type, text(item?.['stageId']));
        const target = world.placedTriggers.find(
          (one) =>
            one.code === code && one.entityTypeId === type && stageOrder(world, type, one.stage) > here,
        );
        if (item !== undefined && target !== undefined) moveItem(world, type, id, target.stage);
        return { result: true };
      },
    },
  };
}
