import { chosen, listParams, matches, page, sorted } from './rows.ts';
import type { Fields } from './types.ts';
import { int, isObject, isoTime, type Methods, missing, RestError, text, upperKeys } from './wire.ts';
import { nextId, type World } from './world.ts';

const KNOWN = new Set(
  'TITLE RESPONSIBLE_ID CREATED_BY DESCRIPTION DEADLINE ACCOMPLICES AUDITORS GROUP_ID UF_CRM_TASK UF_TASK_WEBDAV_FILES STATUS PRIORITY ALLOW_CHANGE_DEADLINE TAGS PARENT_ID XML_ID'.split(
    ' ',
  ),
);

const camel = (name: string): string =>
  name.toLowerCase().replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());

const snake = (name: string): string =>
  /^[A-Z_0-9]+$/.test(name) ? name : name.replace(/([A-Z])/g, '_$1').toUpperCase();

const camelRow = (task: Fields): Fields =>
  Object.fromEntries(
    Object.entries(task).map(([key, value]) => [
      camel(key),
      typeof value === 'number' ? String(value) : value,
    ]),
  );

const pick = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(upperKeys(fields)).filter(([key]) => KNOWN.has(key)));

export function taskMethods(world: World): Methods {
  const find = (params: Fields): Fields => {
    const id = params['taskId'] ?? params['id'];
    if (id === undefined) throw missing('taskId');
    const task = world.tasks.get(int(id));
    if (task === undefined) throw new RestError(400, 'ERROR_CORE', 'Задача не найдена<br>');
    return task;
  };
  const demandUser = (fields: Fields, required: boolean): void => {
    if (!required && fields['RESPONSIBLE_ID'] === undefined) return;
    if (!world.users.has(int(fields['RESPONSIBLE_ID']))) {
      throw new RestError(400, 'ERROR_CORE', 'Не указан исполнитель<br>');
    }
  };
  return {
    'tasks.task.add': {
      scope: ['task'],
      run: ({ params, grant }) => {
        if (!isObject(params['fields'])) throw missing('fields');
        const fields = pick(params['fields']);
        if (text(fields['TITLE']).trim() === '') {
          throw new RestError(400, 'ERROR_CORE', 'Не указано название задачи<br>');
        }
        demandUser(fields, true);
        const id = nextId(world, 'task', 31);
        const task: Fields = {
          CREATED_BY: grant.userId,
          STATUS: 2,
          DEADLINE: null,
          DESCRIPTION: '',
          ...fields,
          ID: id,
          CREATED_DATE: isoTime(world.now()),
          CLOSED_DATE: null,
        };
        world.tasks.set(id, task);
        return { result: { task: camelRow(task) } };
      },
    },
    'tasks.task.update': {
      scope: ['task'],
      run: ({ params }) => {
        const task = find(params);
        if (!isObject(params['fields'])) throw missing('fields');
        const fields = pick(params['fields']);
        demandUser(fields, false);
        Object.assign(task, fields);
        return { result: { task: camelRow(task) } };
      },
    },
    'tasks.task.complete': {
      scope: ['task'],
      run: ({ params }) => {
        const task = find(params);
        if (int(task['STATUS']) === 5) throw new RestError(400, 'ERROR_CORE', 'Действие недоступно<br>');
        task['STATUS'] = 5;
        task['CLOSED_DATE'] = isoTime(world.now());
        return { result: { task: camelRow(task) } };
      },
    },
    'tasks.task.renew': {
      scope: ['task'],
      run: ({ params }) => {
        const task = find(params);
        if (int(task['STATUS']) !== 5) throw new RestError(400, 'ERROR_CORE', 'Действие недоступно<br>');
        task['STATUS'] = 2;
        task['CLOSED_DATE'] = null;
        return { result: { task: camelRow(task) } };
      },
    },
    'task.commentitem.add': {
      scope: ['task'],
      run: ({ params, grant }) => {
        const task = find(params);
        if (!isObject(params['fields'])) throw missing('fields');
        const message = text(params['fields']['POST_MESSAGE']);
        if (message.trim() === '') throw new RestError(400, 'ERROR_CORE', 'Пустой комментарий<br>');
        const comments = world.taskComments.get(int(task['ID'])) ?? [];
        world.taskComments.set(int(task['ID']), [...comments, { authorId: grant.userId, message }]);
        return { result: nextId(world, 'taskComment', 91) };
      },
    },
    'tasks.task.get': {
      scope: ['task'],
      run: ({ params }) => ({ result: { task: camelRow(find(params)) } }),
    },
    'tasks.task.list': {
      scope: ['task'],
      run: ({ params }) => {
        const { filter, order, select, start } = listParams(params);
        const rows = [...world.tasks.values()].filter((task) => matches(task, filter, snake));
        const wanted = isObject(select) ? Object.values(select).map((key) => snake(text(key))) : [];
        const shown = sorted(rows, order ?? { ID: 'ASC' }, snake).map((task) => {
          const all =
            wanted.length === 0 ? Object.keys(task).filter((key) => !key.startsWith('UF_')) : wanted;
          return camelRow(chosen(task, wanted.includes('*') ? [] : all));
        });
        return page(shown, start, (tasks) => ({ tasks }));
      },
    },
  };
}
