import { afterAll, beforeAll, expect, it } from 'vitest';
import { lostCalls, type Stand, startStand } from './stand.ts';

const CODE = 'directum_create_contract';
let stand: Stand;

beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_CONCURRENCY: '2' } });
}, 60_000);
afterAll(() => stand.stop());

it('no more runs are at work in Directum at a time than DIRECTUM_CONCURRENCY says', async () => {
  const calls = await lostCalls(stand, 6, CODE, { subject: 'По очереди' });
  stand.directum.misbehave.next({ verb: 'POST', path: /^IContracts$/, hang: true, times: 100 });
  for (const { form } of calls)
    await fetch(`${stand.url}/bitrix24/robots/${CODE}`, { method: 'POST', body: new URLSearchParams(form) });
  const asked = () =>
    stand.directum.journal.filter(({ verb, path }) => verb === 'POST' && path === 'IContracts').length;
  await expect.poll(asked).toBe(2);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(asked()).toBe(2);
  stand.directum.misbehave.reset();
  for (const { workflow } of calls)
    expect((await stand.portal.waitForStep(workflow, CODE, 60_000)).outputs).toMatchObject({ ok: 'Y' });
}, 120_000);
