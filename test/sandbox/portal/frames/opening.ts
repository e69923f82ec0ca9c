import { deliver } from '../delivery.ts';
import { itemsOf } from '../entities.ts';
import { tabOf } from '../placement-methods.ts';
import { mayRead } from '../rights.ts';
import { issueTokens, type Pair } from '../tokens.ts';
import type { Fields } from '../types.ts';
import { domainOf, hex, isAdmin, type World } from '../world.ts';
import { DIALOG, dialogOptions } from './robot-dialog.ts';

/** Which page of the application a person opens in the portal. */
export type Page =
  | { page: 'tab'; entityTypeId: number; id: number; handler?: string }
  | { page: 'robot'; activityName: string }
  | { page: 'application'; options?: Fields };

export interface Visit {
  userId?: number;
  /** Language of the user. */
  lang?: string;
  /** What the user's browser makes of the post: other values, or null for a field that is left out. */
  change?: Record<string, string | null>;
}

export type Request = Page & Visit;

/** One rendering of a page: its own APP_SID and its own pair of tokens. */
export interface Rendering {
  sid: string;
  request: Request;
  userId: number;
  placement: string;
  options: string;
  url: string;
  form: Record<string, string>;
  pair: Pair;
}

export interface Refusal {
  refused: string;
}

const json = (value: unknown): string => JSON.stringify(value).replaceAll('/', '\\/');

/** Where the page stands (nowhere: the portal draws a robot's fields itself) and what it is told; or why the portal shows words of its own. */
function target(world: World, request: Request, userId: number): Refusal | [string, string, string] {
  if (!world.app.present) return { refused: 'Приложение не установлено' };
  if (world.noApp.has(userId) && !isAdmin(world, userId)) return { refused: 'Нет доступа к приложению' };
  if (!world.app.installed) {
    // Before installFinish every page is the installer's, for those who may install.
    if (!isAdmin(world, userId)) return { refused: 'Приложение ещё не установлено' };
    return [world.app.address, 'DEFAULT', '{"any":"1\\/"}'];
  }
  if (request.page === 'application') {
    return [world.app.mainUrl || world.app.address, 'DEFAULT', json(request.options ?? { any: '1/' })];
  }
  if (request.page === 'tab') {
    const { entityTypeId, id } = request;
    const placement = tabOf(entityTypeId);
    const bound = world.placements.filter((one) => one.placement === placement);
    const tab = bound.find(({ handler }) => request.handler === undefined || handler === request.handler);
    if (tab === undefined) return { refused: 'У карточки нет вкладки приложения' };
    const user = world.users.get(userId);
    if (user?.['USER_TYPE'] !== 'employee' && !isAdmin(world, userId))
      return { refused: 'CRM закрыта для гостей' };
    if (!itemsOf(world, entityTypeId).has(id)) return { refused: 'Элемент не найден' };
    if (!mayRead(world, userId, entityTypeId, id)) return { refused: 'Доступ запрещен' };
    const card = entityTypeId === 2 ? `/crm/deal/details/${id}/` : `/crm/type/${entityTypeId}/details/${id}/`;
    return [tab.handler, placement, json({ ID: String(id), URI: `${card}?IFRAME=Y` })];
  }
  const robot = world.placed.find(({ activityName }) => activityName === request.activityName);
  const registration = robot === undefined ? undefined : world.robots.get(robot.code);
  if (robot === undefined || registration === undefined) return { refused: 'Робот недоступен' };
  return [registration.placementHandler, DIALOG, json(dialogOptions(world, robot, registration))];
}

/** Draws a page anew: address, form and tokens as a browser would get them (bitrix24.md A2). */
export function render(world: World, request: Request): Rendering | Refusal {
  const userId = request.userId ?? 1;
  const found = target(world, request, userId);
  if (!Array.isArray(found)) return found;
  const [handler, placement, options] = found;
  const pair = issueTokens(world, userId);
  const sid = hex(16);
  const changed = (fields: Record<string, string>): [string, string][] =>
    Object.entries(fields).flatMap(([name, value]): [string, string][] => {
      const other = request.change?.[name];
      return other === null ? [] : [[name, other ?? value]];
    });
  const query = {
    DOMAIN: domainOf(world),
    PROTOCOL: world.url.startsWith('https') ? '1' : '0',
    LANG: request.lang ?? world.language,
    APP_SID: sid,
  };
  const url = handler === '' ? undefined : new URL(handler);
  for (const [name, value] of changed(query)) url?.searchParams.set(name, value);
  const form = {
    AUTH_ID: pair.accessToken,
    AUTH_EXPIRES: '3600',
    REFRESH_ID: pair.refreshToken,
    member_id: world.memberId,
    status: 'L',
    PLACEMENT: placement,
    PLACEMENT_OPTIONS: options,
    SERVER_ENDPOINT: `${world.oauthUrl}/rest/`,
    APPLICATION_TOKEN: world.applicationToken,
    APPLICATION_SCOPE: [...world.scopes].join(','),
  };
  const rendering = {
    sid,
    request,
    userId,
    placement,
    options,
    url: url?.href ?? '',
    form: Object.fromEntries(changed(form)),
    pair,
  };
  world.renderings.set(sid, rendering);
  return rendering;
}

export type Opened = (Rendering & { status: number; html: string; headers: Headers }) | Refusal;

/** Opens a page without a browser: posts what one would post. */
export async function open(world: World, request: Request): Promise<Opened> {
  const drawn = render(world, request);
  if ('refused' in drawn) return drawn;
  if (drawn.url === '') return { refused: 'У робота нет своей страницы настроек' };
  const answer = await deliver(world, 'page', drawn.url, drawn.form, {
    'user-agent': 'Mozilla/5.0',
    origin: world.url,
    referer: `${world.url}/`,
    accept: 'text/html',
  });
  return { ...drawn, ...answer };
}
