import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createContext, runInContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Caller, type Json, openPortal } from './caller.ts';

const TAB = 'CRM_DEAL_DETAIL_TAB';

let portal: Caller['portal'];
let rest: Caller['rest'];
let service: Server;
let url: string;
let posts: { url: URL; form: URLSearchParams }[];
let deal: number;

beforeEach(async () => {
  ({ portal, rest } = await openPortal());
  posts = [];
  service = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      posts.push({ url: new URL(request.url ?? '', url), form });
      response.end('<h1>page</h1>');
    });
  });
  await new Promise<void>((done) => service.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  await portal.install(`${url}/install`);
  deal = portal.addItem(2, { title: 'Станок' });
});

afterEach(async () => {
  await portal.stop();
  service.closeAllConnections();
  service.close();
});

async function settingsOf(properties: object, current: Json): Promise<string> {
  await rest('bizproc.robot.add', {
    CODE: 'make',
    HANDLER: `${url}/robots`,
    NAME: 'Робот',
    USE_PLACEMENT: 'Y',
    PLACEMENT_HANDLER: `${url}/settings`,
    PROPERTIES: properties,
  });
  return portal.placeRobot('NEW', 'make', current).activityName;
}

describe('a page of the application', () => {
  it('in a card is told the item, by a form with four values in the query and a pair of its user', async () => {
    await rest('placement.bind', { PLACEMENT: TAB, HANDLER: `${url}/tab?own=1` });
    const clerk = portal.addUser({ NAME: 'Пётр' });
    const opened = await portal.frames.open({
      page: 'tab',
      entityTypeId: 2,
      id: deal,
      userId: clerk,
      lang: 'en',
    });
    expect(opened).toMatchObject({ status: 200, html: '<h1>page</h1>' });
    const { url: asked, form } = posts.at(-1)!;
    expect(Object.fromEntries(asked.searchParams)).toEqual({
      own: '1',
      DOMAIN: new URL(portal.url).host,
      PROTOCOL: '0',
      LANG: 'en',
      APP_SID: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(form.get('PLACEMENT')).toBe(TAB);
    expect(JSON.parse(form.get('PLACEMENT_OPTIONS') ?? '')).toMatchObject({ ID: String(deal) });
    const me = await fetch(`${portal.url}/rest/profile?auth=${form.get('AUTH_ID')}`);
    expect(((await me.json()) as Json)['result']).toMatchObject({ ID: String(clerk), ADMIN: false });
    await portal.frames.open({ page: 'tab', entityTypeId: 2, id: deal, userId: clerk });
    expect(posts.at(-1)?.url.searchParams.get('APP_SID')).not.toBe(asked.searchParams.get('APP_SID'));
  });

  it('can come with every field changed or left out by the browser', async () => {
    await rest('placement.bind', { PLACEMENT: TAB, HANDLER: `${url}/tab` });
    const change = { PLACEMENT_OPTIONS: '{"ID":"1"}', member_id: null, DOMAIN: 'evil.example' };
    await portal.frames.open({ page: 'tab', entityTypeId: 2, id: deal, change });
    const { url: asked, form } = posts.at(-1)!;
    expect(form.get('PLACEMENT_OPTIONS')).toBe('{"ID":"1"}');
    expect(form.has('member_id')).toBe(false);
    expect(asked.searchParams.get('DOMAIN')).toBe('evil.example');
  });

  it('is not opened for those whom the portal does not show it', async () => {
    const clerk = portal.addUser({ NAME: 'Пётр' });
    const guest = portal.addUser({ USER_TYPE: 'extranet', UF_DEPARTMENT: [] });
    const openAs = (userId: number) => portal.frames.open({ page: 'tab', entityTypeId: 2, id: deal, userId });
    expect(await openAs(1)).toEqual({ refused: 'У карточки нет вкладки приложения' });
    await rest('placement.bind', { PLACEMENT: TAB, HANDLER: `${url}/tab` });
    expect(await openAs(guest)).toHaveProperty('refused');
    expect(await openAs(clerk)).toMatchObject({ status: 200 });
    portal.rights.hide(clerk, 2, deal);
    expect(await openAs(clerk)).toEqual({ refused: 'Доступ запрещен' });
    portal.frames.closeApplication(clerk);
    expect(await portal.frames.open({ page: 'application', userId: clerk })).toHaveProperty('refused');
    expect(await rest('profile', {}, clerk)).toMatchObject({ status: 403, error: 'user_access_error' });
  });

  it('is the installer until the installation is finished, for administrators alone', async () => {
    await portal.uninstall();
    await portal.openInstallerPage(`${url}/install`);
    const clerk = portal.addUser({ NAME: 'Пётр' });
    const request = { page: 'tab', entityTypeId: 2, id: deal } as const;
    expect(await portal.frames.open({ ...request, userId: clerk })).toHaveProperty('refused');
    await portal.frames.open(request);
    expect(posts.at(-1)).toMatchObject({ url: expect.objectContaining({ pathname: '/install' }) });
    expect(posts.at(-1)?.form.get('PLACEMENT')).toBe('DEFAULT');
  });

  it('is its main page when it is opened by itself, with what it was opened with', async () => {
    portal.frames.setMainPage(`${url}/app`);
    await portal.frames.open({ page: 'application', options: { run: '5' } });
    expect(posts.at(-1)?.url.pathname).toBe('/app');
    expect(posts.at(-1)?.form.get('PLACEMENT_OPTIONS')).toBe('{"run":"5"}');
  });

  it('of a robot is told its properties, its values by titles and the fields of the item', async () => {
    portal.addUserField('CRM_DEAL', 'UF_CRM_NUMBER', 'string');
    const activityName = await settingsOf(
      { subject: { Name: { ru: 'Предмет' }, Required: 'Y' }, kind: { Name: 'Вид' } },
      { subject: 'По {=Document:TITLE}', kind: '{=A1_1:id}' },
    );
    await portal.frames.open({ page: 'robot', activityName });
    const { url: asked, form } = posts.at(-1)!;
    expect([asked.pathname, form.get('PLACEMENT')]).toEqual([
      '/settings',
      'BIZPROC_ACTIVITY_PROPERTIES_DIALOG',
    ]);
    expect(JSON.parse(form.get('PLACEMENT_OPTIONS') ?? '')).toMatchObject({
      code: 'make',
      activity_name: activityName,
      properties: { subject: { NAME: { RU: 'Предмет' }, REQUIRED: 'Y' } },
      current_values: { subject: 'По {{Название}}', kind: '{=A1_1:id}' },
      document_type: ['crm', 'CCrmDocumentDeal', 'DEAL'],
      document_fields: { UF_CRM_NUMBER: { Name: 'UF_CRM_NUMBER', Type: 'string' } },
    });
  });
});

/** The script of a rendered page of the portal, on a stage that stands for the browser's window. */
async function hostOf(address: string) {
  const html = await (await fetch(address)).text();
  const config = JSON.parse(/id="frame-config">(.*?)<\/script>/.exec(html)?.[1] ?? '') as Json;
  const heard: string[] = [];
  let listen: (event: object) => Promise<void> = async () => undefined;
  const frame = {
    style: {} as Json,
    offsetWidth: 960,
    offsetHeight: 640,
    contentWindow: { postMessage: (text: string, origin: string) => heard.push(`${origin} ${text}`) },
  };
  const elements: Json = { 'frame-config': { textContent: JSON.stringify(config) }, frame };
  const context = createContext({
    document: { title: '', getElementById: (id: string) => elements[id] ?? null },
    window: {
      addEventListener: (_name: string, to: typeof listen) => {
        listen = to;
      },
      alert: () => undefined,
      location: { reload: () => undefined },
    },
    fetch: (path: string, init: RequestInit) => fetch(new URL(path, portal.url), init),
  });
  runInContext(readFileSync(new URL('../sandbox/portal/frames/host.js', import.meta.url), 'utf8'), context);
  return {
    html,
    frame,
    /** Says a text, or an object, to the portal, and returns what it answers. */
    say: async (data: unknown, origin = url): Promise<string[]> => {
      const told = typeof data === 'string' ? data.replace('SID', config['sid']) : data;
      await listen({ origin, data: told });
      return heard.splice(0);
    },
    sid: config['sid'] as string,
  };
}

describe('the frame of a page', () => {
  const tab = async () => {
    await rest('placement.bind', { PLACEMENT: TAB, HANDLER: `${url}/tab` });
    return hostOf(portal.frames.address({ page: 'tab', entityTypeId: 2, id: deal }));
  };
  const answered = (answers: string[], key: string): Json => {
    expect(answers).toHaveLength(1);
    const [origin, text] = [answers[0]!.slice(0, url.length), answers[0]!.slice(url.length + 1)];
    expect([origin, text.slice(0, key.length + 1)]).toEqual([url, `${key}:`]);
    return JSON.parse(text.slice(key.length + 1)) as Json;
  };

  it('is named by the channel, without a sandbox, filled by a hidden form', async () => {
    const { html, sid } = await tab();
    expect(html).toContain(`name="${new URL(portal.url).host}|0|${sid}"`);
    expect(html).toContain('allow="geolocation *; microphone *; camera *; autoplay *"');
    expect(html).not.toContain('sandbox=');
    expect(html).toContain(`action="${url}/tab?DOMAIN=`);
  });

  it('answers its commands, in both forms of a message', async () => {
    const { say, frame, sid } = await tab();
    expect(answered(await say('getInitData:k1:SID'), 'k1')).toMatchObject({
      PROTOCOL: 0,
      MEMBER_ID: portal.memberId,
      IS_ADMIN: true,
      PLACEMENT: TAB,
    });
    expect(answered(await say('resizeWindow:{"width":"100%","height":640}:k2:SID'), 'k2')).toEqual({
      width: 960,
      height: 640,
    });
    expect(frame.style).toEqual({ width: '100%', height: '640px' });
    const object = { method: 'getInterface', params: {}, callback: 'k3', appSid: sid };
    expect(answered(await say(object), 'k3')).toEqual({ command: ['reloadData'], event: [] });
    expect(answered(await say('openPath:{"path":"/settings/:x"}:k4:SID'), 'k4')).toEqual({
      result: 'error',
      errorCode: 'PATH_NOT_AVAILABLE',
    });
  });

  it('is silent about the unknown, the refused, a wrong origin and a wrong APP_SID', async () => {
    const { say } = await tab();
    for (const text of [
      'nothing:k:SID',
      'setTitle:{"title":"x"}:k:SID',
      'reloadWindow:k:SID',
      'getInitData:k:0',
    ])
      expect(await say(text)).toEqual([]);
    expect(await say('getInitData:k:SID', 'http://evil.example')).toEqual([]);
    portal.misbehave.frames.silent = true;
    expect(await say('getInitData:k:SID')).toEqual([]);
    expect(portal.frames.messages.map(({ command, known }) => [command, known])).toEqual([
      ['nothing', false],
      ['setTitle', false],
      ['reloadWindow', false],
      ['getInitData', true],
    ]);
  });

  it('gives a fresh pair that works and kills the former one, or nothing at all', async () => {
    const { say } = await tab();
    const first = answered(await say('getInitData:k1:SID'), 'k1');
    const fresh = answered(await say('refreshAuth:k2:SID'), 'k2');
    const status = async (auth: unknown) => (await fetch(`${portal.url}/rest/profile?auth=${auth}`)).status;
    expect(await status(fresh['AUTH_ID'])).toBe(200);
    expect(await status(first['AUTH_ID'])).toBe(401);
    portal.misbehave.frames.refreshFails = true;
    expect(await say('refreshAuth:k3:SID')).toEqual([]);
  });

  it('of the application itself takes a title, which a placement refuses', async () => {
    const { say } = await hostOf(portal.frames.address({ page: 'application' }));
    expect(answered(await say('setTitle:{"title":"a:b"}:k1:SID'), 'k1')).toEqual({ title: 'a:b' });
  });
});

describe('the dialog of a robot', () => {
  const save = async (activityName: string, inputs: object[]): Promise<Json> => {
    const { sid } = await hostOf(portal.frames.address({ page: 'robot', activityName }));
    const answer = await fetch(`${portal.url}/frames/${sid}/save`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs }),
    });
    return (await answer.json()) as Json;
  };
  const properties = {
    subject: { Name: 'Предмет', Required: 'Y' },
    Files: { Name: 'Файлы', Multiple: 'Y' },
  };
  const placed = (): Json => portal.world.placed[0]!.properties;

  it('stores what the page wrote as it stands, and leaves alone what it did not', async () => {
    const name = await settingsOf(properties, { subject: 'По {=Document:TITLE}', Files: ['a'] });
    const untouched = { name: 'property_subject', value: 'По {{Название}}', written: false };
    const files = ['b', 'c'].map((value) => ({ name: 'property_files[]', value, written: true }));
    expect(await save(name, [untouched, ...files])).toEqual({});
    expect(placed()).toEqual({ subject: 'По {=Document:TITLE}', Files: ['b', 'c'] });
    await save(name, [{ ...untouched, written: true }]);
    expect(placed()['subject']).toBe('По {{Название}}');
  });

  it('asks for required properties on Save only', async () => {
    const name = await settingsOf(properties, { subject: 'Было' });
    const empty = { name: 'property_subject', value: '', written: true };
    expect(await save(name, [empty])).toEqual({ error: 'Не заполнено поле subject' });
    expect(placed()).toEqual({ subject: 'Было' });
  });

  it('draws the fields itself when no page is bound', async () => {
    const activityName = await settingsOf(properties, { subject: 'Было' });
    await rest('bizproc.robot.update', { CODE: 'make', FIELDS: { USE_PLACEMENT: 'N' } });
    const html = await (await fetch(portal.frames.address({ page: 'robot', activityName }))).text();
    expect(html).toContain('<input name="property_subject" value="Было">');
    expect(html).not.toContain('<iframe');
    expect(await portal.frames.open({ page: 'robot', activityName })).toHaveProperty('refused');
  });

  it('is reached from the page of its stage', async () => {
    const activityName = await settingsOf(properties, { subject: 'Было' });
    const html = await (await fetch(`${portal.url}/frames/stage?stage=NEW`)).text();
    expect(html).toContain(`/frames/robot?activityName=${activityName}`);
  });
});
