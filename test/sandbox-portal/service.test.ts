import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Portal, startPortal } from '../sandbox/portal/portal.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes are read here
type Json = Record<string, any>;

let portal: Portal;
let app: Server;
let appUrl: string;
let clock: number;
let posts: { path: string; form: URLSearchParams; agent: string }[];
let token: string;

beforeEach(async () => {
  clock = Date.parse('2026-11-24T09:00:00Z');
  posts = [];
  app = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      posts.push({ path: request.url ?? '', form, agent: request.headers['user-agent'] ?? '' });
      response.statusCode = 500;
      response.end('nobody reads this');
    });
  });
  await new Promise<void>((done) => app.listen(0, '127.0.0.1', done));
  appUrl = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
  portal = await startPortal({ clientId: 'local.1', clientSecret: 'secret', now: () => new Date(clock) });
  await portal.install(`${appUrl}/install`);
  token = portal.tokens().accessToken;
});

afterEach(async () => {
  await portal.stop();
  app.closeAllConnections();
  app.close();
});

async function rest(method: string, params: object = {}, auth = token): Promise<Json> {
  const response = await fetch(`${portal.url}/rest/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...params, auth }),
  });
  return { status: response.status, ...((await response.json()) as Json) };
}

const refresh = async (refresh_token: string, client_secret = 'secret'): Promise<Json> => {
  const body = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: 'local.1',
    client_secret,
    refresh_token,
  });
  const response = await fetch(`${portal.url}/oauth/token/`, { method: 'POST', body });
  return { status: response.status, ...((await response.json()) as Json) };
};

const robot = (code: string, more: object = {}): object => ({
  CODE: code,
  HANDLER: `${appUrl}/robots/${code}`,
  AUTH_USER_ID: 1,
  USE_SUBSCRIPTION: 'Y',
  NAME: { ru: 'Робот', en: 'Robot' },
  PROPERTIES: {
    subject: { Name: 'Subject', Type: 'string' },
    who: { Name: 'Who', Type: 'user' },
    flag: { Name: 'Flag', Type: 'bool' },
    day: { Name: 'Day', Type: 'date' },
    many: { Name: 'Many', Type: 'string', Multiple: 'Y' },
  },
  RETURN_PROPERTIES: {
    document_id: { Name: 'Id', Type: 'int' },
    ok: { Name: 'Ok', Type: 'bool' },
    docName: { Name: 'Name', Type: 'string' },
  },
  ...more,
});

const callOf = (code: string) => posts.filter((one) => one.path === `/robots/${code}`);

async function placed(code = 'make', properties: object = {}): Promise<string> {
  await rest('bizproc.robot.add', robot(code));
  const deal = portal.addItem(2, { title: 'Станок "Ёж"', opportunity: 100 });
  portal.placeRobot('PREPARATION', code, { ...properties });
  return portal.moveItem(2, deal, 'PREPARATION');
}

describe('tokens', () => {
  it('expire by the clock, rotate on refresh, and the old refresh token is dead', async () => {
    const pair = portal.tokens();
    clock += 3_601_000;
    expect(await rest('profile', {}, pair.accessToken)).toMatchObject({
      status: 401,
      error: 'expired_token',
    });
    const fresh = await refresh(pair.refreshToken);
    expect(await rest('profile', {}, fresh['access_token'])).toMatchObject({ result: { ADMIN: true } });
    expect(await refresh(pair.refreshToken)).toMatchObject({ status: 400, error: 'invalid_grant' });
    expect(await refresh(fresh['refresh_token'], 'wrong')).toMatchObject({
      status: 400,
      error: 'invalid_client',
    });
  });

  it('fail by name: none, unknown, of a dismissed user, of a lesser scope', async () => {
    expect(await rest('profile', {}, '')).toMatchObject({ status: 401, error: 'NO_AUTH_FOUND' });
    expect(await rest('profile', {}, 'x')).toMatchObject({ status: 401, error: 'invalid_token' });
    const user = portal.addUser({ NAME: 'Иван', LAST_NAME: 'Иванов' });
    const pair = portal.tokens(user);
    portal.world.users.get(user)!['ACTIVE'] = false;
    expect(await rest('profile', {}, pair.accessToken)).toMatchObject({ error: 'authorization_error' });
    portal.misbehave.removeScopes('task');
    const narrow = portal.tokens().accessToken;
    expect(await rest('tasks.task.list', {}, narrow)).toMatchObject({ error: 'insufficient_scope' });
    expect(await rest('tasks.task.list')).toMatchObject({ status: 200 });
  });
});

describe('registration', () => {
  it('needs the application and an administrator', async () => {
    const response = await fetch(`${portal.addWebhook()}bizproc.robot.list`, { method: 'POST' });
    expect(await response.json()).toMatchObject({
      error: 'ACCESS_DENIED',
      error_description: 'Access denied! Application context required',
    });
    const plain = portal.tokens(portal.addUser({ NAME: 'Иван' })).accessToken;
    expect(await rest('bizproc.robot.list', {}, plain)).toMatchObject({
      status: 403,
      error: 'ACCESS_DENIED',
    });
  });

  it('refuses what the portal refuses, and hides a robot with a flat filter', async () => {
    const add = (more: object) => rest('bizproc.robot.add', robot('a', more));
    expect(await add({ CODE: 'a b' })).toMatchObject({ error_description: 'Wrong activity code!' });
    expect(await add({ HANDLER: 'http://localhost/x' })).toMatchObject({ error: 'ERROR_WRONG_HANDLER_URL' });
    expect(await add({ PROPERTIES: [''] })).toMatchObject({ error_description: 'Wrong property key (0)!' });
    expect(await add({ FILTER: { INCLUDE: ['crm', 'CCrmDocumentDeal'] } })).toMatchObject({ result: true });
    expect(await add({})).toMatchObject({ status: 400, error: 'ERROR_ACTIVITY_ALREADY_INSTALLED' });
    expect(portal.isOffered('a', 2)).toBe(false);
    await rest('bizproc.robot.update', {
      CODE: 'a',
      FIELDS: { FILTER: { INCLUDE: [['crm', 'CCrmDocumentDeal']] } },
    });
    expect(portal.isOffered('a', 2)).toBe(true);
    expect(await rest('bizproc.robot.delete', { CODE: 'A' })).toMatchObject({
      error: 'ERROR_ACTIVITY_NOT_FOUND',
    });
  });

  it('is wiped with the event bindings by an update', async () => {
    await rest('bizproc.robot.add', robot('a'));
    await rest('event.bind', { event: 'OnAppUpdate', handler: `${appUrl}/events` });
    expect(await rest('event.bind', { event: 'OnAppUpdate', handler: `${appUrl}/events` })).toMatchObject({
      error: 'ERROR_CORE',
    });
    await portal.update();
    expect(posts.at(-1)?.form.get('auth[refresh_token]')).toBeTruthy();
    expect(await rest('bizproc.robot.list')).toMatchObject({ result: [] });
    expect(await rest('event.get')).toMatchObject({ result: [] });
  });
});

describe('a robot call', () => {
  it('is a bracketed form of texts, without empty lists', async () => {
    await placed('make', {
      subject: 'Договор: {=Document:TITLE}',
      who: 5,
      flag: true,
      day: '2026-08-21',
      many: [],
    });
    await portal.settled();
    const { form, agent } = callOf('make')[0]!;
    expect(agent).toBe('Bitrix24 Webhook Engine');
    expect(Object.fromEntries([...form].filter(([key]) => key.startsWith('prop')))).toEqual({
      'properties[subject]': 'Договор: Станок "Ёж"',
      'properties[who]': 'user_5',
      'properties[flag]': 'Y',
      'properties[day]': '21.08.2026',
    });
    expect(form.get('document_id[2]')).toBe('DEAL_915');
    expect(form.get('auth[member_id]')).toBe(portal.memberId);
    expect(callOf('make')).toHaveLength(1);
  });

  it('has no use_subscription when none was saved, and no tokens when the run-as user is nobody', async () => {
    await rest('bizproc.robot.add', robot('a', { USE_SUBSCRIPTION: undefined, AUTH_USER_ID: 0 }));
    const deal = portal.addItem(2, {});
    portal.placeRobot('NEW', 'a', {});
    const run = await portal.moveItem(2, deal, 'NEW');
    await portal.settled();
    const { form } = callOf('a')[0]!;
    expect(form.has('use_subscription')).toBe(false);
    expect([...form.keys()].filter((key) => key.startsWith('auth'))).toEqual([
      'auth[domain]',
      'auth[member_id]',
      'auth[application_token]',
    ]);
    expect(portal.step(run, 'a').status).toBe('closed');
  });

  it('keeps waiting and run-as as they were placed', async () => {
    await rest('bizproc.robot.add', robot('a'));
    portal.placeRobot('NEW', 'a', {});
    await rest('bizproc.robot.update', { CODE: 'a', FIELDS: { USE_SUBSCRIPTION: 'N' } });
    const run = await portal.moveItem(2, portal.addItem(2, {}), 'NEW');
    expect(portal.step(run, 'a').status).toBe('waiting');
  });
});

describe('an answer', () => {
  it('closes the step once, whitelisted and blind to case', async () => {
    const run = await placed();
    const { eventToken: EVENT_TOKEN } = portal.step(run, 'make');
    await rest('bizproc.event.send', {
      EVENT_TOKEN,
      RETURN_VALUES: { DOCUMENT_ID: 7, docname: 'x', other: 1 },
    });
    await portal.waitForStep(run, 'make', 1000);
    expect(await rest('bizproc.event.send', { EVENT_TOKEN, RETURN_VALUES: { ok: 'Y' } })).toMatchObject({
      result: true,
    });
    await portal.settled();
    expect(portal.step(run, 'make')).toMatchObject({
      outputs: { document_id: '7', ok: '', docName: 'x' },
      answers: 2,
    });
    expect(await rest('bizproc.event.send', { EVENT_TOKEN: `${EVENT_TOKEN}0` })).toMatchObject({
      status: 403,
    });
  });

  it('is true although the row was locked and nothing happened', async () => {
    const run = await placed();
    portal.misbehave.lockedSteps = 1;
    const { eventToken: EVENT_TOKEN } = portal.step(run, 'make');
    expect(await rest('bizproc.event.send', { EVENT_TOKEN })).toMatchObject({ result: true });
    await portal.settled();
    expect(portal.step(run, 'make').status).toBe('waiting');
    await rest('bizproc.event.send', { EVENT_TOKEN });
    await portal.settled();
    expect(portal.step(run, 'make').status).toBe('closed');
  });

  it('closes a step of a missing registration without any output', async () => {
    const run = await placed();
    await portal.update();
    await rest('bizproc.event.send', {
      EVENT_TOKEN: portal.step(run, 'make').eventToken,
      RETURN_VALUES: { ok: 'Y' },
    });
    expect((await portal.waitForStep(run, 'make', 1000)).outputs['ok']).toBe('');
  });

  it('meets a wait that a stage change ended: true for send, 400 for log', async () => {
    const run = await placed();
    const step = portal.step(run, 'make');
    const log = { EVENT_TOKEN: step.eventToken, LOG_MESSAGE: 'x' };
    expect(await rest('bizproc.activity.log', log)).toMatchObject({ result: true });
    await portal.moveItem(2, 915, 'EXECUTING');
    expect(step.status).toBe('terminated');
    expect(await rest('bizproc.event.send', { EVENT_TOKEN: step.eventToken })).toMatchObject({
      result: true,
    });
    expect(await rest('bizproc.activity.log', log)).toMatchObject({ status: 400, error: 404 });
    const ended = await rest('bizproc.workflow.instances', { FILTER: { '=ID': run } });
    expect(ended['result']).toEqual([]);
  });

  it('accepts the signature of a token by an empty message, whatever became of its step, and writes nothing', async () => {
    const run = await placed();
    const step = portal.step(run, 'make');
    const proof = () => rest('bizproc.activity.log', { EVENT_TOKEN: step.eventToken, LOG_MESSAGE: '' });
    const accepted = { status: 400, error: 'ERROR_EMPTY_LOG_MESSAGE' };
    expect(await proof()).toMatchObject(accepted);
    portal.terminateWorkflow(run);
    expect(await proof()).toMatchObject(accepted);
    portal.world.workflows.delete(run);
    expect(await proof()).toMatchObject(accepted);
    expect(step.log).toEqual([]);
    const forged = { EVENT_TOKEN: `${step.eventToken}0`, LOG_MESSAGE: '' };
    expect(await rest('bizproc.activity.log', forged)).toMatchObject({
      status: 403,
      error: 'ACCESS_DENIED',
      error_description: 'Access denied!',
    });
  });

  it('feeds the next robot of the chain, and only that', async () => {
    await rest('bizproc.robot.add', robot('first'));
    await rest('bizproc.robot.add', robot('second'));
    portal.placeRobot('WON', 'first', {});
    portal.placeRobot('WON', 'second', { subject: '№ {=previous:document_id}' }, { after: true });
    const run = await portal.moveItem(2, portal.addItem(2, {}), 'WON');
    await portal.settled();
    expect(callOf('second')).toHaveLength(0);
    const { eventToken: EVENT_TOKEN } = portal.step(run, 'first');
    await rest('bizproc.event.send', { EVENT_TOKEN, RETURN_VALUES: { document_id: 42 } });
    await portal.settled();
    expect(callOf('second')[0]?.form.get('properties[subject]')).toBe('№ 42');
  });
});

describe('data', () => {
  it('chains references in a batch; failures come inside a 200', async () => {
    const company = portal.addCompany({ TITLE: 'Акме' });
    const requisite = portal.addRequisite({ ENTITY_TYPE_ID: 4, ENTITY_ID: company, RQ_INN: '7700000000' });
    const deal = portal.addItem(2, { companyId: company, assignedById: 1 });
    const stranger = portal.addContact({ id: 1, name: 'Чужая' });
    portal.misbehave.refuseInBatch.add('scope');
    const { status, result } = await rest('batch', {
      halt: 0,
      cmd: {
        deal: `crm.item.get?entityTypeId=2&id=${deal}`,
        rows: 'crm.requisite.list?filter[ENTITY_ID]=$result[deal][item][companyId]&select[]=RQ_INN&select[]=ID',
        firm: 'crm.company.get?id=%24result%5Bdeal%5D%5Bitem%5D%5BcompanyId%5D',
        broken: 'crm.contact.list?filter[ID]=$result[deal][item][contactId]',
        scope: 'scope',
      },
    });
    expect(status).toBe(200);
    expect(result.result.rows).toEqual([{ RQ_INN: '7700000000', ID: String(requisite) }]);
    expect(result.result.firm).toMatchObject({ TITLE: 'Акме', ID: String(company) });
    expect(Object.keys(result.result_error)).toEqual(['scope']);
    // The contact is null: the filter becomes every value of the deal, the responsible's 1 among them.
    expect(result.result.broken).toMatchObject([{ ID: String(stranger) }]);
    expect(portal.journal.filter((one) => one.viaBatch)).toHaveLength(5);
  });

  it('names user fields in two ways, drops unknown names, gives files by urlMachine', async () => {
    const deal = portal.addItem(2, { UF_CRM_DIRECTUM_ID: '1', UF_CRM_1721244707107: 'x' });
    portal.addFile(2, deal, 'UF_CRM_SCAN', 'a.pdf', Buffer.from('pdf'));
    const fields = { ufCrmDirectumId: '5', ufCrmTypo: '6', UF_CRM_DIRECTUM_ID: '7' };
    const { result } = await rest('crm.item.update', { entityTypeId: 2, id: deal, fields });
    expect(result.item).toMatchObject({ ufCrmDirectumId: '5', ufCrm_1721244707107: 'x' });
    expect(result.item).not.toHaveProperty('ufCrmTypo');
    const file = await fetch(result.item.ufCrmScan.urlMachine);
    expect(await file.text()).toBe('pdf');
    const list = await rest('crm.item.list', {
      entityTypeId: 2,
      select: ['id', 'UF_CRM_DIRECTUM_ID'],
      useOriginalUfNames: 'Y',
      start: -1,
    });
    expect(list['result'].items).toEqual([{ UF_CRM_DIRECTUM_ID: '5' }]);
    expect(list).not.toHaveProperty('total');
  });

  it('errs with an empty code in legacy methods and with a name in crm.item', async () => {
    expect(await rest('crm.company.get', { id: 1 })).toMatchObject({ status: 400, error: '' });
    expect(await rest('crm.item.get', { entityTypeId: 2, id: 1 })).toMatchObject({ error: 'NOT_FOUND' });
    expect(await rest('crm.nothing')).toMatchObject({ status: 404, error: 'ERROR_METHOD_NOT_FOUND' });
  });
});

describe('neighbours of the deal', () => {
  it('keeps list items of a field only from enum, and gives them ids', async () => {
    const field = { entityId: 'CRM_DEAL', fieldName: 'UF_CRM_DIRECTUM_STATUS', userTypeId: 'enumeration' };
    const items = [{ value: 'Создан', xmlId: 'created' }];
    const made = await rest('userfieldconfig.add', { moduleId: 'crm', field: { ...field, enum: items } });
    const { id } = made['result'].field.enum[0];
    const deal = portal.addItem(2, {});
    const write = (value: unknown) =>
      rest('crm.item.update', { entityTypeId: 2, id: deal, fields: { ufCrmDirectumStatus: value } });
    expect((await write('created'))['result'].item.ufCrmDirectumStatus).toBe(0);
    expect((await write(id))['result'].item.ufCrmDirectumStatus).toBe(Number(id));
    const bare = { ...field, fieldName: 'UF_CRM_OTHER', list: items };
    const other = await rest('userfieldconfig.add', { moduleId: 'crm', field: bare });
    expect(other['result'].field.enum).toEqual([]);
  });

  it('moves the deal by a trigger only forward, and says true either way', async () => {
    await rest('crm.automation.trigger.add', { CODE: 'signed', NAME: 'Подписан' });
    portal.placeTrigger('EXECUTING', 'signed');
    const early = portal.addItem(2, { stageId: 'NEW' });
    const late = portal.addItem(2, { stageId: 'WON' });
    for (const OWNER_ID of [early, late, 99_999]) {
      const answer = await rest('crm.automation.trigger.execute', {
        CODE: 'signed',
        OWNER_TYPE_ID: 2,
        OWNER_ID,
      });
      expect(answer).toMatchObject({ result: true });
    }
    expect(portal.item(2, early)['stageId']).toBe('EXECUTING');
    expect(portal.item(2, late)['stageId']).toBe('WON');
    const unknown = await rest('crm.automation.trigger.execute', {
      CODE: 'no',
      OWNER_TYPE_ID: 2,
      OWNER_ID: 1,
    });
    expect(unknown).toMatchObject({ status: 400, error: '' });
  });

  it('finds an activity by its origin, a task by its deal, and replaces a notice by its tag', async () => {
    const deal = portal.addItem(2, {});
    const layout = {
      icon: { code: 'info' },
      header: { title: 'Договор' },
      body: { logo: { code: 'document' }, blocks: { a: { type: 'text', properties: { value: 'x' } } } },
    };
    const fields = { originatorId: 'me', originId: '7' };
    const { body: _body, ...bodiless } = layout;
    const add = (given: object) =>
      rest('crm.activity.configurable.add', { ownerTypeId: 2, ownerId: deal, fields, layout: given });
    expect(await add(bodiless)).toMatchObject({ error: 'FIELD_IS_REQUIRED' });
    const { result } = await add(layout);
    const found = await rest('crm.activity.list', { filter: { ORIGINATOR_ID: 'me', ORIGIN_ID: '7' } });
    expect(found['result']).toMatchObject([{ ID: String(result.activity.id) }]);
    const task = { TITLE: 'Согласовать', RESPONSIBLE_ID: 1, UF_CRM_TASK: [`D_${deal}`] };
    await rest('tasks.task.add', { fields: task });
    const tasks = await rest('tasks.task.list', { filter: { UF_CRM_TASK: `D_${deal}` } });
    expect(tasks['result'].tasks).toMatchObject([{ title: 'Согласовать', status: '2' }]);
    for (const MESSAGE of ['a', 'b']) await rest('im.notify.system.add', { USER_ID: 1, MESSAGE, TAG: 't' });
    expect(portal.notices().map((one) => one.message)).toEqual(['b']);
  });
});

describe('misbehaviour', () => {
  it('limits the rate, redirects a renamed address, cuts after the effect', async () => {
    const moved = portal.url;
    await portal.misbehave.renameTo();
    const response = await fetch(`${moved}/rest/profile`, { method: 'POST', redirect: 'manual' });
    expect([response.status, response.headers.get('location')]).toEqual([302, `${portal.url}/rest/profile`]);
    const deal = portal.addItem(2, {});
    portal.misbehave.next({ method: 'crm.timeline.comment.add', cutAfterEffect: true });
    const fields = { ENTITY_TYPE: 'deal', ENTITY_ID: deal, COMMENT: 'hi' };
    await expect(rest('crm.timeline.comment.add', { fields })).rejects.toThrow();
    expect(portal.timeline(2, deal)).toMatchObject([{ comment: 'hi' }]);
    const answers = await Promise.all(Array.from({ length: 60 }, () => rest('scope')));
    expect(answers.filter((one) => one['error'] === 'QUERY_LIMIT_EXCEEDED').length).toBeGreaterThan(5);
  });

  it('sends no event before installFinish, and ONAPPINSTALL after it', async () => {
    await portal.uninstall({ clean: true });
    expect(posts.at(-1)?.form.get('data[CLEAN]')).toBe('1');
    expect(posts.at(-1)?.form.has('auth[access_token]')).toBe(false);
    await portal.openInstallerPage(`${appUrl}/install`);
    const page = posts.at(-1)!;
    expect(page.path).toContain(`DOMAIN=${encodeURIComponent(new URL(portal.url).host)}`);
    token = page.form.get('AUTH_ID') ?? '';
    expect(await rest('app.info')).toMatchObject({ result: { INSTALLED: false, CODE: 'local.1' } });
    await rest('event.bind', { event: 'ONAPPINSTALL', handler: `${appUrl}/events` });
    await portal.finishInstall();
    expect(posts.at(-1)?.form.get('auth[application_token]')).toBe(portal.applicationToken);
  });

  it('shows a person the deal and moves it by a button', async () => {
    const run = await placed();
    expect(portal.step(run, 'make').status).toBe('waiting');
    const page = await (await fetch(`${portal.url}/crm/deal/details/915/`)).text();
    expect(page).toContain('ждёт ответа');
    const body = new URLSearchParams({ stage: 'WON' });
    await fetch(`${portal.url}/crm/type/2/details/915/stage`, { method: 'POST', body });
    expect(portal.item(2, 915)['stageId']).toBe('WON');
  });
});
