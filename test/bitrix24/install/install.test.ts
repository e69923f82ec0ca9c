import { afterEach, describe, expect, it } from 'vitest';
import { parseRobotCall } from '../../../src/bitrix24/robots/robot-call.ts';
import {
  APP_TOKEN,
  bench,
  CLIENT,
  fakePortal,
  installed,
  MEMBER,
  type Methods,
  type Params,
  refuse,
  robots,
} from '../fake-portal.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

const SCOPE = ['crm', 'bizproc', 'user', 'im', 'task', 'userfieldconfig'];

/** A portal that keeps robots and bindings, and where `access-1` is an administrator's token of our application. */
async function startPortal(change: Methods = {}) {
  const registered = new Map<string, unknown>();
  const bound: string[] = [];
  const admin = (_: unknown, token: string) =>
    token.startsWith('access') ? null : refuse('invalid_token', 401);
  const portal = await fakePortal({
    'app.info': (p, token) => admin(p, token) ?? { ID: 1, CODE: CLIENT, INSTALLED: false, LANGUAGE_ID: 'ru' },
    profile: (p, token) => admin(p, token) ?? { ID: '1', ADMIN: true },
    scope: () => SCOPE,
    'method.get': () => ({ isExisting: true, isAvailable: true }),
    'event.bind': ({ event, handler }) => {
      if (bound.includes(event))
        refuse('ERROR_CORE', 400, 'Unable to set event handler: Handler already binded');
      bound.push(event);
      expect(handler).toBe('https://directum.example/bitrix24/events');
      return true;
    },
    'bizproc.robot.list': () => [...registered.keys()],
    'bizproc.robot.add': ({ CODE, ...fields }) => {
      if (registered.has(CODE)) refuse('ERROR_ACTIVITY_ALREADY_INSTALLED');
      registered.set(CODE, fields);
      return true;
    },
    'bizproc.robot.update': ({ CODE, FIELDS }) => {
      if (!registered.has(CODE)) refuse('ERROR_ACTIVITY_NOT_FOUND');
      registered.set(CODE, FIELDS);
      return true;
    },
    ...change,
  });
  open.push(portal);
  return Object.assign(portal, { registered, bound });
}

function event(portal: { origin: string }, name: string, auth: Record<string, unknown> = {}, data = {}) {
  return {
    event: name,
    data: { VERSION: '1', LANGUAGE_ID: 'ru', ...data },
    auth: {
      access_token: 'access-1',
      refresh_token: 'refresh-1',
      expires: '1787303600',
      member_id: MEMBER,
      user_id: '1',
      application_token: APP_TOKEN,
      client_endpoint: `${portal.origin}/rest/`,
      server_endpoint: `${portal.origin}/rest/`,
      scope: 'crm,bizproc',
      unknown_field: 'x',
      ...auth,
    },
  };
}

function page(
  portal: { origin: string },
  body: Record<string, unknown> = {},
  query: Record<string, unknown> = {},
) {
  return [
    { DOMAIN: new URL(portal.origin).host, PROTOCOL: '0', LANG: 'ru', ...query },
    {
      AUTH_ID: 'access-1',
      REFRESH_ID: 'refresh-1',
      AUTH_EXPIRES: '3600',
      member_id: MEMBER,
      status: 'L',
      ...body,
    },
  ] as const;
}

const call = (token: string | null, access = 'access-1') =>
  parseRobotCall({
    code: 'c',
    document_id: ['crm', 'CCrmDocumentDeal', 'DEAL_1'],
    event_token: 'e',
    auth: {
      member_id: MEMBER,
      application_token: token,
      access_token: access,
      refresh_token: 'r',
      user_id: '9',
      server_endpoint: open.length ? undefined : '',
    },
  });

describe('ONAPPINSTALL', () => {
  it('installs after the proof and registers the robots', async () => {
    const portal = await startPortal();
    const made = bench(portal);
    expect(await made.installer.handleEvent(event(portal, 'ONAPPINSTALL'))).toEqual({ result: 'ok' });
    expect(made.stored.get(MEMBER)).toMatchObject({
      origin: portal.origin,
      portalKey: MEMBER,
      applicationToken: APP_TOKEN,
      installerUserId: 1,
      state: 'active',
      scopes: SCOPE,
      registeredAt: '2026-09-01T10:00:00.000Z',
    });
    expect(portal.registered.get('directum_wait_signature')).toMatchObject({
      HANDLER: 'https://directum.example/bitrix24/robots/directum_wait_signature',
      AUTH_USER_ID: '1',
      USE_SUBSCRIPTION: 'Y',
      NAME: { ru: 'Ждать' },
    });
    expect(await made.checkCall(call(APP_TOKEN))).toBe('ok');
    expect(await made.checkCall(call('other'))).toBe('forged');
  });

  it.each([
    ['an unlisted portal', { client_endpoint: 'http://evil.example/rest/' }, {}, 'portal_not_listed'],
    [
      'an unlisted OAuth server',
      { server_endpoint: 'http://evil.example/rest/' },
      {},
      'oauth_server_not_listed',
    ],
    ['a token the portal does not know', { access_token: 'stolen' }, {}, 'invalid_token'],
    ['no administrator', {}, { profile: () => ({ ID: 1, ADMIN: false }) }, 'not_an_administrator'],
    ['another application', {}, { 'app.info': () => ({ CODE: 'local.other' }) }, 'another_application'],
    ['a webhook', {}, { 'app.info': () => ({ SCOPE: ['crm'] }) }, 'not_an_application'],
  ])('of %s stores nothing', async (_, auth, methods, reason) => {
    const portal = await startPortal(methods as Methods);
    const made = bench(portal);
    expect(await made.installer.handleEvent(event(portal, 'ONAPPINSTALL', auth))).toEqual({
      result: 'forbidden',
    });
    expect(made.lines.join()).toContain(reason);
    expect(made.stored.size).toBe(0);
    expect(portal.hits.filter(({ method }) => method === 'batch')).toHaveLength(0);
  });

  it('that comes once is proven again when the portal cannot answer at the moment', async () => {
    let times = 0;
    const portal = await startPortal();
    const info = portal.methods['app.info'] as Methods[string];
    portal.methods['app.info'] = (params, token) => {
      times += 1;
      return times === 1 ? refuse('QUERY_LIMIT_EXCEEDED', 503) : info(params, token);
    };
    const made = bench(portal);
    expect(await made.installer.handleEvent(event(portal, 'ONAPPINSTALL'))).toEqual({ result: 'ok' });
    expect(portal.registered.size).toBe(2);
  });

  it('registers robots one by one where the portal takes no batch', async () => {
    for (const batch of [
      () => refuse('ERROR_BATCH_METHOD_NOT_ALLOWED', 405),
      ({ cmd }: Params) => ({
        result: [],
        result_error: Object.fromEntries(
          Object.keys(cmd).map((key) => [key, { error: 'ERROR_BATCH_METHOD_NOT_ALLOWED' }]),
        ),
      }),
    ]) {
      const portal = await startPortal({ batch });
      const made = bench(portal);
      await made.installer.handleEvent(event(portal, 'ONAPPINSTALL'));
      expect(portal.registered.size).toBe(2);
      expect(portal.bound).toHaveLength(4);
      expect(made.stored.get(MEMBER)?.registeredAt).toEqual(expect.any(String));
    }
  });

  it('does not take over a living installation without the proof', async () => {
    const portal = await startPortal();
    const made = await installed(portal);
    const forged = event(portal, 'ONAPPINSTALL', { access_token: 'stolen', application_token: 'mine' });
    expect(await made.installer.handleEvent(forged)).toEqual({ result: 'forbidden' });
    expect(made.stored.get(MEMBER)?.applicationToken).toBe(APP_TOKEN);
  });

  it('does not move a living installation to another listed portal that its own does not vouch for', async () => {
    const own = await startPortal();
    const other = await startPortal({});
    own.methods['app.info'] = () => refuse('invalid_token', 401);
    const made = await installed(own, {}, { portals: [own.origin, other.origin] });
    const form = event(other, 'ONAPPINSTALL', { server_endpoint: `${own.origin}/rest/` });
    expect(await made.installer.handleEvent(form)).toEqual({ result: 'forbidden' });
    expect(made.lines.join()).toContain('another_portal');
    expect(made.stored.get(MEMBER)?.origin).toBe(own.origin);
  });

  it('gives a later installation of the same origin the key of the first', async () => {
    const portal = await startPortal();
    const made = await installed(portal, { state: 'uninstalled', tokens: null });
    await made.installer.handleEvent(event(portal, 'ONAPPINSTALL', { member_id: 'second' }));
    expect(made.stored.get('second')?.portalKey).toBe(MEMBER);
  });
});

describe('the installer page', () => {
  it('binds events, registers robots and finishes', async () => {
    const portal = await startPortal();
    const made = bench(portal);
    const { status, html } = await made.installer.openPage(...page(portal));
    expect(status).toBe(200);
    expect(html).toContain('BX24.installFinish()');
    expect(html).toContain('lang="ru"');
    expect(portal.bound).toEqual([
      'ONAPPINSTALL',
      'ONAPPUPDATE',
      'ONAPPUNINSTALL',
      'ONCRMTIMELINEITEMACTION',
    ]);
    expect([...portal.registered.keys()]).toEqual(robots.map(({ code }) => code));
    expect(portal.hits.map(({ method }) => method)).toEqual(['app.info', 'profile', 'batch', 'batch']);
  });

  it('opened again finishes nothing, takes bound events for success and sends no robot twice', async () => {
    const portal = await startPortal();
    const made = bench(portal);
    await made.installer.openPage(...page(portal));
    portal.methods['app.info'] = () => ({ CODE: CLIENT, INSTALLED: 'Y' });
    portal.hits.length = 0;
    const { html } = await made.installer.openPage(...page(portal, {}, { LANG: 'de' }));
    expect(html).not.toContain('BX24');
    expect(html).toContain('lang="en"');
    expect(portal.hits.map(({ method }) => method)).toEqual(['app.info', 'profile', 'batch']);
  });

  it('may bring in its body what belongs into the query', async () => {
    const portal = await startPortal();
    const [query, body] = page(portal);
    const { status, html } = await bench(portal).installer.openPage({}, { ...query, ...body });
    expect(status).toBe(200);
    expect(html).toContain('lang="ru"');
  });

  it('finishes without the scope of robots and says what is off', async () => {
    const portal = await startPortal({
      scope: () => SCOPE.filter((scope) => scope !== 'bizproc'),
      'bizproc.robot.list': () => refuse('insufficient_scope', 403),
    });
    const { html } = await bench(portal).installer.openPage(...page(portal));
    expect(html).toContain('bizproc — ');
    expect(html).toContain('без роботов');
    expect(html).toContain('BX24.installFinish()');
    expect(portal.bound).toHaveLength(4);
  });

  it('takes any number of proven installations, and one that was refused a moment ago', async () => {
    const portal = await startPortal();
    const info = portal.methods['app.info'] as Methods[string];
    const made = bench(portal);
    portal.methods['app.info'] = () => refuse('invalid_token', 401);
    expect((await made.installer.openPage(...page(portal))).status).toBe(403);
    portal.methods['app.info'] = info;
    for (let time = 0; time < 70; time += 1)
      expect((await made.installer.openPage(...page(portal))).status).toBe(200);
  });

  it('says what failed, offers to try again and does not finish', async () => {
    const portal = await startPortal({ 'bizproc.robot.add': () => refuse('ERROR_METHOD_NOT_FOUND', 404) });
    const { html } = await bench(portal).installer.openPage(...page(portal));
    expect(html).toContain('Тариф портала');
    expect(html).toContain('<button');
    expect(html).not.toContain('installFinish');
  });

  it('names missing scopes and escapes the portal’s words', async () => {
    const portal = await startPortal({
      scope: () => ['crm', 'bizproc', 'user_brief', 'im'],
      'bizproc.robot.add': () => refuse('ERROR_X', 400, '<script>alert(1)</script>'),
    });
    const { html } = await bench(portal).installer.openPage(...page(portal));
    expect(html).toMatch(/task — .*userfieldconfig — /s);
    expect(html).not.toContain('user —');
    expect(html).not.toContain('<script>alert');
  });

  it.each([
    ['unreadable', { AUTH_ID: '' }, {}],
    ['no_refresh_token', { REFRESH_ID: '' }, {}],
    ['invalid_token', { AUTH_ID: 'stolen' }, {}],
    ['portal_not_listed', {}, { DOMAIN: 'evil.example' }],
  ])('says in words of both languages why it is refused: %s', async (reason, body, query) => {
    const portal = await startPortal();
    const made = bench(portal);
    for (const [LANG, words] of [
      ['kz', /<li>[А-Я][^<]*\.<\/li>/],
      ['de', /<li>[A-Z][^<]*\.<\/li>/],
    ] as const) {
      const { html } = await made.installer.openPage(...page(portal, body, { LANG, ...query }));
      expect([reason, html]).toEqual([reason, expect.stringMatching(words)]);
    }
  });

  it.each([
    [{ AUTH_ID: 'stolen' }, {}],
    // Plain http is listed, https is not.
    [{}, { PROTOCOL: '1' }],
    [{}, { DOMAIN: 'evil.example' }],
    [{}, { DOMAIN: 'user@evil.example/' }],
  ])('is forbidden with %j %j', async (body, query) => {
    const portal = await startPortal();
    const made = bench(portal);
    expect((await made.installer.openPage(...page(portal, body, query))).status).toBe(403);
    expect(made.stored.size).toBe(0);
  });
});

describe('the application opened again', () => {
  const employee = {
    'app.info': () => ({ ID: 1, CODE: CLIENT, INSTALLED: true }),
    profile: () => ({ ID: '9', ADMIN: false }),
  };
  const russian = page({ origin: 'http://x' })[0];
  it.each([
    [{}, /работает/, /works/],
    [{ state: 'paused' as const }, /работает не полностью/, /not everything works/],
    [{ registeredAt: undefined }, /работает не полностью/, /not everything works/],
  ])('by an employee is a calm page that changes nothing: %j', async (change, ru, en) => {
    const portal = await startPortal(employee);
    const made = await installed(portal, { registeredAt: '2026-09-01T09:00:00Z', ...change });
    const before = structuredClone(made.stored.get(MEMBER));
    for (const [LANG, health, whom] of [
      ['ru', ru, /обращайтесь к нему/],
      ['de', en, /Turn to them/],
    ] as const) {
      const opened = await made.installer.openPage(...page(portal, {}, { LANG }));
      expect(opened).toEqual({ status: 200, html: expect.stringMatching(health) });
      expect(opened.html).toMatch(whom);
      expect(opened.html).toMatch(/Directum RX/);
      expect(opened.html).not.toMatch(/отклонена|refused|installFinish|<script/);
    }
    expect(made.stored.get(MEMBER)).toEqual(before);
    // The same token is not asked about again within the minute.
    expect(portal.hits.length).toBe(2);
  });

  it('by more employees than strangers may try, and by an administrator after them', async () => {
    const portal = await startPortal(employee);
    const made = await installed(portal, { registeredAt: '2026-09-01T09:00:00Z' });
    for (let user = 0; user < 70; user += 1)
      expect((await made.installer.openPage(...page(portal, { AUTH_ID: `access-${user}` }))).status).toBe(
        200,
      );
    portal.methods['profile'] = () => ({ ID: '1', ADMIN: true });
    expect((await made.installer.openPage(...page(portal, { AUTH_ID: 'access-admin' }))).status).toBe(200);
  });

  it('by an employee before an administrator installed it says whom to ask', async () => {
    const portal = await startPortal(employee);
    const made = bench(portal);
    const opened = await made.installer.openPage(...page(portal));
    expect(opened).toEqual({
      status: 403,
      html: expect.stringMatching(/ещё не установлено.*администратор/s),
    });
    expect(opened.html).not.toContain('отклонена');
    expect(made.stored.size).toBe(0);
  });

  it('by an administrator says that it works, or what is missing', async () => {
    const portal = await startPortal({ 'app.info': employee['app.info'] });
    const made = await installed(portal);
    const works = await made.installer.openPage(...page(portal));
    expect(works).toEqual({ status: 200, html: expect.stringContaining('установлено и работает') });
    expect(works.html).not.toMatch(/отклонена|не завершена|installFinish/);
    portal.methods['bizproc.robot.update'] = () => refuse('ERROR_METHOD_NOT_FOUND', 404);
    portal.methods['bizproc.robot.list'] = () => refuse('ERROR_METHOD_NOT_FOUND', 404);
    const ails = await made.installer.openPage(...page(portal));
    expect(ails).toEqual({
      status: 200,
      html: expect.stringMatching(/работает не полностью:.*Тариф портала/s),
    });
    expect(ails.html).not.toMatch(/отклонена|не завершена|installFinish/);
  });

  it.each([
    ['a token that proves nothing', { AUTH_ID: 'stolen' }, {}, employee],
    ['another address', {}, { DOMAIN: 'evil.example' }, employee],
    ['a user who is gone', {}, {}, { ...employee, profile: () => [] }],
    ['another application', {}, {}, { ...employee, 'app.info': () => ({ ID: 1, CODE: 'local.other' }) }],
  ])('with %s is refused in plain words, and not as an installation', async (_, body, query, methods) => {
    const portal = await startPortal();
    for (const [name, method] of Object.entries(methods))
      portal.methods[name] = (_, token) =>
        token.startsWith('access') ? method() : refuse('invalid_token', 401);
    const made = await installed(portal, { registeredAt: '2026-09-01T09:00:00Z' });
    const opened = await made.installer.openPage(
      ...page(portal, body, { ...russian, DOMAIN: new URL(portal.origin).host, ...query }),
    );
    expect(opened).toEqual({ status: 403, html: expect.stringContaining('Страницу не удалось открыть.') });
    expect(opened.html).toMatch(/<li>[А-Я][^<]*\.<\/li>/);
    expect(opened.html).not.toContain('отклонена');
  });
});

describe('an installation without an application token', () => {
  it('is pinned by the first call whose own token passes the proof, and by no other', async () => {
    const portal = await startPortal();
    const made = await installed(portal, { applicationToken: null });
    expect(await made.checkCall(call('forged', 'stolen'))).toBe('forged');
    expect(made.stored.get(MEMBER)?.applicationToken).toBeNull();
    const calls = Array.from({ length: 5 }, () => made.checkCall(call(APP_TOKEN)));
    expect(await Promise.all(calls)).toEqual(Array(5).fill('ok'));
    expect(
      portal.hits.filter(({ method, token }) => method === 'app.info' && token === 'access-1'),
    ).toHaveLength(1);
    expect(await made.checkCall(call('forged', 'stolen'))).toBe('forged');
    expect(made.stored.get(MEMBER)?.applicationToken).toBe(APP_TOKEN);
  });

  it('is pinned by an ONAPPINSTALL that brings no refresh token, if its access token passes the proof', async () => {
    const portal = await startPortal();
    const made = await installed(portal, { applicationToken: null });
    const bare = (access_token: string) =>
      made.installer.handleEvent(event(portal, 'ONAPPINSTALL', { access_token, refresh_token: undefined }));
    expect(await bare('stolen')).toEqual({ result: 'forbidden' });
    expect(made.stored.get(MEMBER)?.applicationToken).toBeNull();
    expect(await bare('access-2')).toMatchObject({ result: 'ok' });
    expect(made.stored.get(MEMBER)).toMatchObject({
      applicationToken: APP_TOKEN,
      tokens: { access: 'access-1' },
    });
  });

  it('asks about a refused token only once', async () => {
    const portal = await startPortal();
    const made = await installed(portal, { applicationToken: null });
    for (let i = 0; i < 3; i += 1) expect(await made.checkCall(call('x', 'stolen'))).toBe('forged');
    expect(portal.hits).toHaveLength(1);
  });
});

describe('later events', () => {
  it('ONAPPUPDATE registers everything again', async () => {
    const portal = await startPortal();
    const made = bench(portal);
    await made.installer.handleEvent(event(portal, 'ONAPPINSTALL'));
    portal.registered.clear();
    portal.bound.length = 0;
    expect(
      await made.installer.handleEvent(event(portal, 'ONAPPUPDATE', { access_token: 'access-2' })),
    ).toMatchObject({ result: 'ok' });
    expect(portal.registered.size).toBe(2);
    expect(portal.bound).toHaveLength(4);
    expect(made.stored.get(MEMBER)).toMatchObject({
      tokens: { access: 'access-2' },
      registeredAt: expect.any(String),
    });
  });

  it('ONAPPUPDATE brings the rights of the new version where the portal does not list them', async () => {
    const portal = await startPortal({ scope: () => refuse('ERROR_METHOD_NOT_FOUND', 404) });
    const made = await installed(portal, { scopes: ['crm'] });
    const rights = (scope: string) =>
      made.installer.handleEvent(event(portal, 'ONAPPUPDATE', { scope: scope || undefined }));
    await rights(SCOPE.join());
    expect(made.stored.get(MEMBER)?.scopes).toEqual(SCOPE);
    expect(portal.registered.size).toBe(2);
    await rights('');
    expect(made.stored.get(MEMBER)?.scopes).toEqual(SCOPE);
    await rights('crm,bizproc,user');
    expect(made.lines.filter((line) => line.includes('scopes.missing')).at(-1)).toContain('userfieldconfig');
  });

  it('ONAPPUPDATE leaves the registration unknown when the portal cannot be reached', async () => {
    const portal = await startPortal();
    const made = bench(portal);
    await made.installer.handleEvent(event(portal, 'ONAPPINSTALL'));
    portal.methods['batch'] = () => refuse('INTERNAL_SERVER_ERROR', 500);
    await made.installer.handleEvent(event(portal, 'ONAPPUPDATE'));
    expect(made.stored.get(MEMBER)?.registeredAt).toBeUndefined();
  });

  it('with a wrong application token changes nothing', async () => {
    const portal = await startPortal();
    const made = await installed(portal);
    const forged = event(portal, 'ONAPPUNINSTALL', { application_token: 'wrong' });
    expect(await made.installer.handleEvent(forged)).toEqual({ result: 'forbidden' });
    expect(await made.installer.handleEvent(event(portal, 'ONAPPUPDATE', { member_id: 'nobody' }))).toEqual({
      result: 'forbidden',
    });
    expect(made.stored.get(MEMBER)?.state).toBe('active');
    expect(portal.hits).toHaveLength(0);
  });
});
