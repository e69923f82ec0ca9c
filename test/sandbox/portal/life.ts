import { deliver } from './delivery.ts';
import { authBlock, issueTokens } from './tokens.ts';
import type { Fields } from './types.ts';
import { toForm } from './wire.ts';
import { domainOf, hex, isAdmin, type World } from './world.ts';

const admin = (world: World): number => [...world.users.keys()].find((id) => isAdmin(world, id)) ?? 1;

/** A second installation over a living one keeps the row and its application_token. */
function ensureRow(world: World, address: string, scriptOnly: boolean): void {
  if (!world.app.present) {
    world.applicationToken = hex(16);
    world.app.version = 1;
    world.app.installed = false;
  }
  Object.assign(world.app, { present: true, address, scriptOnly });
}

const eventForm = (world: World, event: string, data: Fields, auth: Fields): Record<string, string> =>
  toForm({ event, data, ts: Math.floor(world.now().getTime() / 1000), auth });

const installData = (world: World): Fields => ({
  VERSION: world.app.version,
  ACTIVE: 'Y',
  INSTALLED: 'Y',
  LANGUAGE_ID: world.language,
});

const boundTo = (world: World, event: string): string[] =>
  world.events.filter((one) => one.event === event).map((one) => one.handler);

/** Bound handlers, else the form's address of a script-only application. */
const addressesOf = (world: World, event: string): string[] => {
  const bound = boundTo(world, event);
  return bound.length > 0 || !world.app.scriptOnly ? bound : [world.app.address];
};

export async function install(world: World, url: string): Promise<{ status: number }> {
  ensureRow(world, url, true);
  world.app.installed = true;
  const form = eventForm(world, 'ONAPPINSTALL', installData(world), authBlock(world, admin(world), true));
  const { status } = await deliver(world, 'ONAPPINSTALL', url, form);
  return { status };
}

export interface PageOptions {
  withApplicationToken?: boolean;
  withServerEndpoint?: boolean;
  userId?: number;
}

export async function openInstallerPage(
  world: World,
  url: string,
  options: PageOptions = {},
): Promise<{ status: number; html: string }> {
  ensureRow(world, url, false);
  const pair = issueTokens(world, options.userId ?? admin(world));
  const address = new URL(url);
  const query = {
    DOMAIN: domainOf(world),
    PROTOCOL: world.url.startsWith('https') ? '1' : '0',
    LANG: world.language,
    APP_SID: hex(16),
  };
  for (const [key, value] of Object.entries(query)) address.searchParams.set(key, value);
  return deliver(world, 'page', address.href, {
    AUTH_ID: pair.accessToken,
    AUTH_EXPIRES: '3600',
    REFRESH_ID: pair.refreshToken,
    member_id: world.memberId,
    status: 'L',
    PLACEMENT: 'DEFAULT',
    PLACEMENT_OPTIONS: '{"any":"1/"}',
    ...((options.withServerEndpoint ?? true) ? { SERVER_ENDPOINT: `${world.oauthUrl}/rest/` } : {}),
    ...(options.withApplicationToken === true
      ? { APPLICATION_TOKEN: world.applicationToken, APPLICATION_SCOPE: [...world.scopes].join(',') }
      : {}),
  });
}

/** The second call of BX24.installFinish on one installation does nothing. */
export async function finishInstall(world: World): Promise<void> {
  if (world.app.installed) return;
  world.app.installed = true;
  for (const url of boundTo(world, 'ONAPPINSTALL')) {
    const auth = authBlock(world, admin(world), true);
    await deliver(world, 'ONAPPINSTALL', url, eventForm(world, 'ONAPPINSTALL', installData(world), auth));
  }
}

function wipe(world: World): void {
  world.robots.clear();
  world.events = [];
  world.placements = [];
}

export async function uninstall(world: World, clean: boolean): Promise<void> {
  const addresses = world.app.installed ? addressesOf(world, 'ONAPPUNINSTALL') : [];
  wipe(world);
  world.access.clear();
  world.refresh.clear();
  world.app.present = false;
  world.app.installed = false;
  const auth = {
    domain: domainOf(world),
    client_endpoint: `${world.url}/rest/`,
    server_endpoint: `${world.oauthUrl}/rest/`,
    member_id: world.memberId,
    application_token: world.applicationToken,
  };
  const data = { LANGUAGE_ID: world.language, CLEAN: clean ? 1 : 0 };
  const form = eventForm(world, 'ONAPPUNINSTALL', data, auth);
  for (const url of addresses) await deliver(world, 'ONAPPUNINSTALL', url, form);
}

/** A new version: robots and bindings are gone before the application hears of it. */
export async function update(world: World): Promise<void> {
  const addresses = addressesOf(world, 'ONAPPUPDATE');
  const data = {
    VERSION: world.app.version + 1,
    PREVIOUS_VERSION: world.app.version,
    LANGUAGE_ID: world.language,
  };
  world.app.version++;
  wipe(world);
  for (const url of addresses) {
    const auth = authBlock(world, admin(world), true);
    await deliver(world, 'ONAPPUPDATE', url, eventForm(world, 'ONAPPUPDATE', data, auth));
  }
}

/** A person clicks a button of a timeline activity: `restEvent` reaches the application that made it (F8, G2). */
export async function clickActivity(world: World, activityId: number, button: string): Promise<void> {
  const activity = world.activities.find((one) => one.id === activityId);
  const footer = activity?.layout['footer'] as { buttons?: Record<string, { action: Fields }> } | undefined;
  const action = footer?.buttons?.[button]?.action;
  if (activity === undefined || action === undefined) throw new Error(`portal sandbox: no button ${button}`);
  if (action['type'] !== 'restEvent' || activity.application !== world.clientId) return;
  const data = {
    id: action['id'],
    entityTypeId: activity.ownerTypeId,
    entityId: activity.ownerId,
    activityId,
    userId: admin(world),
    ...(action['actionParams'] as Fields),
  };
  const auth = authBlock(world, admin(world), false);
  const form = eventForm(world, 'onCrmTimelineItemAction', data, auth);
  for (const url of boundTo(world, 'ONCRMTIMELINEITEMACTION')) {
    await deliver(world, 'ONCRMTIMELINEITEMACTION', url, form);
  }
}
