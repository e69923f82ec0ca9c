import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../sandbox/package-settings.ts';
import { type Process, startProcess } from './process.ts';
import { lostCalls, type Stand, startStand } from './stand.ts';

const CODE = 'directum_create_contract';
let stand: Stand;
let one: Process;
let two: Process;
let three: Process;

beforeAll(async () => {
  stand = await startStand({
    settings: { LOG_LEVEL: 'warn', BITRIX24_RATE: '20/50' },
    portal: { rate: { perSecond: 20, bucket: 50 } },
  });
  await stand.pause();
  one = await startProcess({ ...stand.env, PORT: String(await freePort()) });
  [two, three] = await Promise.all([
    startProcess(stand.env),
    startProcess({ ...stand.env, PORT: String(await freePort()) }),
  ]);
}, 120_000);
afterAll(async () => {
  await Promise.all([one, two, three].map((each) => each?.kill()));
  await stand.stop();
});

it('three processes on one database, one killed: each call once, one refresh a token, one budget', async () => {
  const calls = await lostCalls(stand, 40, CODE, { subject: 'Две копии' });
  stand.portal.misbehave.expireAccessTokens();
  const refreshes = () => stand.portal.journal.filter(({ method }) => /oauth/.test(method)).length;
  const before = refreshes();
  const send = (base: string, form: Record<string, string>) =>
    fetch(`${base}/bitrix24/robots/${CODE}`, { method: 'POST', body: new URLSearchParams(form) }).then(
      ({ status }) => status,
      () => 0,
    );
  // Every call comes to two of them, as a balancer that repeats would do.
  const bases = [one.url, two.url, three.url];
  const statuses = await Promise.all(
    calls.flatMap(({ form }, index) => [0, 1].map((turn) => send(bases[(index + turn) % 3] as string, form))),
  );
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  const made = () => stand.directum.all('IContracts').length;
  await expect.poll(made, { timeout: 20_000, interval: 20 }).toBeGreaterThan(3);
  await one.kill();
  for (const { workflow } of calls)
    expect((await stand.portal.waitForStep(workflow, CODE, 60_000)).outputs).toMatchObject({ ok: 'Y' });
  const counts = calls.map(
    ({ deal }) =>
      stand.directum.all('IContracts').filter((row) => String(row['ExternalId']).includes(`:DEAL_${deal}:`))
        .length,
  );
  expect(counts).toEqual(calls.map(() => 1));
  expect(stand.directum.all('ICompanies').filter((row) => row['TIN'] === '7799000012')).toHaveLength(1);
  expect(stand.portal.journal.filter(({ error }) => error === 'QUERY_LIMIT_EXCEEDED')).toEqual([]);
  expect(refreshes() - before).toBe(1);
}, 120_000);

it('a process that stood still while another took over its run makes no second contract', async () => {
  const [call] = await lostCalls(stand, 1, CODE, { subject: 'Замер' });
  if (!call) throw new Error('a call was made');
  const lookUps = () =>
    stand.directum.journal.filter(
      ({ verb, path, query }) =>
        verb === 'GET' && path === 'IContracts' && query.includes(`DEAL_${call.deal}:`),
    ).length;
  three.freeze();
  stand.directum.misbehave.next({ verb: 'GET', path: /^IContracts$/, delayMs: 1_000 });
  await fetch(`${two.url}/bitrix24/robots/${CODE}`, { method: 'POST', body: new URLSearchParams(call.form) });
  await expect.poll(lookUps, { timeout: 10_000, interval: 10 }).toBe(1);
  two.freeze();
  three.thaw();
  // Longer than the run is left to its process.
  await new Promise((resolve) => setTimeout(resolve, 7_000));
  two.thaw();
  expect((await stand.portal.waitForStep(call.workflow, CODE, 30_000)).outputs).toMatchObject({ ok: 'Y' });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const made = stand.directum
    .all('IContracts')
    .filter((row) => String(row['ExternalId']).includes(`:DEAL_${call.deal}:`));
  expect(made).toHaveLength(1);
}, 90_000);
