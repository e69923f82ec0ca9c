import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDirectum } from '../test/sandbox/directum/directum.ts';
import { freePort, packageSettings } from '../test/sandbox/package-settings.ts';
import { startPortal } from '../test/sandbox/portal/portal.ts';
import { burst, CONNECTIONS } from './bench/burst.ts';
import { median, residentMegabytes, startProcess, stopProcess } from './bench/process.ts';
import { measureTrips } from './bench/trip.ts';

const CREATE = 'directum_create_contract';
const BURST_SECONDS = 5;
const BURST_ROUNDS = 3;
const README = new URL('../README.md', import.meta.url);
const MARKED = /(<!-- bench -->\n)[\s\S]*?(<!-- \/bench -->)/;

const secrets = {
  clientId: 'local.bench',
  clientSecret: 'bench-client-secret',
  login: 'bitrix24',
  password: 'bench-password',
};

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
    const first = await startProcess('src/main.ts', env, `${url}/readyz`);
    rows.push(['very first start to `/readyz` (initdb)', `${first.seconds.toFixed(1)} s`, '≤ 8 s']);
    await stopProcess(first.child);
    const again = await startProcess('src/main.ts', env, `${url}/readyz`);
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
    const fields = { companyId: company, assignedById: user };
    const trip = await measureTrips({ portal, directum, secrets }, url, CREATE, stage, fields, children);
    rows.push(['REST hits per run, warm, answers apart', trip.rest.toFixed(2), '≤ 1']);
    rows.push(['OData requests per contract, warm', trip.odata.toFixed(2), '≤ 4']);
    const own = trip.ours - trip.naive;
    rows.push([
      'call → answer leaving, p50: ours, less a script without promises that asks both platforms the same',
      `${trip.ours.toFixed(0)} − ${trip.naive.toFixed(0)} = ${own.toFixed(0)} ms (×${(trip.ours / trip.naive).toFixed(1)})`,
      '≤ 30 ms',
    ]);

    portal.misbehave.dropCalls = true;
    const deal = portal.addItem(2, { title: 'Замер', companyId: company, assignedById: user });
    const { form } = portal.buildRobotCall(await portal.moveItem(2, deal, stage), CREATE);
    portal.misbehave.dropCalls = false;
    directum.misbehave.down = true;
    const barePort = await freePort();
    const bareUrl = `http://127.0.0.1:${barePort}`;
    const bare = await startProcess('scripts/bench/bare-express.ts', { PORT: String(barePort) }, bareUrl);
    children.push(bare.child);
    const ratios: number[] = [];
    const speeds: number[] = [];
    let failed = 0;
    for (let round = 0; round < BURST_ROUNDS; round++) {
      const baseline = await burst(bareUrl, CREATE, form, BURST_SECONDS);
      const own = await burst(url, CREATE, { ...form, use_subscription: 'N' }, BURST_SECONDS);
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
    for (const child of children) await stopProcess(child);
    await portal.stop();
    await directum.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
  const lines = rows.map(([what, value, goal]) => `| ${what} | ${value} | ${goal} |`);
  const table = `| What, on ${cpus().length} cores | Measured | Goal |\n|---|---|---|\n${lines.join('\n')}\n`;
  process.stdout.write(table);
  const readme = await readFile(README, 'utf8');
  if (!MARKED.test(readme)) throw new Error('README.md has no place for the figures');
  await writeFile(
    README,
    readme.replace(MARKED, (_all, before, after) => `${before}${table}${after}`),
  );
}

await main();
