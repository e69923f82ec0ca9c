import { readFileSync } from 'node:fs';
import type { Request as Asked, Express, Response } from 'express';
import { finishInstall } from '../life.ts';
import { escaped, layout } from '../page.ts';
import { ACCESS_SECONDS, rotate } from '../tokens.ts';
import type { Fields, PlacedRobot } from '../types.ts';
import { asList, int, isObject, text } from '../wire.ts';
import { domainOf, isAdmin, type World } from '../world.ts';
import { type Page, type Rendering, type Request, render, type Visit } from './opening.ts';
import { type DialogInput, saveDialog } from './robot-dialog.ts';

const SCRIPT = readFileSync(new URL('./host.js', import.meta.url), 'utf8');

const safe = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');

const record = (value: unknown): Fields => {
  try {
    const parsed: unknown = JSON.parse(text(value) || '{}');
    return isObject(parsed) ? parsed : {};
  } catch {
    return {};
  }
};

/** The address of the portal's page for a person's browser. */
export function addressOf(world: World, { change, ...request }: Request): string {
  const url = new URL(`/frames/${request.page}`, world.url);
  for (const [name, value] of Object.entries(request)) {
    if (name !== 'page') url.searchParams.set(name, isObject(value) ? JSON.stringify(value) : text(value));
  }
  if (change !== undefined) url.searchParams.set('change', JSON.stringify(change));
  return url.href;
}

function requestOf(asked: Asked): Request | undefined {
  const given = asked.query;
  const visit: Visit = {
    ...(given['userId'] === undefined ? {} : { userId: int(given['userId']) }),
    ...(given['lang'] === undefined ? {} : { lang: text(given['lang']) }),
    change: record(given['change']) as Record<string, string | null>,
  };
  const pages: Record<string, Page> = {
    tab: {
      page: 'tab',
      entityTypeId: int(given['entityTypeId'] ?? 2),
      id: int(given['id']),
      ...(given['handler'] === undefined ? {} : { handler: text(given['handler']) }),
    },
    robot: { page: 'robot', activityName: text(given['activityName']) },
    application: {
      page: 'application',
      ...(given['options'] === undefined ? {} : { options: record(given['options']) }),
    },
  };
  const page = pages[text(asked.params['page'])];
  return page === undefined ? undefined : { ...page, ...visit };
}

/** What the page learns by getInitData. */
function initData(world: World, drawn: Rendering): Fields {
  const { pair, userId } = drawn;
  return {
    LANG: drawn.request.lang ?? world.language,
    DOMAIN: domainOf(world),
    PROTOCOL: world.url.startsWith('https') ? 1 : 0,
    PATH: '/rest',
    AUTH_ID: pair.accessToken,
    AUTH_EXPIRES: String(ACCESS_SECONDS),
    REFRESH_ID: pair.refreshToken,
    MEMBER_ID: world.memberId,
    FIRST_RUN: false,
    IS_ADMIN: isAdmin(world, userId),
    INSTALL: !world.app.installed,
    USER_OPTIONS: world.userOptions.get(userId) ?? {},
    APP_OPTIONS: world.appOptions,
    PLACEMENT: drawn.placement,
    PLACEMENT_OPTIONS: drawn.options,
  };
}

const robotOf = (world: World, request: Request): PlacedRobot | undefined =>
  world.placed.find((one) => request.page === 'robot' && one.activityName === request.activityName);

/** The dialog's own form: hidden inputs of all present values, or the portal's own fields, and Save. */
function dialog(world: World, robot: PlacedRobot, isNative: boolean): string {
  const codes = Object.keys(world.robots.get(robot.code)?.properties ?? {});
  const inputs = codes.flatMap((code) => {
    const value = robot.properties[code];
    const name = `property_${code.toLowerCase()}${isObject(value) ? '[]' : ''}`;
    const values = isNative && asList(value).length === 0 ? [''] : asList(value);
    return values.map((one) =>
      isNative
        ? `<label>${escaped(code)} <input name="${name}" value="${escaped(one)}"></label><br>`
        : `<input type="hidden" name="${name}" value="${escaped(one)}">`,
    );
  });
  return `<form id="dialog">${inputs.join('')}<button id="dialog-save">Сохранить</button><p id="dialog-state"></p></form>`;
}

const STYLE = `<style>.slider{position:fixed;inset:2rem;background:#fff;border:1px solid #aaa}
.slider iframe{width:100%;height:90%}</style>`;

/** A page of the portal with the application's page in a frame that a hidden form fills. */
function hostPage(world: World, drawn: Rendering, isSlider: boolean): string {
  const { request, form } = drawn;
  const isNative = drawn.url === '';
  const name = escaped(`${domainOf(world)}|${world.url.startsWith('https') ? 1 : 0}|${drawn.sid}`);
  const robot = robotOf(world, request);
  const config = {
    sid: drawn.sid,
    page: request.page,
    slider: isSlider,
    origin: isNative ? '' : new URL(drawn.url).origin,
    application: world.clientId,
    applicationPage: `${addressOf(world, { page: 'application', userId: drawn.userId })}&slider=1`,
    codes: Object.keys(world.robots.get(robot?.code ?? '')?.properties ?? {}),
    init: initData(world, drawn),
  };
  const fields = Object.entries(form).map(
    ([key, value]) => `<input type="hidden" name="${key}" value="${escaped(value)}">`,
  );
  const height = request.page === 'robot' ? 350 : 600;
  const frame = `<iframe id="frame" name="${name}" style="width:100%;height:${height}px;border:0;background:#fff" allow="geolocation *; microphone *; camera *; autoplay *"></iframe>
<form id="opening" method="post" action="${escaped(drawn.url)}" target="${name}" hidden>${fields.join('')}</form>`;
  const title = { tab: 'Карточка', robot: 'Роботы стадии', application: 'Приложение' }[request.page];
  return layout(
    robot === undefined ? title : `${title} ${robot.stage}`,
    `${STYLE}${isNative ? '' : frame}${robot === undefined ? '' : dialog(world, robot, isNative)}
<script type="application/json" id="frame-config">${safe(config)}</script><script src="/frames/host.js"></script>`,
  );
}

/** Robots of a stage with the way to the dialog of each. */
function stagePage(world: World, entityTypeId: number, stage: string): string {
  const robots = world.placed.filter((one) => one.entityTypeId === entityTypeId && one.stage === stage);
  const rows = robots.map(
    ({ code, activityName }) =>
      `<p><a href="/frames/robot?activityName=${encodeURIComponent(activityName)}">${escaped(code)}</a></p>`,
  );
  return layout(`Роботы стадии ${stage}`, rows.join(''));
}

/** What a rendered page asks the portal's own server for. */
async function serve(world: World, drawn: Rendering, what: string, body: Fields): Promise<Fields> {
  const { frames } = world.misbehave;
  switch (what) {
    case 'message':
      world.frameMessages.push({
        sid: drawn.sid,
        page: drawn.request.page,
        command: text(body['command']),
        params: isObject(body['params']) ? body['params'] : {},
        known: body['known'] === true,
      });
      return { silent: frames.silent };
    case 'refresh': {
      const fresh = frames.refreshFails ? undefined : rotate(world, drawn.pair.refreshToken);
      if (fresh === undefined) return { error: 'Не удалось обновить авторизацию' };
      drawn.pair = fresh.pair;
      return {
        AUTH_ID: fresh.pair.accessToken,
        AUTH_EXPIRES: String(ACCESS_SECONDS),
        REFRESH_ID: fresh.pair.refreshToken,
      };
    }
    case 'save': {
      const robot = robotOf(world, drawn.request);
      const registration = world.robots.get(robot?.code ?? '');
      if (robot === undefined || registration === undefined) return { error: 'Робот недоступен' };
      const error = saveDialog(robot, registration, asList(body['inputs']) as DialogInput[]);
      return error === undefined ? {} : { error };
    }
    case 'install-finish':
      if (!isAdmin(world, drawn.userId)) return { finished: false };
      await finishInstall(world);
      return { finished: true };
    case 'app-option':
      if (!isAdmin(world, drawn.userId)) return {};
      world.appOptions[text(body['name'])] = body['value'];
      return { options: world.appOptions };
    case 'user-option': {
      const options = { ...world.userOptions.get(drawn.userId), [text(body['name'])]: body['value'] };
      world.userOptions.set(drawn.userId, options);
      return { options };
    }
    default:
      return { error: 'unknown' };
  }
}

/** Pages of the portal that hold pages of the application. */
export function addFrames(app: Express, world: World): void {
  app.get('/frames/host.js', (_asked, response) => void response.type('js').send(SCRIPT));
  app.get('/frames/stage', (asked, response) => {
    response.send(stagePage(world, int(asked.query['entityTypeId'] ?? 2), text(asked.query['stage'])));
  });
  app.get('/frames/:page', (asked: Asked, response: Response) => {
    const request = requestOf(asked);
    if (request === undefined) return void response.status(404).send(layout('Не найдено', ''));
    const drawn = render(world, request);
    if (!('refused' in drawn)) {
      return void response.send(hostPage(world, drawn, asked.query['slider'] === '1'));
    }
    response.status(403).send(layout(drawn.refused, ''));
  });
  app.post('/frames/:sid/:what', async (asked, response) => {
    const drawn = world.renderings.get(text(asked.params['sid']));
    if (drawn === undefined) return void response.status(404).json({ error: 'unknown' });
    response.json(
      await serve(world, drawn, text(asked.params['what']), record(JSON.stringify(asked.body ?? {}))),
    );
  });
}
