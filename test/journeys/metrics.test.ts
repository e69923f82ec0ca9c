import { afterAll, beforeAll, expect, it } from 'vitest';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { OPS_TOKEN: 'canary-ops-token' } });
});
afterAll(() => stand.stop());

const metrics = (authorization: string) => fetch(`${stand.url}/metrics`, { headers: { authorization } });

it('counts the calls that are refused, whatever they are refused for', async () => {
  const post = (
    body: string,
    type = 'application/x-www-form-urlencoded',
    code = 'directum_create_contract',
  ) =>
    fetch(`${stand.url}/bitrix24/robots/${code}`, {
      method: 'POST',
      headers: { 'Content-Type': type },
      body,
    });
  await post('x'.repeat(1_100_000));
  await post('{"a":', 'application/json');
  await post('code=other');
  await post('x', undefined, 'directum_fly');
  const text = await (await metrics('Bearer canary-ops-token')).text();
  expect(text.match(/^directum_robots_calls_total\{.*$/gm)).toEqual([
    'directum_robots_calls_total{robot="directum_create_contract",result="bad"} 3',
  ]);
});

it('shows the promised metrics to the bearer of the token only, without hosts and member ids', async () => {
  const { deal } = addDeal(stand);
  await runStep(stand, deal, 'directum_create_contract', { subject: 'x' });
  expect((await metrics('Bearer wrong')).status).toBe(401);
  const response = await metrics('Bearer canary-ops-token');
  expect(response.status).toBe(200);
  const text = await response.text();
  const names = [
    'calls_total',
    'runs_total',
    'run_seconds',
    'queue_age_seconds',
    'answers_pending',
    'spool_calls',
    'waits',
    'watched_documents',
    'directum_request_seconds',
    'directum_errors_total',
    'portal_request_seconds',
    'portal_budget_left',
    'portal_paused',
    'token_refreshes_total',
    'oldest_unanswered_seconds',
  ];
  for (const name of names) expect(text).toContain(`directum_robots_${name}`);
  expect(text).toMatch(/directum_robots_runs_total\{robot="directum_create_contract",ending="done"\} 1/);
  expect(text).toMatch(/directum_robots_portal_paused\{portal="[0-9a-f]{8}"\} 0/);
  expect(text).not.toContain(stand.portal.memberId);
  expect(text).not.toContain('127.0.0.1');
});
