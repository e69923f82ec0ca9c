import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbedded } from '../../src/store/postgres/embedded.ts';
import { quietLog } from '../directum/stand.ts';
import { openFolder } from '../store/bench.ts';
import { layCluster } from '../store/ready-cluster.ts';
import { type Process, startProcess } from './process.ts';
import { lostCalls, type Stand, startStand } from './stand.ts';

const CODE = 'directum_create_contract';
let home: string;
let database: EmbeddedPostgres;
let stand: Stand;
let service: Process;

beforeAll(async () => {
  home = await openFolder();
  await layCluster(home);
  database = await startEmbedded({ dataDir: home, log: quietLog });
  stand = await startStand({
    settings: { DATABASE_URL: database.url, LOG_LEVEL: 'info', OPS_TOKEN: 'ops-token-of-the-test' },
  });
  await stand.pause();
});
afterAll(async () => {
  await service?.kill();
  await stand.stop();
  await database.stop();
  await rm(home, { recursive: true, force: true });
});

const lose = (count: number) => lostCalls(stand, count, CODE, { subject: 'Без базы' });

const post = (path: string, form: Record<string, string>) =>
  fetch(stand.url + path, { method: 'POST', body: new URLSearchParams(form) }).then(
    ({ status }) => status,
    () => 0,
  );
const send = (form: Record<string, string>) => post(`/bitrix24/robots/${CODE}`, form);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const contractsOf = (deal: number) =>
  stand.directum
    .all('IContracts')
    .filter((contract) => String(contract['ExternalId']).includes(`:DEAL_${deal}:`)).length;

it('a wrong password is no outage: the start ends and says so', async () => {
  const url = new URL(database.url);
  url.password = 'canary-wrong';
  const started = startProcess({ ...stand.env, DATABASE_URL: url.href });
  await expect(started).rejects.toThrow(/service\.start_failed|password authentication failed/);
  await expect(started).rejects.not.toThrow(/canary-wrong/);
});

it('killed while it spools and while it drains, started without its database: each call once', async () => {
  const calls = await lose(60);
  service = await startProcess(stand.env);
  await database.stop();

  // Killed in the middle of a burst: what had its 200 is on the disk.
  const first = calls.slice(0, 30).map(({ form }) => send(form));
  await Promise.any(first.slice(10).map(async (one) => (await one) === 200 || Promise.reject()));
  await service.kill();
  const statuses = await Promise.all(first);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(0);

  // Starts while the database is away: listens, keeps everything, and says how it is.
  service = await startProcess(stand.env);
  const ready = await fetch(`${stand.url}/readyz`);
  expect([ready.status, await ready.json()]).toMatchObject([
    200,
    { ready: true, database: 'down', spool: { state: 'ok' } },
  ]);
  expect(service.lines.join('')).toContain('database.unreachable');
  statuses.push(...(await Promise.all(calls.slice(30).map(({ form }) => send(form)))));
  expect(statuses.slice(30)).toEqual(Array(30).fill(200));
  const [forged] = await lose(1);
  if (!forged) throw new Error('a call was made');
  forged.form['auth[application_token]'] = 'f'.repeat(32);
  expect(await send(forged.form)).toBe(200);
  expect(await post(`/bitrix24/robots/${CODE}`, { code: CODE })).toBe(400);
  expect(await post('/bitrix24/install?LANG=ru', { AUTH_ID: 'x', member_id: 'm' })).toBe(503);
  const scraped = await fetch(`${stand.url}/metrics`, {
    headers: { Authorization: 'Bearer ops-token-of-the-test' },
  });
  expect(await scraped.text()).toMatch(/^directum_robots_spool_calls [1-9]\d+$/m);

  // Killed several times while it takes them in.
  database = await startEmbedded({ dataDir: home, log: quietLog });
  for (const ms of [50, 400]) {
    await pause(ms);
    await service.kill();
    service = await startProcess(stand.env);
  }
  const kept = calls.filter((_, index) => statuses[index] === 200);
  const counts = () => kept.map(({ deal }) => contractsOf(deal));
  await expect.poll(counts, { timeout: 60_000, interval: 500 }).toEqual(kept.map(() => 1));
  await pause(2_000);
  expect(counts()).toEqual(kept.map(() => 1));
  for (const { deal } of calls) expect(contractsOf(deal)).toBeLessThanOrEqual(1);
  expect(contractsOf(forged.deal)).toBe(0);
}, 120_000);

it('keeps an event that comes while the database is away, and obeys it later', async () => {
  await database.stop();
  const [late] = await lose(1);
  if (!late) throw new Error('a call was made');
  await stand.portal.uninstall();
  expect(stand.portal.deliveries.at(-1)).toMatchObject({ what: 'ONAPPUNINSTALL', status: 200 });
  database = await startEmbedded({ dataDir: home, log: quietLog });
  await expect.poll(() => service.lines.join(''), { timeout: 20_000 }).toContain('portal.uninstalled');
  expect(await send(late.form)).toBe(403);
}, 60_000);
