import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Caller, openPortal } from './caller.ts';

const HANDLER = 'https://service.example/bitrix24/tab';
const TAB = 'CRM_DEAL_DETAIL_TAB';

let portal: Caller['portal'];
let rest: Caller['rest'];

beforeEach(async () => {
  ({ portal, rest } = await openPortal());
});

afterEach(() => portal.stop());

const bind = (more: object = {}, userId = 1) =>
  rest('placement.bind', { PLACEMENT: TAB, HANDLER, ...more }, userId);
const unbind = (more: object = {}) => rest('placement.unbind', { PLACEMENT: TAB, ...more });
const bound = async () => (await rest('placement.get'))['result'];

describe('a tab', () => {
  it('is bound once an address, shown by its titles, and counted twice when it goes', async () => {
    const LANG_ALL = { ru: { TITLE: 'Документы' }, en: { TITLE: 'Documents' } };
    expect(await bind({ TITLE: 'Не это', LANG_ALL })).toMatchObject({ status: 200, result: true });
    expect(await bind()).toMatchObject({
      status: 400,
      error: 'ERROR_CORE',
      error_description: 'Unable to set placement handler: Handler already binded',
    });
    await bind({ HANDLER: `${HANDLER}?second` });
    expect(await bound()).toMatchObject([
      { placement: TAB, handler: HANDLER, title: 'Документы', userId: 0, langAll: LANG_ALL },
      { handler: `${HANDLER}?second`, title: 'local.1', langAll: {} },
    ]);
    expect(await unbind({ HANDLER: 'https://service.example/other' })).toMatchObject({
      result: { count: 0 },
    });
    expect(await unbind()).toMatchObject({ result: { count: 4 } });
    expect(await bound()).toEqual([]);
  });

  it('of a smart process needs the process to exist', async () => {
    const PLACEMENT = 'CRM_DYNAMIC_177_DETAIL_TAB';
    expect(await bind({ PLACEMENT })).toMatchObject({ error: 'ERROR_PLACEMENT_NOT_FOUND' });
    portal.addType(177);
    expect((await rest('placement.list'))['result']).toContain(PLACEMENT);
    expect(await bind({ PLACEMENT })).toMatchObject({ result: true });
  });

  it.each([
    [{ PLACEMENT: 'CRM_NOTHING' }, { error: 'ERROR_PLACEMENT_NOT_FOUND' }],
    [{ PLACEMENT: 'BIZPROC_ACTIVITY_PROPERTIES_DIALOG' }, { error: 'ERROR_PLACEMENT_NOT_FOUND' }],
    [{ PLACEMENT: '' }, { error: 'ERROR_ARGUMENT', argument: 'PLACEMENT' }],
    [{ HANDLER: ['x'] }, { error: 'ERROR_ARGUMENT', argument: 'HANDLER' }],
    [{ HANDLER: 'ftp://service.example/' }, { error: 'ERROR_UNSUPPORTED_PROTOCOL' }],
    [{ HANDLER: 'https://localhost/x' }, { error: 'ERROR_WRONG_HANDLER_URL' }],
    [{ HANDLER: `https://service.example/${'x'.repeat(240)}` }, { error: 'ERROR_WRONG_HANDLER_URL' }],
    [{ USER_ID: 1 }, { error: 'ERROR_PLACEMENT_USER_MODE' }],
  ])('is refused with %j', async (more, refusal) => {
    expect(await bind(more)).toMatchObject({ status: 400, ...refusal });
    expect(await bound()).toEqual([]);
  });

  it('is for the application and its administrators, and for both scopes', async () => {
    const body = new URLSearchParams({ PLACEMENT: TAB, HANDLER });
    const webhook = await fetch(`${portal.addWebhook()}placement.bind`, { method: 'POST', body });
    expect([webhook.status, await webhook.json()]).toMatchObject([403, { error: 'WRONG_AUTH_TYPE' }]);
    const clerk = portal.addUser({ NAME: 'Пётр' });
    expect(await bind({}, clerk)).toMatchObject({ status: 403, error: 'ACCESS_DENIED' });
    expect(await rest('placement.list', {}, clerk)).toMatchObject({ status: 200 });
    portal.misbehave.removeScopes('crm');
    expect(await bind()).toMatchObject({ error: 'ERROR_PLACEMENT_NOT_FOUND' });
    portal.misbehave.removeScopes('placement');
    expect(await bind()).toMatchObject({ error: 'insufficient_scope' });
  });

  it('is gone with robots and events after an update of the application', async () => {
    await bind();
    await portal.update();
    expect(await bound()).toEqual([]);
  });
});

describe('a token', () => {
  it('tells by app.info to which application it was issued', async () => {
    const codeOf = async (auth: string) => {
      const answer = await fetch(`${portal.url}/rest/app.info?auth=${auth}`);
      return ((await answer.json()) as { result: { CODE: string } }).result.CODE;
    };
    expect(await codeOf(portal.tokens().accessToken)).toBe('local.1');
    expect(await codeOf(portal.foreignTokens().accessToken)).toBe('local.another');
  });
});

describe("a robot's own page", () => {
  const page = 'https://service.example/bitrix24/robot-settings/a';
  const robot = (CODE: string, more: object) =>
    rest('bizproc.robot.add', { CODE, HANDLER, NAME: 'Робот', ...more });
  const change = (FIELDS: object) => rest('bizproc.robot.update', { CODE: 'a', FIELDS });
  const pageOf = (code: string) => portal.world.robots.get(code)?.placementHandler;

  it('is bound by flag and address together when the robot is added, one address for one robot', async () => {
    expect(await robot('a', { USE_PLACEMENT: 'Y' })).toMatchObject({ error: 'ERROR_WRONG_HANDLER_URL' });
    await robot('a', { PLACEMENT_HANDLER: page });
    expect(pageOf('a')).toBe('');
    await robot('b', { USE_PLACEMENT: 'Y', PLACEMENT_HANDLER: page });
    expect(pageOf('b')).toBe(page);
    expect(await robot('c', { USE_PLACEMENT: 'Y', PLACEMENT_HANDLER: page })).toMatchObject({
      error: 'ERROR_CORE',
    });
    expect(await bound()).toEqual([]);
  });

  it('follows the address alone in an update, until the flag says N', async () => {
    await robot('a', {});
    await change({ USE_PLACEMENT: 'Y' });
    expect(pageOf('a')).toBe('');
    expect(await change({ PLACEMENT_HANDLER: page })).toMatchObject({
      error_description: 'No fields to update',
    });
    await change({ PLACEMENT_HANDLER: page, USE_SUBSCRIPTION: 'Y' });
    expect(pageOf('a')).toBe(page);
    await change({ USE_PLACEMENT: 'N' });
    expect(pageOf('a')).toBe('');
  });
});
