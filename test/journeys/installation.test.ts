import { afterEach, expect, it } from 'vitest';
import { freePort } from '../sandbox/package-settings.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
afterEach(() => stand.stop());

const CODE = 'directum_create_contract';
const create = (deal: number) => runStep(stand, deal, CODE, { subject: 'Поставка' });
const ready = async () =>
  (await (await fetch(`${stand.url}/readyz`)).json()) as { portals: { total: number; ok: number } };
const page = () => stand.portal.openInstallerPage(`${stand.url}/bitrix24/install`);

it('installs by the page: events bound, robots registered, then installFinish', async () => {
  stand = await startStand({ install: false });
  const opened = await page();
  expect(opened.status).toBe(200);
  expect(opened.html).toContain('BX24.installFinish');
  const methods = stand.portal.journal.map((entry) => entry.method);
  expect(methods.indexOf('event.bind')).toBeGreaterThan(-1);
  expect(methods.indexOf('event.bind')).toBeLessThan(methods.indexOf('bizproc.robot.add'));
  await stand.portal.finishInstall();
  const { deal } = addDeal(stand);
  expect(await create(deal)).toMatchObject({ ok: 'Y' });
});

it('offers the installation again when it failed half-way', async () => {
  stand = await startStand({ install: false });
  stand.portal.misbehave.next({
    method: 'bizproc.robot.add',
    status: 400,
    body: { error: 'ERROR_ACTIVITY_ADD_FAILURE', error_description: 'Activity save error!' },
    // The check of the registration, which goes on beside the page, meets it too.
    times: 100,
  });
  const failed = await page();
  expect(failed.html).toContain('directum_create_contract');
  expect(failed.html).not.toMatch(/^\s*BX24\.installFinish\(\);?\s*$/m);
  stand.portal.misbehave.reset();
  const again = await page();
  expect(again.html).toContain('BX24.installFinish');
  await stand.portal.finishInstall();
  const { deal } = addDeal(stand);
  expect(await create(deal)).toMatchObject({ ok: 'Y' });
});

it('stores nothing of a forged installation', async () => {
  stand = await startStand({ install: false });
  const form = {
    event: 'ONAPPINSTALL',
    'data[VERSION]': '1',
    'auth[access_token]': 'f'.repeat(70),
    'auth[refresh_token]': 'f'.repeat(70),
    'auth[expires_in]': '3600',
    'auth[domain]': '127.0.0.1',
    'auth[client_endpoint]': `${stand.portal.url}/rest/`,
    'auth[server_endpoint]': `${stand.portal.url}/rest/`,
    'auth[member_id]': stand.portal.memberId,
    'auth[application_token]': 'f'.repeat(32),
  };
  const post = (changes: Record<string, string>) =>
    fetch(`${stand.url}/bitrix24/install`, {
      method: 'POST',
      body: new URLSearchParams({ ...form, ...changes }),
    }).then((response) => response.status);
  expect(await post({})).toBe(403);
  expect(await post({ 'auth[client_endpoint]': 'http://127.0.0.1:9/rest/' })).toBe(403);
  expect(await ready()).toMatchObject({ portals: { total: 0 } });
});

it('registers the robots again after an update of the application', async () => {
  stand = await startStand();
  await stand.portal.update();
  await expect.poll(() => [...stand.portal.robots()].length, { timeout: 10_000 }).toBeGreaterThan(1);
  const { deal } = addDeal(stand);
  expect(await create(deal)).toMatchObject({ ok: 'Y' });
});

it('refuses calls after removal, keeps the contract over a new installation, and finds it after CLEAN', async () => {
  stand = await startStand();
  const { deal } = addDeal(stand);
  const first = await create(deal);
  expect(first).toMatchObject({ created: 'Y' });
  for (const clean of [false, true]) {
    await stand.portal.uninstall({ clean });
    await expect.poll(async () => (await ready()).portals.total, { timeout: 10_000 }).toBe(0);
    expect((await stand.portal.install(`${stand.url}/bitrix24/install`)).status).toBe(200);
    expect(await create(deal)).toMatchObject({ ok: 'Y', created: 'N', document_id: first['document_id'] });
  }
});

it('follows the portal to its new listed address', async () => {
  const moved = `http://127.0.0.1:${await freePort()}`;
  const first = `http://127.0.0.1:${await freePort()}`;
  const portal = { port: Number(new URL(first).port) };
  stand = await startStand({ portal, settings: { BITRIX24_PORTALS: `${first},${moved}` } });
  const { deal } = addDeal(stand);
  await stand.portal.misbehave.renameTo(moved);
  expect(await create(deal)).toMatchObject({ ok: 'Y' });
});

it('pauses a portal whose refresh token is refused and goes on after a new authorisation', async () => {
  stand = await startStand();
  stand.portal.misbehave.withoutTokens = true;
  stand.portal.misbehave.killRefreshTokens();
  stand.portal.misbehave.expireAccessTokens();
  const { deal } = addDeal(stand);
  stand.portal.placeRobot('C1:PAUSE', CODE, { subject: 'Пауза' });
  const workflow = await stand.portal.moveItem(2, deal, 'C1:PAUSE');
  await expect.poll(async () => (await ready()).portals, { timeout: 15_000 }).toEqual({ total: 1, ok: 0 });
  stand.portal.misbehave.withoutTokens = false;
  expect((await stand.portal.install(`${stand.url}/bitrix24/install`)).status).toBe(200);
  const step = await stand.portal.waitForStep(workflow, CODE, 25_000);
  expect(step.outputs).toMatchObject({ ok: 'Y' });
}, 60_000);
