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
  const made = () =>
    stand.directum
      .all('IContracts')
      .filter((row) => String(row['ExternalId']).includes(`:DEAL_${call.deal}:`));
  // By the third, once the run is left to the second no longer.
  await expect.poll(() => made().length, { timeout: 20_000 }).toBe(1);
  two.thaw();
  expect((await stand.portal.waitForStep(call.workflow, CODE, 30_000)).outputs).toMatchObject({ ok: 'Y' });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(made()).toHaveLength(1);
}, 90_000);

it('three processes have as many runs at work in Directum as one, and of a killed one’s places the others make use', async () => {
  one = await startProcess({ ...stand.env, PORT: String(await freePort()) });
  // The two others make room for it.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  const calls = await lostCalls(stand, 40, CODE, { subject: 'Общая мера' });
  const before = stand.directum.journal.length;
  // One question may look up the contracts of several runs.
  const hanging = () =>
    stand.directum.journal
      .slice(before)
      .filter(({ path, status }) => path === 'IContracts' && status === 0)
      .flatMap(({ query }) => query.match(/DEAL_\d+:/g) ?? []).length;
  stand.directum.misbehave.next({ verb: 'GET', path: /^IContracts\?.*DEAL_/, hang: true, times: 1_000 });
  const bases = [one.url, two.url, three.url];
  await Promise.all(
    calls.map(({ form }, index) =>
      fetch(`${bases[index % 3]}/bitrix24/robots/${CODE}`, {
        method: 'POST',
        body: new URLSearchParams(form),
      }),
    ),
  );
  await expect.poll(hanging, { timeout: 15_000 }).toBe(12);
  // Each of the three looks for more to do several times.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(hanging()).toBe(12);
  await one.kill();
  // Four of the twelve were its own; its session ends with it, while its runs are still left to it.
  await expect.poll(hanging, { timeout: 10_000 }).toBe(16);
  stand.directum.misbehave.reset();
  for (const { workflow } of calls)
    expect((await stand.portal.waitForStep(workflow, CODE, 60_000)).outputs).toMatchObject({ ok: 'Y' });
  const made = stand.directum.all('IContracts').map((row) => String(row['ExternalId']));
  expect(calls.map(({ deal }) => made.filter((id) => id.includes(`:DEAL_${deal}:`)).length)).toEqual(
    calls.map(() => 1),
  );
}, 120_000);
