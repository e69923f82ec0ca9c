import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbedded } from '../../src/store/postgres/embedded.ts';
import { layCluster } from '../store/ready-cluster.ts';
import { lostCalls, type Stand, startStand } from './stand.ts';

const CODE = 'directum_create_contract';
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

let home: string;
let database: EmbeddedPostgres;
let wire: Awaited<ReturnType<typeof startWire>>;
let stand: Stand;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'away-'));
  await chmod(home, 0o755);
  await layCluster(home);
  database = await startEmbedded({ dataDir: home, log: quiet });
  wire = await startWire(database.url);
  stand = await startStand({ settings: { DATABASE_URL: wire.url, OPS_TOKEN: 'ops-token-of-the-test' } });
});
afterAll(async () => {
  await stand.stop();
  wire.close();
  await database.stop();
  await rm(home, { recursive: true, force: true });
});

/**
 * A way to the database that can go silent, as a frozen machine does: connections stay, nothing is answered. Cut, it ends
 * them and takes no new ones.
 */
async function startWire(target: string) {
  const url = new URL(target);
  const port = Number(url.port);
  const sockets = new Set<Socket>();
  let frozen = false;
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(port, url.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => to.write(data));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      if (frozen) from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    freeze(now: boolean) {
      frozen = now;
      for (const socket of sockets) now ? socket.pause() : socket.resume();
    },
    cut(now: boolean) {
      isCut = now;
      if (now) for (const socket of sockets) socket.destroy();
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const lose = (count: number) => lostCalls(stand, count, CODE, { subject: 'Без базы' });

async function timed(path: string, init?: RequestInit) {
  const began = performance.now();
  const { status } = await fetch(stand.url + path, init);
  return { status, ms: performance.now() - began };
}

/** A call; `ms` is how much longer it took than a question that asks for nothing, on a machine that may be busy. */
async function post(form: Record<string, string>) {
  const [call, plain] = await Promise.all([
    timed(`/bitrix24/robots/${CODE}`, { method: 'POST', body: new URLSearchParams(form) }),
    timed('/healthz'),
  ]);
  return { status: call.status, ms: call.ms - plain.ms };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** How many contracts each deal has, in one look over all of them. */
function counts(calls: { deal: number }[]): number[] {
  const made = stand.directum.all('IContracts').map((contract) => String(contract['ExternalId']));
  const deals = made.map((id) => /:DEAL_(\d+):/.exec(id)?.[1]);
  return calls.map(({ deal }) => deals.filter((one) => one === String(deal)).length).sort();
}
const contractsOf = (deal: number) => counts([{ deal }])[0];
const ones = (calls: unknown[]) => calls.map(() => 1);

async function readyz() {
  const response = await fetch(`${stand.url}/readyz`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function spread<T>(items: T[], ms: number, send: (item: T) => Promise<{ status: number; ms: number }>) {
  const sent: Promise<{ status: number; ms: number }>[] = [];
  for (const item of items) {
    sent.push(send(item));
    await pause(ms / items.length);
  }
  return Promise.all(sent);
}

it('takes 200 calls while the database is stopped, and does each once when it is back', async () => {
  const calls = await lose(200);
  // Work is under way when the database goes.
  const under = calls.splice(0, 20);
  const first = await Promise.all(under.map(({ form }) => post(form)));
  await database.stop();
  const answers = await spread(calls, 5_000, ({ form }) => post(form));
  // A portal that repeats itself makes no second run.
  answers.push(...(await Promise.all(calls.slice(0, 10).map(({ form }) => post(form)))));
  expect([...first, ...answers].filter(({ status }) => status !== 200)).toEqual([]);
  expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(1_000);
  expect(await readyz()).toMatchObject({
    status: 200,
    body: { ready: true, database: 'down', spool: { state: 'ok' } },
  });
  const metrics = await fetch(`${stand.url}/metrics`, {
    headers: { Authorization: 'Bearer ops-token-of-the-test' },
  });
  expect(await metrics.text()).toMatch(/^directum_robots_spool_calls 1[89]\d$/m);

  database = await startEmbedded({ dataDir: home, log: quiet });
  const all = [...under, ...calls];
  await expect.poll(() => counts(all), { timeout: 150_000, interval: 500 }).toEqual(ones(all));
  await pause(1_000);
  expect(counts(all)).toEqual(ones(all));
  expect((await readyz()).body).toMatchObject({ database: 'ok', spool: { state: 'ok', waiting: 0 } });
}, 240_000);

it('answers in time while the database is frozen', async () => {
  const calls = await lose(60);
  wire.freeze(true);
  const answers = await spread(calls, 3_000, ({ form }) => post(form));
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(1_000);
  wire.freeze(false);
  await expect.poll(() => counts(calls), { timeout: 60_000, interval: 500 }).toEqual(ones(calls));
  await pause(1_000);
  expect(counts(calls)).toEqual(ones(calls));
}, 120_000);

it('answers in time while the database has no connection left, and does each once when it has', async () => {
  const calls = await lose(60);
  const others: pg.Client[] = [];
  /** Takes connections until there is none; answers how many of the service's are left. */
  async function takeAll(): Promise<number> {
    for (;;) {
      const client = new pg.Client({ connectionString: database.url, application_name: 'other' });
      client.on('error', () => undefined);
      try {
        await client.connect();
      } catch (error) {
        expect(error).toMatchObject({ code: '53300' });
        break;
      }
      others.push(client);
    }
    const left = await others[0]?.query(
      `SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'other'`,
    );
    return left?.rowCount ?? Number.NaN;
  }
  // Its way is cut meanwhile, or it would be as quick as they are to take a place that became free.
  wire.cut(true);
  await expect.poll(takeAll, { timeout: 20_000, interval: 10 }).toBe(0);
  wire.cut(false);
  expect((await readyz()).body).toMatchObject({ ready: true, database: 'down' });
  const answers = await spread(calls, 3_000, ({ form }) => post(form));
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(1_000);
  expect(counts(calls)).toEqual(calls.map(() => 0));
  await Promise.all(others.map((client) => client.end()));
  await expect.poll(() => counts(calls), { timeout: 60_000, interval: 500 }).toEqual(ones(calls));
  await pause(1_000);
  expect(counts(calls)).toEqual(ones(calls));
}, 120_000);

it('ends in ten seconds though its database says nothing, and does afterwards what it had taken', async () => {
  const [call] = await lose(1);
  if (!call) throw new Error('a call was made');
  wire.freeze(true);
  expect((await post(call.form)).status).toBe(200);
  const began = performance.now();
  await stand.pause();
  expect(performance.now() - began).toBeLessThan(10_000);
  wire.freeze(false);
  await stand.restart();
  await expect.poll(() => contractsOf(call.deal), { timeout: 20_000 }).toBe(1);
}, 60_000);

it('refuses what is known to be forged, and drops it later where that could not be told', async () => {
  const [good, forged, unknown] = await lose(3);
  if (!good || !forged || !unknown) throw new Error('three calls were made');
  await database.stop();
  forged.form['auth[application_token]'] = 'f'.repeat(32);
  unknown.form['auth[member_id]'] = 'f'.repeat(32);
  const statuses = await Promise.all([good, forged, unknown].map(({ form }) => post(form)));
  expect(statuses.map(({ status }) => status)).toEqual([200, 403, 200]);
  // The service ends and starts between: what it spooled is taken up at the start.
  await stand.pause();
  database = await startEmbedded({ dataDir: home, log: quiet });
  await stand.restart();
  await expect.poll(() => contractsOf(good.deal), { timeout: 20_000 }).toBe(1);
  await expect.poll(async () => (await readyz()).body['spool']).toEqual({ state: 'ok', waiting: 0 });
  expect([contractsOf(forged.deal), contractsOf(unknown.deal)]).toEqual([0, 0]);
  expect(stand.lines.join('')).toContain('spool.call_dropped');
  expect((await post(unknown.form)).status).toBe(403);
}, 90_000);

it('answers 503 when a call cannot be made durable anywhere, and never 200', async () => {
  const [lost] = await lose(1);
  if (!lost) throw new Error('a call was made');
  const folder = join(stand.dataDir, 'spool');
  await database.stop();
  await rm(folder, { recursive: true, force: true });
  await writeFile(folder, 'a disk that takes nothing');
  expect((await post(lost.form)).status).toBe(503);
  expect(await readyz()).toMatchObject({
    status: 503,
    body: { ready: false, database: 'down', spool: { state: 'down' } },
  });
  database = await startEmbedded({ dataDir: home, log: quiet });
  await expect.poll(async () => (await post(lost.form)).status, { timeout: 20_000 }).toBe(200);
  expect((await readyz()).body).toMatchObject({ ready: true, database: 'ok', spool: { state: 'down' } });
  await rm(folder);
  await expect.poll(() => contractsOf(lost.deal), { timeout: 20_000 }).toBe(1);
}, 60_000);
