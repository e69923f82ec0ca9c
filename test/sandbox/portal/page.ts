import type { Express } from 'express';
import { moveItem, stepsOf } from './automation.ts';
import { itemsOf, stagesOf } from './entities.ts';
import { clickActivity } from './life.ts';
import { tabOf, titleOf } from './placement-methods.ts';
import type { Activity, Fields } from './types.ts';
import { fieldsOf } from './user-fields.ts';
import { int, isObject, text } from './wire.ts';
import type { World } from './world.ts';

export const escaped = (value: unknown): string =>
  text(value).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

const linked = (value: unknown): string =>
  escaped(value).replace(/https?:\/\/[^\s<&]+(?:&#38;[^\s<&]+)*/g, (url) => `<a href="${url}">${url}</a>`);

export const layout = (title: string, body: string): string => `<!DOCTYPE html>
<html lang="ru"><head><meta charset="utf-8"><title>${escaped(title)}</title><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.3rem .5rem;text-align:left;vertical-align:top}
button{margin:.2rem;padding:.4rem .8rem;border:1px solid #aac;border-radius:1rem;background:#eef;cursor:pointer}
button.here{background:#2a7;color:#fff}.muted{color:#777}</style></head><body>
<p class="muted">Учебный портал Битрикс24 · <a href="/">сделки</a></p><h1>${escaped(title)}</h1>${body}</body></html>`;

const table = (rows: readonly (readonly string[])[]): string =>
  `<table>${rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')}</table>`;

const STATUS: Record<string, string> = {
  pending: 'ждёт предыдущего',
  waiting: 'ждёт ответа',
  closed: 'выполнен',
  terminated: 'остановлен',
  failed: 'ошибка',
};

/** Pages of the application at this item: its tabs, and the settings of robots on its stage. */
function pagesOf(world: World, type: number, id: number, stage: string): string {
  const tabs = world.placements.filter(({ placement }) => placement === tabOf(type));
  const links = tabs.map((one) => [
    `/frames/tab?entityTypeId=${type}&id=${id}&handler=${encodeURIComponent(one.handler)}`,
    titleOf(world, one, world.language),
  ]);
  const robots = [`/frames/stage?entityTypeId=${type}&stage=${encodeURIComponent(stage)}`, 'Роботы стадии'];
  return [...links, robots]
    .map(([url, title]) => `<p><a href="${escaped(url)}">${escaped(title)}</a></p>`)
    .join('');
}

function dealList(world: World): string {
  const rows = [...itemsOf(world, 2).values()].map((item) => {
    const stage = stagesOf(world, 2, int(item['categoryId'])).find((one) => one.id === item['stageId']);
    return [
      `<a href="/crm/deal/details/${text(item['id'])}/">${escaped(item['title']) || 'Без названия'}</a>`,
      `${escaped(item['opportunity'])} ${escaped(item['currencyId'])}`,
      escaped(stage?.name),
    ];
  });
  return layout('Сделки', table(rows));
}

function shownField(
  world: World,
  value: unknown,
  kind: string,
  list: { id: number; value: string }[],
): string {
  if (Array.isArray(value)) return value.map((one) => shownField(world, one, kind, list)).join(', ');
  if (kind === 'enumeration') return escaped(list.find((one) => one.id === Number(value))?.value ?? value);
  if (kind === 'file') return escaped(world.files.get(int(value))?.name);
  return linked(value);
}

/** Title, rows and buttons of a configurable activity, as its layout says. */
function activityText({ id, layout: of }: Activity): string {
  const inner = (value: unknown, ...path: string[]): unknown =>
    path.reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), value);
  const listed = (value: unknown): Fields[] => (isObject(value) ? Object.values(value).filter(isObject) : []);
  const rows = listed(inner(of, 'body', 'blocks')).map(
    (block) =>
      `${escaped(inner(block, 'properties', 'title'))}: ${linked(inner(block, 'properties', 'block', 'properties', 'value'))}`,
  );
  const buttons = Object.entries(
    isObject(inner(of, 'footer', 'buttons')) ? (inner(of, 'footer', 'buttons') as Fields) : {},
  ).map(([key, button]) => {
    const uri = text(inner(button, 'action', 'uri'));
    const title = escaped(inner(button, 'title'));
    return uri === ''
      ? `<form method="post" action="/crm/activity/${id}/${escaped(key)}"><button>${title}</button></form>`
      : `<a href="${escaped(uri)}">${title}</a>`;
  });
  return [`<b>${escaped(inner(of, 'header', 'title'))}</b>`, ...rows, ...buttons].join('<br>');
}

function itemPage(world: World, entityTypeId: number, id: number, item: Fields): string {
  const action = `/crm/type/${entityTypeId}/details/${id}/stage`;
  const stages = stagesOf(world, entityTypeId, int(item['categoryId']))
    .map(
      ({ id: stage, name }) =>
        `<button name="stage" value="${escaped(stage)}"${stage === item['stageId'] ? ' class="here"' : ''}>${escaped(name)}</button>`,
    )
    .join('');
  const company = itemsOf(world, 4).get(int(item['companyId']));
  const fields = [
    ['Сумма', `${escaped(item['opportunity'])} ${escaped(item['currencyId'])}`],
    ['Компания', escaped(company?.['title'])],
    ['Ответственный', escaped(world.users.get(int(item['assignedById']))?.['LAST_NAME'])],
    ...fieldsOf(world, entityTypeId).map((field) => [
      escaped((field.raw['editFormLabel'] as Fields | undefined)?.['ru'] ?? field.fieldName),
      shownField(world, item[field.fieldName], field.userTypeId, field.list),
    ]),
  ];
  const robots = [...world.workflows.values()]
    .filter((one) => one.entityTypeId === entityTypeId && one.itemId === id)
    .flatMap((workflow) =>
      stepsOf(workflow).map((step) => [
        escaped(step.code),
        escaped(workflow.stage),
        STATUS[step.status] ?? step.status,
        Object.entries(step.outputs)
          .filter(([, value]) => text(value) !== '')
          .map(([key, value]) => `${escaped(key)}: ${linked(value)}`)
          .join('<br>'),
      ]),
    );
  const timeline = (world.timeline.get(`${entityTypeId}:${id}`) ?? []).map((one) => [
    `${one.title === '' ? '' : `<b>${escaped(one.title)}</b><br>`}${linked(one.comment)}`,
  ]);
  const activities = world.activities
    .filter((one) => one.ownerTypeId === entityTypeId && one.ownerId === id)
    .map((one) => [activityText(one)]);
  const tasks = [...world.tasks.values()]
    .filter((one) => JSON.stringify(one['UF_CRM_TASK'] ?? '').includes(`D_${id}"`) && entityTypeId === 2)
    .map((one) => [
      escaped(one['TITLE']),
      escaped(world.users.get(int(one['RESPONSIBLE_ID']))?.['LAST_NAME']),
      escaped(one['DEADLINE']),
      int(one['STATUS']) === 5 ? 'завершена' : 'в работе',
    ]);
  const triggers = world.triggerRuns
    .filter((one) => one.entityTypeId === entityTypeId && one.id === id)
    .map((one) => [escaped(one.code), one.at.toISOString()]);
  // A notice belongs to the item whose page it links to.
  const notices = world.notices
    .filter(({ message }) => message.includes(`/details/${id}/`))
    .map(({ userId, message }) => [
      escaped(world.users.get(userId)?.['LAST_NAME']),
      linked(message).replaceAll('\n', '<br>'),
    ]);
  const section = (title: string, rows: string[][]): string =>
    rows.length === 0 ? '' : `<h2>${title}</h2>${table(rows)}`;
  return layout(
    text(item['title']) || `№ ${id}`,
    `<form method="post" action="${action}">${stages}</form>${pagesOf(world, entityTypeId, id, text(item['stageId']))}${section('Поля', fields as string[][])}${section('Роботы', robots)}${section('Дела', activities)}${section('Лента', timeline)}${section('Задачи', tasks)}${section('Триггеры', triggers)}${section('Уведомления', notices)}`,
  );
}

/** Pages for a person: the list of deals, a deal with its stages, robots and timeline. */
export function addPages(app: Express, world: World): void {
  app.get('/', (_request, response) => void response.send(dealList(world)));
  app.get(['/crm/deal/details/:id', '/crm/type/:type/details/:id'], (request, response) => {
    const type = int(request.params['type'] ?? 2);
    const id = int(request.params['id']);
    const item = itemsOf(world, type).get(id);
    if (item === undefined) response.status(404).send(layout('Не найдено', ''));
    else response.send(itemPage(world, type, id, item));
  });
  app.post('/crm/activity/:id/:button', async (request, response) => {
    const activity = world.activities.find(({ id }) => id === int(request.params['id']));
    if (activity === undefined) return void response.status(404).send(layout('Не найдено', ''));
    await clickActivity(world, activity.id, text(request.params['button']));
    response.redirect(303, `/crm/type/${activity.ownerTypeId}/details/${activity.ownerId}/`);
  });
  app.post('/crm/type/:type/details/:id/stage', (request, response) => {
    const type = int(request.params['type']);
    const id = int(request.params['id']);
    const stage = text(isObject(request.body) ? request.body['stage'] : '');
    if (stage !== '' && itemsOf(world, type).has(id)) moveItem(world, type, id, stage);
    response.redirect(303, type === 2 ? `/crm/deal/details/${id}/` : `/crm/type/${type}/details/${id}/`);
  });
}
