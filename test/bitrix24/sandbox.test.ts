import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterEach, expect, it } from 'vitest';
import type { InstallationStore } from '../../src/bitrix24/auth/installation.ts';
import { createPortals } from '../../src/bitrix24/portals.ts';
import { parseItemRef, parseRobotCall, type RobotCall } from '../../src/bitrix24/robots/robot-call.ts';
import { type Portal, startPortal } from '../sandbox/portal/portal.ts';
import { CARD, deal } from './deal-stand.ts';
import { memoryLocks, PROVEN } from './fake-portal.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const CONFIG = { clientId: 'local.sandbox.1', clientSecret: 'sandbox-secret' };

/** Our portal side behind a real door, and the sandbox portal in front of it. */
async function journey() {
  const portal: Portal = await startPortal({ ...CONFIG, rate: { perSecond: 1_000, bucket: 1_000 } });
  stops.push(() => portal.stop());
  const app = express();
  app.use(express.urlencoded({ extended: true, limit: '1mb', parameterLimit: 10_000 }));
  const server: Server = app.listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const publicUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const rows = new Map<string, string>();
  const store: InstallationStore = {
    get: async (id) => (rows.has(id) ? JSON.parse(rows.get(id) as string) : undefined),
    set: async (id, row) => void rows.set(id, JSON.stringify(row)),
    list: async () => [...rows.values()].map((row) => JSON.parse(row)),
  };
  const lines: string[] = [];
  const refreshes: unknown[] = [];
  const write = (event: string, facts?: unknown) => void lines.push(JSON.stringify([event, facts]));
  const portals = createPortals({
    config: { ...CONFIG, publicUrl, portals: [portal.url], oauthServers: [portal.oauthUrl] },
    store,
    locks: memoryLocks(),
    portalRate: { take: async () => {} },
    robots: () => [
      {
        code: 'directum_test',
        fields: {
          NAME: { ru: 'Тест', en: 'Test' },
          USE_SUBSCRIPTION: 'Y',
          PROPERTIES: { subject: { Name: { ru: 'Предмет', en: 'Subject' }, Type: 'string', Required: 'Y' } },
          RETURN_PROPERTIES: {
            document_id: { Name: { en: 'Id' }, Type: 'int' },
            ok: { Name: { en: 'Ok' }, Type: 'bool' },
          },
          FILTER: { INCLUDE: [['crm', 'CCrmDocumentDeal']] },
        },
      },
    ],
    now: () => new Date(),
    log: { debug: write, info: write, warn: write, error: write },
    onRefreshAsked: (refresh) => void refreshes.push(refresh),
  });
  const calls: RobotCall[] = [];
  const outcomes: unknown[] = [];
  app.post('/bitrix24/install', async (req, res) => {
    if (req.body.event) {
      const outcome = await portals.installer.handleEvent(req.body);
      res.status(outcome.result === 'ok' ? 200 : 403).end();
    } else {
      const { status, html } = await portals.installer.openPage(req.query, req.body);
      res.status(status).send(html);
    }
  });
  app.post('/bitrix24/events', async (req, res) => {
    const outcome = await portals.installer.handleEvent(req.body);
    outcomes.push(outcome);
    res.status(outcome.result === 'ok' ? 200 : 403).end();
  });
  app.post('/bitrix24/robots/:code', async (req, res) => {
    const call = parseRobotCall(req.body);
    if ((await portals.checkCall(call)) === 'ok') calls.push(call);
    res.status(200).end();
  });
  return { portal, portals, calls, outcomes, refreshes, lines, installUrl: `${publicUrl}/bitrix24/install` };
}

it('installs by the page, takes a call, reads the deal and answers it', async () => {
  const { portal, portals, calls, lines, installUrl } = await journey();
  const { status, html } = await portal.openInstallerPage(installUrl, { withApplicationToken: false });
  expect([status, html]).toEqual([200, expect.stringContaining('installFinish')]);
  expect(portals.installations.get(portal.memberId)?.applicationToken).toBeNull();
  await portal.finishInstall();
  await portal.settled();
  expect(portals.installations.get(portal.memberId)?.applicationToken).toBe(portal.applicationToken);
  expect(portal.isOffered('directum_test', 2)).toBe(true);
  expect(portal.isOffered('directum_test', 1)).toBe(false);

  const companyId = portal.addCompany({ title: 'ООО Ромашка' });
  portal.addRequisite({ ENTITY_TYPE_ID: 4, ENTITY_ID: companyId, RQ_INN: '7700000000' });
  const dealId = portal.addItem(2, {
    title: 'Станок',
    companyId,
    opportunity: 100,
    currencyId: 'RUB',
    assignedById: 1,
  });
  portal.placeRobot('C0:TEST', 'directum_test', { subject: 'Поставка' });
  const before = portal.journal.length;
  const workflowId = await portal.moveItem(2, dealId, 'C0:TEST');
  await portal.settled();
  expect(calls).toHaveLength(1);
  const call = calls[0] as RobotCall;
  expect(call).toMatchObject({ properties: { subject: 'Поставка' }, useSubscription: true });

  const ref = parseItemRef(call.documentId);
  const snapshot = await portals
    .reader(call.memberId, ref!, { debug() {}, info() {}, warn() {}, error() {} }, PROVEN)
    .read();
  expect(snapshot).toMatchObject({
    title: 'Станок',
    amount: 100,
    party: { kind: 'company', id: companyId, requisite: { inn: '7700000000' } },
  });
  expect(
    portal.journal
      .slice(before)
      .filter(({ viaBatch }) => !viaBatch)
      .map(({ method }) => method),
  ).toEqual(['batch']);

  const answer = { eventToken: call.eventToken, values: { document_id: 4711, ok: 'Y' } };
  expect(await portals.answers.send(call.memberId, [answer], 'answer')).toEqual(['sent']);
  expect((await portal.waitForStep(workflowId, 'directum_test', 2_000)).outputs).toMatchObject({ ok: 'Y' });
  const secrets = [portal.applicationToken, call.tokens?.access, call.tokens?.refresh, call.eventToken];
  for (const secret of secrets) expect(lines.join('\n')).not.toContain(secret);
});

it('installs by the event, registers again after an update and lets go after removal', async () => {
  const { portal, portals, outcomes, installUrl } = await journey();
  expect(await portal.install(installUrl)).toMatchObject({ status: 200 });
  await portal.settled();
  await portal.update();
  await portal.settled();
  expect(outcomes.at(-1)).toEqual({ result: 'ok' });
  expect(portal.isOffered('directum_test', 2)).toBe(true);
  await portal.uninstall({ clean: true });
  await portal.settled();
  expect(outcomes.at(-1)).toEqual({ result: 'ok', removal: true });
  const tidied: unknown[] = [];
  portals.removals.check(async (removed) => void tidied.push(removed));
  await portals.removals.stop();
  expect(tidied).toEqual([{ memberId: portal.memberId, portalKey: portal.memberId, clean: true }]);
  expect(portals.installations.get(portal.memberId)).toMatchObject({ state: 'uninstalled', tokens: null });
});

it('goes on after access tokens have expired', async () => {
  const { portal, portals, installUrl } = await journey();
  await portal.install(installUrl);
  await portal.settled();
  for (const grant of portal.world.access.values()) grant.expiresAt = 0;
  const answers = await Promise.all([1, 2, 3].map(() => portals.rest.call(portal.memberId, 'profile', {})));
  expect(answers).toHaveLength(3);
  expect(portal.journal.filter(({ method }) => method === 'oauth.token')).toHaveLength(1);
});

it('registers triggers and fields with the robots, and again after an update', async () => {
  const { portal, portals, lines, installUrl } = await journey();
  await portal.install(installUrl);
  await portal.settled();
  const { triggers, userFields } = portal.world;
  expect(triggers.get('directum_signed_us')).toBe('Directum: договор подписан нами');
  expect(triggers.size).toBe(16);
  expect(userFields.map(({ entityId, fieldName, userTypeId }) => [entityId, fieldName, userTypeId])).toEqual([
    ['CRM_DEAL', 'UF_CRM_DIRECTUM_STATUS', 'enumeration'],
    ['CRM_DEAL', 'UF_CRM_DIRECTUM_ID', 'integer'],
    ['CRM_DEAL', 'UF_CRM_DIRECTUM_URL', 'url'],
    ['CRM_DEAL', 'UF_CRM_DIRECTUM_NUMBER', 'string'],
    ['CRM_DEAL', 'UF_CRM_DIRECTUM_SINCE', 'datetime'],
  ]);
  const status = userFields[0]?.list.find(({ xmlId }) => xmlId === 'signed_both');
  expect(portals.installations.get(portal.memberId)?.fields?.[2]?.items.signed_both).toBe(status?.id);

  triggers.clear();
  portal.world.userFields.length = 2;
  await portal.update();
  await portal.settled();
  expect(triggers.size).toBe(16);
  expect(portal.world.userFields).toHaveLength(5);
  expect(lines.join()).not.toContain('registration.incomplete');
});

it('robots are registered where triggers and fields are not, and the page says why', async () => {
  const { portal, portals, installUrl } = await journey();
  portal.misbehave.missingMethods.add('crm.automation.trigger.list');
  portal.misbehave.removeScopes('userfieldconfig');
  const { html } = await portal.openInstallerPage(installUrl);
  expect(html).toContain('installFinish');
  expect(html).toContain('Триггеры Directum не добавлены. На тарифе или в версии портала');
  expect(html).toContain('Поля Directum не добавлены. Приложению не выдано право userfieldconfig');
  expect(portal.robots()).toEqual(['directum_test']);
  expect(portals.installations.get(portal.memberId)?.registeredAt).toBeDefined();
  expect(portal.world.userFields).toEqual([]);
});

it('tells of a click on "refresh now", but not of a forged one', async () => {
  const { portal, portals, outcomes, refreshes, installUrl } = await journey();
  await portal.install(installUrl);
  await portal.settled();
  const item = deal(portal.addItem(2, { title: 'Станок' }));
  const deals = portals.deals(portal.memberId);
  const [put] = await deals.putActivities([{ item, activityId: null, card: CARD }]);
  const activityId = put?.ok ? (put.id as number) : 0;
  const asked = { memberId: portal.memberId, documentId: 4711 };
  await portal.clickActivity(activityId, 'refresh');
  expect(outcomes.at(-1)).toEqual({ result: 'ok' });
  expect(refreshes).toEqual([asked]);
  await portal.clickActivity(activityId, 'open');
  portal.world.applicationToken = 'forged';
  await portal.clickActivity(activityId, 'refresh');
  expect(outcomes.at(-1)).toEqual({ result: 'forbidden' });
  expect(refreshes).toHaveLength(1);
});
