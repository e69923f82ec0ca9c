import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addDeal, runStep, type Stand, startStand } from '../journeys/stand.ts';

/** OWASP API7 Server Side Request Forgery: nothing is sent to an address that is not in the settings. */
const CODE = 'directum_create_contract';
let stand: Stand;
let trap: Server;
let url: string;
const caught: string[] = [];

beforeAll(async () => {
  trap = createServer((request, response) => {
    caught.push(`${request.method} ${request.url}`);
    response.end('{"result":true}');
  });
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(trap.address() as AddressInfo).port}`;
  stand = await startStand();
});
afterAll(async () => {
  await stand.stop();
  trap.close();
});

it('addresses that a genuine call brings are not called', async () => {
  const { deal } = addDeal(stand);
  stand.portal.misbehave.dropCalls = true;
  stand.portal.placeRobot('C1:S', CODE, { subject: 'Адреса' });
  const workflow = await stand.portal.moveItem(2, deal, 'C1:S');
  stand.portal.misbehave.dropCalls = false;
  const { form } = stand.portal.buildRobotCall(workflow, CODE);
  const host = new URL(url).host;
  const lied: Record<string, string> = {
    ...form,
    'auth[domain]': host,
    'auth[client_endpoint]': `${url}/rest/`,
    'auth[server_endpoint]': `${url}/rest/`,
  };
  const answer = await fetch(`${stand.url}/bitrix24/robots/${CODE}`, {
    method: 'POST',
    body: new URLSearchParams(lied),
  });
  expect(answer.status).toBe(200);
  expect((await stand.portal.waitForStep(workflow, CODE, 15_000)).outputs).toMatchObject({ ok: 'Y' });
  stand.portal.misbehave.expireAccessTokens();
  expect(
    await runStep(stand, addDeal(stand).deal, CODE, { subject: 'После обновления токена' }),
  ).toMatchObject({ ok: 'Y' });
  expect(caught).toEqual([]);
});

it('a portal or a Directum that points elsewhere is not followed there', async () => {
  const headers = { location: `${url}/moved` };
  stand.portal.misbehave.next({ status: 302, headers });
  stand.directum.misbehave.next({ verb: 'GET', path: /./, status: 307, headers, body: 'moved' });
  const { deal } = addDeal(stand, {
    requisite: { RQ_INN: '7707083893', RQ_KPP: '773601001', RQ_COMPANY_NAME: 'Б' },
  });
  const outputs = await runStep(stand, deal, CODE, { subject: 'Переезд' }, 40_000);
  expect(outputs['ok']).toMatch(/^[YN]$/);
  const page = new URLSearchParams({ AUTH_ID: 'x', REFRESH_ID: 'y', member_id: 'f'.repeat(32) });
  const opened = await fetch(`${stand.url}/bitrix24/install?DOMAIN=${new URL(url).host}&PROTOCOL=0&LANG=ru`, {
    method: 'POST',
    body: page,
  });
  expect(opened.status).toBe(403);
  expect(caught).toEqual([]);
}, 60_000);
