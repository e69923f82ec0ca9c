import { afterEach, expect, it } from 'vitest';
import type { Installation } from '../../../src/bitrix24/auth/installation.ts';
import type { Removed } from '../../../src/bitrix24/install/removals.ts';
import { APP_TOKEN, CLIENT, fakePortal, installed, MEMBER, pair, refuse } from '../fake-portal.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

const removal = (portal: { origin: string }, event = 'ONAPPUNINSTALL') => ({
  event,
  data: { CLEAN: '1' },
  auth: {
    member_id: MEMBER,
    application_token: APP_TOKEN,
    client_endpoint: `${portal.origin}/rest/`,
    ...(event === 'ONAPPINSTALL' && { access_token: 'a', refresh_token: 'r' }),
  },
});

/** A portal whose application was announced as removed; `says` is what it answers to the stored access token. */
async function announced(says: () => unknown, change: Partial<Installation> = {}) {
  const portal = await fakePortal({ 'app.info': says });
  open.push(portal);
  const made = await installed(portal, {
    ...change,
    registered: { a: 'x' },
    registeredAt: '2026-09-01T09:00:00Z',
  });
  expect(await made.installer.handleEvent(removal(portal))).toEqual({ result: 'ok', removal: true });
  // Nothing is dropped by the event itself.
  expect(made.stored.get(MEMBER)).toMatchObject({ state: change.state ?? 'active', registered: { a: 'x' } });
  const tidied: Removed[] = [];
  const look = async (tidy = async (removed: Removed) => void tidied.push(removed)) => {
    made.removals.check(tidy);
    await made.removals.stop();
    return made.stored.get(MEMBER) as Installation;
  };
  return { portal, made, look, tidied };
}
const gone = { memberId: MEMBER, portalKey: MEMBER, clean: true };

it.each(['APPLICATION_NOT_FOUND', 'NOT_INSTALLED', 'wrong_client'])(
  'believes the portal: %s',
  async (code) => {
    const { look, tidied } = await announced(() => refuse(code, 401));
    expect(await look()).toMatchObject({ state: 'uninstalled', tokens: null, spares: {}, registered: {} });
    expect(tidied).toEqual([gone]);
  },
);

it.each([
  'ACCESS_DENIED',
  'authorization_error',
  'user_access_error',
  'NO_AUTH_FOUND',
  'insufficient_scope',
  'INTERNAL_SERVER_ERROR',
  'PORTAL_DELETED',
  'OVERLOAD_LIMIT',
])('does not believe another refusal: %s', async (code) => {
  const { look, tidied } = await announced(() => refuse(code, 403));
  expect(await look()).toMatchObject({ state: 'active', tokens: { access: 'access-1' } });
  expect(tidied).toEqual([]);
});

it.each([
  ['expired_token', 'wrong_client', 200, true],
  ['invalid_token', 'NOT_INSTALLED', 400, true],
  ['expired_token', 'invalid_grant', 400, false],
  ['expired_token', 'invalid_client', 400, false],
  ['expired_token', 'ERROR_CORE', 500, false],
])(
  'an access token that is over (%s) is renewed, and %s of the OAuth server counts or not',
  async (code, error, status, counts) => {
    const { portal, look, tidied } = await announced(() => refuse(code, 401));
    portal.oauth.refresh = () => ({ status, body: { error } });
    expect((await look()).state === 'uninstalled').toBe(counts);
    expect(tidied).toEqual(counts ? [gone] : []);
  },
);

it('a portal that was paused because it had let the application go needs no second question', async () => {
  const { portal, look, tidied } = await announced(() => ({}), {
    state: 'paused',
    pausedReason: 'wrong_client',
  });
  expect(await look()).toMatchObject({ state: 'uninstalled' });
  expect([portal.hits.length, tidied]).toEqual([0, [gone]]);
});

it('a removal that the portal did not confirm for ten minutes is forgotten', async () => {
  const { made, look, tidied } = await announced(() => ({ ID: 1 }));
  made.clock.now = new Date(made.clock.now.getTime() + 599_000);
  expect((await look()).removal).toBeDefined();
  made.clock.now = new Date(made.clock.now.getTime() + 2_000);
  expect((await look()).removal).toBeUndefined();
  expect(tidied).toEqual([]);
});

it('tokens that were renewed while the portal was asked are asked again', async () => {
  const { portal, made, look } = await announced(() => {
    const stored = made.stored.get(MEMBER) as Installation;
    made.stored.set(MEMBER, { ...stored, tokens: pair(portal, 'access-2'), version: stored.version + 1 });
    return refuse('APPLICATION_NOT_FOUND', 401);
  });
  expect(await look()).toMatchObject({ state: 'active', tokens: { access: 'access-2' } });
});

it('a new installation is dropped by no older removal, not even by one that is just asked about', async () => {
  let reinstall = async () => undefined as unknown;
  const { portal, made, look, tidied } = await announced(async () => {
    await reinstall();
    return refuse('APPLICATION_NOT_FOUND', 401);
  });
  reinstall = async () => {
    // As an installation leaves it: nothing of the older removal.
    const { removal: _, ...stored } = made.stored.get(MEMBER) as Installation;
    made.stored.set(MEMBER, { ...stored, version: stored.version + 1 });
  };
  expect(await look()).toMatchObject({ state: 'active', tokens: { access: 'access-1' } });
  expect(tidied).toEqual([]);

  portal.methods['app.info'] = () => ({ ID: 1, CODE: CLIENT, INSTALLED: true });
  portal.methods['profile'] = () => ({ ID: 1, ADMIN: true });
  await made.installer.handleEvent(removal(portal));
  await made.installer.handleEvent(removal(portal, 'ONAPPINSTALL'));
  expect(made.stored.get(MEMBER)).toMatchObject({ state: 'active' });
  expect(made.stored.get(MEMBER)?.removal).toBeUndefined();
});

it('tidying up that was broken off is done by the next look, and once', async () => {
  const { look, tidied } = await announced(() => refuse('APPLICATION_NOT_FOUND', 401));
  expect(await look(() => Promise.reject(new Error('killed')))).toMatchObject({ state: 'uninstalled' });
  await look();
  await look();
  expect(tidied).toEqual([gone]);
});
