import { afterAll, beforeAll, expect, it } from 'vitest';
import { addDeal, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.stop());

const CODE = 'directum_create_contract';

let stages = 0;

/** A well-formed call that the portal lost on its way, for tests to spoil and send. */
async function call(properties: Record<string, string> = { subject: 'Поставка' }) {
  const { deal } = addDeal(stand);
  const stage = `C1:I${++stages}`;
  stand.portal.placeRobot(stage, CODE, properties);
  stand.portal.misbehave.dropCalls = true;
  const workflow = await stand.portal.moveItem(2, deal, stage);
  stand.portal.misbehave.dropCalls = false;
  return { deal, form: { ...stand.portal.buildRobotCall(workflow, CODE).form } };
}

async function post(
  path: string,
  form: Record<string, string> | string,
  type = 'application/x-www-form-urlencoded',
) {
  const body = typeof form === 'string' ? form : new URLSearchParams(form).toString();
  const response = await fetch(`${stand.url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': type },
    body,
  });
  return response.status;
}

const contracts = () => stand.directum.all('IContracts').length;

it('takes a call as a form and as JSON', async () => {
  const start = contracts();
  expect(await post(`/bitrix24/robots/${CODE}`, (await call()).form)).toBe(200);
  await expect.poll(contracts, { timeout: 10_000 }).toBe(start + 1);
  const { form } = await call();
  const json = {
    code: form['code'],
    event_token: form['event_token'],
    workflow_id: form['workflow_id'],
    document_id: [form['document_id[0]'], form['document_id[1]'], form['document_id[2]']],
    properties: { subject: 'Поставка' },
    use_subscription: 'Y',
    auth: { member_id: form['auth[member_id]'], application_token: form['auth[application_token]'] },
  };
  const before = contracts();
  expect(await post(`/bitrix24/robots/${CODE}`, JSON.stringify(json), 'application/json')).toBe(200);
  await expect.poll(contracts, { timeout: 10_000 }).toBe(before + 1);
});

it.each([
  ['an unknown robot', 404, '/bitrix24/robots/directum_fly', (form: Record<string, string>) => form],
  [
    'a body of more than 1 MiB',
    413,
    `/bitrix24/robots/${CODE}`,
    (form: Record<string, string>) => ({ ...form, 'properties[subject]': 'x'.repeat(1_100_000) }),
  ],
  [
    'another code in the body',
    400,
    `/bitrix24/robots/${CODE}`,
    (form: Record<string, string>) => ({ ...form, code: 'directum_sync_counterparty' }),
  ],
  [
    'no event token',
    400,
    `/bitrix24/robots/${CODE}`,
    ({ event_token: _, ...form }: Record<string, string>) => form,
  ],
  [
    'no document',
    400,
    `/bitrix24/robots/${CODE}`,
    (form: Record<string, string>) =>
      Object.fromEntries(Object.entries(form).filter(([key]) => !key.startsWith('document_id'))),
  ],
  [
    'an unknown portal',
    403,
    `/bitrix24/robots/${CODE}`,
    (form: Record<string, string>) => ({ ...form, 'auth[member_id]': 'f'.repeat(32) }),
  ],
  [
    'no portal',
    403,
    `/bitrix24/robots/${CODE}`,
    ({ 'auth[member_id]': _, ...form }: Record<string, string>) => form,
  ],
  [
    'a forged application token',
    403,
    `/bitrix24/robots/${CODE}`,
    (form: Record<string, string>) => ({ ...form, 'auth[application_token]': 'f'.repeat(32) }),
  ],
  [
    'no application token',
    403,
    `/bitrix24/robots/${CODE}`,
    ({ 'auth[application_token]': _, ...form }: Record<string, string>) => form,
  ],
])('answers %s with %i and does nothing', async (_name, status, path, spoil) => {
  const before = contracts();
  expect(await post(path, spoil((await call()).form))).toBe(status);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(contracts()).toBe(before);
});

it('reads a form by whatever name its type goes', async () => {
  const before = contracts();
  for (const type of ['', 'application/x-www-form-urlencoded; charset=utf8', 'text/plain;charset=UTF-8'])
    expect(await post(`/bitrix24/robots/${CODE}`, (await call()).form, type)).toBe(200);
  await expect.poll(contracts, { timeout: 10_000 }).toBe(before + 3);
});

it('is too large for it by size, not by type or by the number of fields', async () => {
  const many = Array.from({ length: 30_000 }, (_, index) => `k${index}=1`).join('&');
  expect(await post(`/bitrix24/robots/${CODE}`, many)).toBe(400);
  expect(await post(`/bitrix24/robots/${CODE}`, 'x'.repeat(1_100_000), 'text/plain')).toBe(413);
  expect(await post('/bitrix24/robots/directum_fly', 'x'.repeat(1_100_000), 'text/plain')).toBe(404);
  expect(await post('/bitrix24/robots/%E0', 'x')).toBe(404);
});

it('answers rubbish with 400', async () => {
  expect(await post(`/bitrix24/robots/${CODE}`, '{"a":', 'application/json')).toBe(400);
  expect(await post(`/bitrix24/robots/${CODE}`, 'nothing of a form', 'text/plain')).toBe(400);
  expect(await post(`/bitrix24/robots/${CODE}`, '')).toBe(400);
});

it('ignores the address fields of a call', async () => {
  const { form } = await call();
  form['auth[domain]'] = 'evil.example';
  form['auth[client_endpoint]'] = 'http://127.0.0.1:9/rest/';
  form['auth[server_endpoint]'] = 'http://127.0.0.1:9/rest/';
  const before = contracts();
  expect(await post(`/bitrix24/robots/${CODE}`, form)).toBe(200);
  await expect.poll(contracts, { timeout: 10_000 }).toBe(before + 1);
});

it('answers probes of the marketplace and of the orchestrator', async () => {
  for (const path of ['/bitrix24/install', `/bitrix24/robots/${CODE}`, '/bitrix24/events']) {
    const response = await fetch(`${stand.url}${path}`);
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect((await fetch(`${stand.url}${path}`, { method: 'HEAD' })).status).toBe(200);
  }
  expect((await fetch(`${stand.url}/healthz`)).status).toBe(200);
  expect((await fetch(`${stand.url}/metrics`)).status).toBe(404);
  const ready = await fetch(`${stand.url}/readyz`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toEqual({
    ready: true,
    database: 'ok',
    spool: { state: 'ok', waiting: 0 },
    directum: 'ok',
    portals: { total: 1, ok: 1 },
  });
});

it('does the work of a step that does not wait and tells nobody but the timeline', async () => {
  const { form: good } = await call({ subject: 'Без ожидания' });
  good['use_subscription'] = 'N';
  const { form: bad, deal } = await call({ subject: 'x', amount: 'много' });
  bad['use_subscription'] = 'N';
  const before = contracts();
  expect(await post(`/bitrix24/robots/${CODE}`, good)).toBe(200);
  expect(await post(`/bitrix24/robots/${CODE}`, bad)).toBe(200);
  await expect.poll(contracts, { timeout: 10_000 }).toBe(before + 1);
  const comments = () => stand.portal.timeline(2, deal).map((entry) => entry.comment);
  await expect.poll(() => comments().join(), { timeout: 10_000 }).toContain('Сумма');
  // Its token was only asked about.
  const answered = stand.portal.journal.filter(
    ({ method, params }) =>
      method === 'bizproc.event.send' && JSON.stringify(params).includes(String(good['event_token'])),
  );
  expect(answered).toEqual([]);
});

it('keeps calls over a restart', async () => {
  stand.directum.misbehave.down = true;
  const before = contracts();
  expect(await post(`/bitrix24/robots/${CODE}`, (await call()).form)).toBe(200);
  await stand.restart();
  stand.directum.misbehave.down = false;
  await expect.poll(contracts, { timeout: 25_000 }).toBe(before + 1);
}, 40_000);
