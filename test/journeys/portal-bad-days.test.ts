import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { startService } from '../../src/service.ts';
import { freePort } from '../sandbox/package-settings.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

const CREATE = 'directum_create_contract';
let stand: Stand;
let listed: string;
beforeAll(async () => {
  const port = await freePort();
  listed = `http://127.0.0.1:${await freePort()}`;
  stand = await startStand({
    portal: { port },
    settings: { BITRIX24_PORTALS: `http://127.0.0.1:${port}`, OPS_TOKEN: 'ops-token-1' },
  });
});
afterAll(() => stand.stop());
afterEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

let stages = 0;
/** A deal enters a stage; its step is looked at later. */
async function enter(options: { authUserId?: number } = {}) {
  const { deal } = addDeal(stand);
  const stage = `C1:P${++stages}`;
  stand.portal.placeRobot(stage, CREATE, { subject: 'Поставка' }, options);
  return { deal, workflow: await stand.portal.moveItem(2, deal, stage) };
}
const answered = async (workflow: string, ms = 25_000) =>
  (await stand.portal.waitForStep(workflow, CREATE, ms)).outputs;
const logged = (text: string, from = 0) => stand.lines.slice(from).some((line) => line.includes(text));
const refreshes = () => stand.portal.journal.filter(({ method }) => method === 'oauth.token').length;
const ready = async () =>
  (await (await fetch(`${stand.url}/readyz`)).json()) as { portals: { total: number; ok: number } };
const whole = { ok: 'Y', error_code: '' };

it('a token that expires inside a batch is renewed once, for what was read and for what is answered', async () => {
  const expired = { status: 401, body: { error: 'expired_token', error_description: 'expired' } };
  stand.portal.misbehave.next({ method: 'crm.item.get', ...expired });
  const { workflow } = await enter();
  expect(await answered(workflow)).toMatchObject(whole);
  // What was refused inside the batch was asked again alone, in the same attempt.
  expect(logged('run.postponed')).toBe(false);

  const before = refreshes();
  stand.directum.misbehave.down = true;
  const steps = [await enter(), await enter(), await enter()];
  await expect.poll(() => logged('run.postponed')).toBe(true);
  stand.portal.misbehave.next({ method: 'bizproc.event.send', ...expired });
  stand.directum.misbehave.down = false;
  for (const one of steps) expect(await answered(one.workflow)).toMatchObject(whole);
  expect(refreshes() - before).toBeLessThanOrEqual(1);
}, 60_000);

it('two services on one database renew an expired pair once', async () => {
  const port = await freePort();
  const second = await startService(parseConfig({ ...stand.env, PORT: String(port) }), {
    log: createLog('info', () => undefined),
    now: () => new Date(),
    random: () => 0,
  });
  try {
    stand.portal.misbehave.expireAccessTokens();
    const before = refreshes();
    stand.portal.misbehave.dropCalls = true;
    const steps = [];
    for (let n = 0; n < 8; n++) steps.push(await enter());
    stand.portal.misbehave.withoutTokens = true;
    const statuses = await Promise.all(
      steps.map(({ workflow }, n) => {
        const { form } = stand.portal.buildRobotCall(workflow, CREATE);
        const origin = n % 2 === 0 ? stand.url : `http://127.0.0.1:${port}`;
        const body = new URLSearchParams(form);
        return fetch(`${origin}/bitrix24/robots/${CREATE}`, { method: 'POST', body }).then(
          ({ status }) => status,
        );
      }),
    );
    expect(statuses).toEqual(statuses.map(() => 200));
    for (const { workflow } of steps) expect(await answered(workflow)).toMatchObject(whole);
    expect(refreshes() - before).toBe(1);
    expect(await ready()).toMatchObject({ portals: { total: 1, ok: 1 } });
  } finally {
    await second.stop();
  }
}, 60_000);

it('nothing without proof takes over a living installation, and nothing with a wrong secret removes it', async () => {
  const post = (path: string, event: string, auth: Record<string, string>) =>
    fetch(`${stand.url}/bitrix24/${path}`, {
      method: 'POST',
      body: new URLSearchParams({
        event,
        'data[LANGUAGE_ID]': 'ru',
        'auth[member_id]': stand.portal.memberId,
        'auth[client_endpoint]': `${stand.portal.url}/rest/`,
        'auth[server_endpoint]': `${stand.portal.url}/rest/`,
        ...auth,
      }),
    }).then(({ status }) => status);
  const stranger = { 'auth[access_token]': 'f'.repeat(70), 'auth[refresh_token]': 'f'.repeat(70) };
  const secret = { 'auth[application_token]': 'f'.repeat(32) };
  expect(await post('install', 'ONAPPINSTALL', { ...stranger, ...secret })).toBe(403);
  expect(await post('events', 'ONAPPUNINSTALL', secret)).toBe(403);
  expect(await post('events', 'ONAPPUPDATE', { ...stranger, ...secret })).toBe(403);
  // A simple user of the portal proves no right to install.
  const user = stand.portal.addUser({ NAME: 'Пётр', LAST_NAME: 'Простой', EMAIL: 'p@acme.example' });
  const own = { 'auth[access_token]': stand.portal.tokens(user).accessToken, 'auth[refresh_token]': 'x' };
  expect(await post('install', 'ONAPPINSTALL', { ...own, ...secret })).toBe(403);
  const { workflow } = await enter();
  expect(await answered(workflow)).toMatchObject(whole);
});

it('a portal that moved to an address nobody listed gets nothing there, and is answered once it is listed', async () => {
  await stand.portal.misbehave.renameTo(listed);
  const { workflow } = await enter();
  await expect.poll(() => logged('portal.moved_elsewhere'), { timeout: 10_000 }).toBe(true);
  const arrived = () =>
    stand.portal.journal.filter(({ status, method }) => status === 200 && method === 'batch').length;
  const before = arrived();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(arrived()).toBe(before);
  stand.env['BITRIX24_PORTALS'] = `${stand.env['BITRIX24_PORTALS']},${listed}`;
  await stand.restart();
  expect(await answered(workflow)).toMatchObject(whole);
}, 60_000);

it('a dismissed installer is replaced by the pair of a colleague that came with a call, and the operator is told', async () => {
  const colleague = stand.portal.addUser({
    NAME: 'Ольга',
    LAST_NAME: 'Орлова',
    EMAIL: 'o@acme.example',
    ADMIN: true,
  });
  expect(await answered((await enter({ authUserId: colleague })).workflow)).toMatchObject(whole);
  Object.assign(stand.portal.world.users.get(1) ?? {}, { ACTIVE: false });
  const from = stand.lines.length;
  stand.portal.misbehave.withoutTokens = true;
  expect(await answered((await enter()).workflow)).toMatchObject(whole);
  expect(stand.lines.slice(from).find((line) => line.includes('token.replaced'))).toContain(
    'authorization_error',
  );
  expect(await ready()).toMatchObject({ portals: { total: 1, ok: 1 } });
  Object.assign(stand.portal.world.users.get(1) ?? {}, { ACTIVE: true });
}, 60_000);

it('without any living pair the portal is paused, calls are still taken, and all is done after a new authorisation', async () => {
  const from = stand.lines.length;
  stand.portal.misbehave.withoutTokens = true;
  stand.portal.misbehave.killRefreshTokens();
  stand.portal.misbehave.expireAccessTokens();
  const steps = [await enter()];
  await expect.poll(async () => (await ready()).portals, { timeout: 15_000 }).toEqual({ total: 1, ok: 0 });
  expect(logged('installation.paused', from)).toBe(true);
  steps.push(await enter());
  await stand.portal.settled();
  expect(stand.portal.deliveries.slice(-2).map(({ status }) => status)).toEqual([200, 200]);
  stand.portal.misbehave.withoutTokens = false;
  expect((await stand.portal.install(`${stand.url}/bitrix24/install`)).status).toBe(200);
  for (const { workflow } of steps) expect(await answered(workflow, 40_000)).toMatchObject(whole);
}, 90_000);

it('an application that was removed ends its open runs; installed again, the old contract is found', async () => {
  const { deal, workflow } = await enter();
  const first = await answered(workflow);
  stand.directum.misbehave.down = true;
  const open = await enter();
  await stand.portal.settled();
  const from = stand.lines.length;
  await stand.portal.uninstall({ clean: true });
  await expect.poll(() => logged('portal.uninstalled', from), { timeout: 10_000 }).toBe(true);
  stand.directum.misbehave.down = false;
  expect((await stand.portal.install(`${stand.url}/bitrix24/install`)).status).toBe(200);
  const again = await runStep(stand, deal, CREATE, { subject: 'Поставка' }, 30_000);
  expect(again).toMatchObject({ ok: 'Y', created: 'N', document_id: first['document_id'] });
  // Longer than any pause that the few attempts made so far would bring.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(stand.portal.step(open.workflow, CREATE).answers).toBe(0);
  const metrics = await fetch(`${stand.url}/metrics`, { headers: { authorization: 'Bearer ops-token-1' } });
  expect(await metrics.text()).toContain(`runs_total{robot="${CREATE}",ending="cancelled"} 1`);
}, 60_000);
