import { afterEach, expect, it } from 'vitest';
import { parseRobotCall } from '../../../src/bitrix24/robots/robot-call.ts';
import { fakePortal, installation, installed, MEMBER, refuse, robots } from '../fake-portal.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

const RECEIVED = new Date('2026-09-01T10:00:00Z');

/** A portal that signed every token but those with `forged` in them, and a call with the right application token. */
async function called(eventToken: string) {
  const portal = await fakePortal({
    'bizproc.activity.log': ({ EVENT_TOKEN }) =>
      EVENT_TOKEN.includes('forged')
        ? refuse('ACCESS_DENIED', 403, 'Access denied!')
        : refuse('ERROR_EMPTY_LOG_MESSAGE', 400, 'Empty log message!'),
    'crm.item.get': () => ({ item: { id: 1 } }),
    profile: () => ({ ID: '1' }),
    'bizproc.robot.list': () => robots.map(({ code }) => code),
  });
  open.push(portal);
  const made = await installed(portal, {
    provesCalls: true,
    registered: Object.fromEntries(robots.map(({ code }) => [code, 'x'])),
    registeredAt: '2020-01-01T00:00:00Z',
  });
  const call = parseRobotCall({
    code: 'directum_create_contract',
    document_id: ['crm', 'CCrmDocumentDeal', 'DEAL_1'],
    workflow_id: 'w',
    event_token: eventToken,
    auth: {
      member_id: MEMBER,
      application_token: installation(portal).applicationToken,
      access_token: 'of-the-call',
      refresh_token: 'r',
      user_id: '9',
      server_endpoint: `${portal.origin}/rest/`,
    },
  });
  expect(await made.checkCall(call)).toBe('ok');
  const kept: string[] = [];
  const proof = made.proofOf(
    {
      memberId: MEMBER,
      eventToken,
      workflowId: 'w',
      receivedAt: RECEIVED,
      accepted: false,
      onAccepted: async () => void kept.push(eventToken),
    },
    made.log,
  );
  const outcome = await proof.demand().then(
    () => 'accepted',
    (error: Error) => error.name,
  );
  const spares = () => Object.keys(made.stored.get(MEMBER)?.spares ?? {});
  /** Whether a call of a moment ago is believed to show that the robots are there. */
  const asksForRobots = async () => {
    await made.installedRobots.isThere(MEMBER, 'answer');
    return portal.hits.some(({ method }) => method === 'bizproc.robot.list');
  };
  return { outcome, kept: () => kept.length, spares, asksForRobots, portal, proof };
}

it('a call that the portal signed brings its pair, and shows that robots are there', async () => {
  const { outcome, kept, spares, asksForRobots, portal, proof } = await called('w|A1|genuine');
  expect([outcome, kept(), proof.isForged()]).toEqual(['accepted', 1, false]);
  await expect.poll(spares).toEqual(['9']);
  expect(await asksForRobots()).toBe(false);
  await proof.demand();
  expect(portal.hits.filter(({ method }) => method === 'batch')).toHaveLength(1);
});

it('a forged call brings no pair and shows nothing of the robots', async () => {
  const { outcome, kept, spares, asksForRobots, proof } = await called('w|A1|forged');
  expect([outcome, kept(), proof.isForged()]).toEqual(['ForgedCall', 0, true]);
  expect(await asksForRobots()).toBe(true);
  expect(spares()).toEqual([]);
});
