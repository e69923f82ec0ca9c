import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { startDirectum } from '../test/sandbox/directum/directum.ts';
import { freePort, packageSettings } from '../test/sandbox/package-settings.ts';
import { startPortal } from '../test/sandbox/portal/portal.ts';

const CREATE = 'directum_create_contract';
const RUNS = 40;
const BURST_SECONDS = 5;
const BURST_ROUNDS = 3;
const CONNECTIONS = 50;

const secrets = {
  clientId: 'local.bench',
  clientSecret: 'bench-client-secret',
  login: 'bitrix24',
  password: 'bench-password',
};

async function startProcess(
  file: string,
  env: Record<string, string>,
  url: string,
): Promise<{ child: ChildProcess; seconds: number }> {
  const began = performance.now();
  const child = spawn(
    process.execPath,
    ['--max-semi-space-size=2', fileURLToPath(new URL(file, import.meta.url))],
    {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode}`);
    if ((await fetch(url).catch(() => null))?.ok)
      return { child, seconds: (performance.now() - began) / 1000 };
    if (performance.now() - began > 60_000) throw new Error(`${file} did not get ready`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

async function residentMegabytes(child: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}

/** Calls a second that are answered with 200, each with an event token of its own. */
async function burst(
  url: string,
  form: Record<string, string>,
): Promise<{ perSecond: number; accepted: number; failed: number }> {
  let number = 0;
  const run = Date.now();
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: BURST_SECONDS,
    requests: [
      {
        method: 'POST',
        path: `/bitrix24/robots/${CREATE}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        setupRequest: (request) => {
          number += 1;
          const body = new URLSearchParams({
            ...form,
            event_token: `bench.${run}.${number}`,
            'document_id[2]': `DEAL_${1_000_000 + number}`,
          });
          return { ...request, body: body.toString() };
        },
      },
    ],
  });
  return {
    perSecond: result['2xx'] / BURST_SECONDS,
    accepted: result['2xx'],
    failed: result.non2xx + result.errors,
  };
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function main(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'directum-robots-bench-'));
  await chmod(dataDir, 0o755);
  const portal = await startPortal({
    clientId: secrets.clientId,
    clientSecret: secrets.clientSecret,
    rate: { perSecond: 1000, bucket: 1000 },
  });
  const directum = await startDirectum({ login: secrets.login, password: secrets.password });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    ...packageSettings({ portal, directum }, secrets, { port, dataDir }),
    BITRIX24_RATE: '1000/1000',
    LOG_LEVEL: 'error',
  };
  const rows: [string, string, string][] = [];
  const children: ChildProcess[] = [];
  try {
    const first = await startProcess('../src/main.ts', env, `${url}/readyz`);
    rows.push(['very first start to `/readyz` (initdb)', `${first.seconds.toFixed(1)} s`, '≤ 8 s']);
    await stop(first.child);
    const again = await startProcess('../src/main.ts', env, `${url}/readyz`);
    children.push(again.child);
    rows.push(['cold start to `/readyz`, database present', `${again.seconds.toFixed(1)} s`, '≤ 3 s']);
    await portal.install(`${url}/bitrix24/install`);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    rows.push(['resident memory at rest', `${await residentMegabytes(again.child)} MB`, '≤ 150 MB']);

    const user = portal.addUser({ NAME: 'Иван', LAST_NAME: 'Иванов', EMAIL: 'ivanov@acme.example' });
    const company = portal.addCompany({ TITLE: 'Ромашка' });
    portal.addRequisite({
      ENTITY_TYPE_ID: 4,
      ENTITY_ID: company,
      PRESET_ID: 1,
      ACTIVE: 'Y',
      SORT: 1,
      RQ_INN: '7799000012',
      RQ_KPP: '779901001',
    });
    const stage = 'C1:BENCH';
    portal.placeRobot(stage, CREATE, { subject: 'Замер' });
    const latencies: number[] = [];
    let rest = 0;
    let odata = 0;
    for (let run = 0; run <= RUNS; run++) {
      const deal = portal.addItem(2, {
        title: 'Замер',
        companyId: company,
        opportunity: 10,
        currencyId: 'RUB',
        assignedById: user,
      });
      const [hits, requests] = [portal.journal.length, directum.journal.length];
      const began = performance.now();
      const workflow = await portal.moveItem(2, deal, stage);
      const step = await portal.waitForStep(workflow, CREATE, 20_000);
      if ((step.outputs as Record<string, string>)['ok'] !== 'Y')
        throw new Error(`a run failed: ${JSON.stringify(step.outputs)}`);
      // The first run warms the caches and is not counted.
      if (run === 0) continue;
      const sent = portal.journal.slice(hits).find((entry) => entry.method === 'bizproc.event.send');
      latencies.push(sent ? sent.at.getTime() - (performance.timeOrigin + began) : performance.now() - began);
      rest += portal.journal
        .slice(hits)
        .filter((entry) => !entry.viaBatch && entry.method !== 'bizproc.event.send').length;
      odata += directum.journal
        .slice(requests)
        .filter((entry) => !entry.path.startsWith('Docflow/GetCurrentCultureName')).length;
    }
    rows.push(['REST hits per run, warm, answers apart', (rest / RUNS).toFixed(2), '≤ 1']);
    rows.push(['OData requests per contract, warm', (odata / RUNS).toFixed(2), '≤ 4']);
    rows.push([
      'call → answer leaving, whole trip, p50',
      `${median(latencies).toFixed(0)} ms`,
      '≤ 30 ms own part',
    ]);

    portal.misbehave.dropCalls = true;
    const deal = portal.addItem(2, { title: 'Замер', companyId: company, assignedById: user });
    const { form } = portal.buildRobotCall(await portal.moveItem(2, deal, stage), CREATE);
    portal.misbehave.dropCalls = false;
    directum.misbehave.down = true;
    const barePort = await freePort();
    const bareUrl = `http://127.0.0.1:${barePort}`;
    const bare = await startProcess('./bare-express.ts', { PORT: String(barePort) }, bareUrl);
    children.push(bare.child);
    const ratios: number[] = [];
    const speeds: number[] = [];
    let failed = 0;
    for (let round = 0; round < BURST_ROUNDS; round++) {
      const baseline = await burst(bareUrl, form);
      const own = await burst(url, { ...form, use_subscription: 'N' });
      ratios.push(own.perSecond / baseline.perSecond);
      speeds.push(own.perSecond);
      failed += own.failed;
    }
    rows.push([
      `durable acceptance, ${CONNECTIONS} connections, against the same Express without storage`,
      `${(median(ratios) * 100).toFixed(0)} % (${median(speeds).toFixed(0)} calls/s, ${failed} not accepted)`,
      '≥ 80 %',
    ]);
  } finally {
    for (const child of children) await stop(child);
    await portal.stop();
    await directum.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
  const lines = rows.map(([what, value, goal]) => `| ${what} | ${value} | ${goal} |`);
  process.stdout.write(`| What | Measured | Goal |\n|---|---|---|\n${lines.join('\n')}\n`);
}

await main();
