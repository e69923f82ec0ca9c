import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Directum, startDirectum } from '../test/sandbox/directum/directum.ts';
import { freePort, packageSettings } from '../test/sandbox/package-settings.ts';
import { type Portal, startPortal } from '../test/sandbox/portal/portal.ts';

const once = process.argv.includes('--once');
const TOTAL = 7;
const CREATE = 'directum_create_contract';
const SYNC = 'directum_sync_counterparty';

function step(number: number, text: string, ...details: string[]): void {
  process.stdout.write(
    `step ${number}/${TOTAL} ${text}\n${details.map((line) => `         ${line}\n`).join('')}`,
  );
}

async function until<T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T | null | undefined | false>,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look().catch(() => null);
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`${what} did not happen within ${timeoutMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Starts the package as a user would, as a process of its own with nothing of this environment. */
function startPackage(env: Record<string, string>): { child: ChildProcess; output: () => string } {
  let output = '';
  const child = spawn(process.execPath, [fileURLToPath(new URL('../src/main.ts', import.meta.url))], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', TMPDIR: tmpdir(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return { child, output: () => output };
}

async function main(): Promise<void> {
  const secrets = {
    clientId: 'local.demo',
    clientSecret: 'demo-client-secret',
    login: 'bitrix24',
    password: 'demo-password',
  };
  const dataDir = await mkdtemp(join(tmpdir(), 'directum-robots-demo-'));
  // A folder that the database's unprivileged user can enter, so that nothing is left elsewhere.
  await chmod(dataDir, 0o755);
  let portal: Portal | undefined;
  let directum: Directum | undefined;
  let service: ReturnType<typeof startPackage> | undefined;
  const stop = async () => {
    const child = service?.child;
    if (child && child.exitCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    }
    await portal?.stop();
    await directum?.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  const quit = () => void stop().then(() => process.exit(130));
  process.once('SIGINT', quit);
  process.once('SIGTERM', quit);

  try {
    portal = await startPortal({ clientId: secrets.clientId, clientSecret: secrets.clientSecret });
    directum = await startDirectum({ login: secrets.login, password: secrets.password });
    step(1, 'two stand-ins are up', `portal   ${portal.url}/`, `Directum ${directum.webUrl}/`);

    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const began = Date.now();
    service = startPackage(packageSettings({ portal, directum }, secrets, { port, dataDir }));
    const { child } = service;
    const ready = await until('the package answering /readyz', 60_000, async () => {
      if (child.exitCode !== null) throw new Error('exited');
      const response = await fetch(`${url}/readyz`);
      return response.ok && ((await response.json()) as object);
    });
    step(
      2,
      `the package is ready after ${((Date.now() - began) / 1000).toFixed(1)} s on its own PostgreSQL`,
      `${url}/readyz ${JSON.stringify(ready)}`,
    );

    const installed = await portal.install(`${url}/bitrix24/install`);
    if (installed.status !== 200) throw new Error(`the installation was answered with ${installed.status}`);
    const registered = portal.journal
      .filter((entry) => entry.method === 'bizproc.robot.add' && !entry.error)
      .map((entry) => String((entry.params as { CODE?: string }).CODE));
    if (!registered.includes(CREATE)) throw new Error('the robots were not registered');
    step(3, 'the application is installed, its robots are registered', ...registered);

    const user = portal.addUser({ NAME: 'Иван', LAST_NAME: 'Иванов', EMAIL: 'ivanov@acme.example' });
    const company = portal.addCompany({ TITLE: 'Ромашка' });
    portal.addRequisite({
      ENTITY_TYPE_ID: 4,
      ENTITY_ID: company,
      PRESET_ID: 1,
      ACTIVE: 'Y',
      SORT: 100,
      RQ_INN: '7799000012',
      RQ_KPP: '779901001',
      RQ_OGRN: '1027700000008',
      RQ_COMPANY_NAME: 'ООО «Ромашка»',
      RQ_COMPANY_FULL_NAME: 'Общество с ограниченной ответственностью «Ромашка»',
    });
    const deal = portal.addItem(2, {
      title: 'Поставка станка',
      companyId: company,
      opportunity: 1200000,
      currencyId: 'RUB',
      assignedById: user,
    });
    const stage = 'C1:CONTRACT';
    portal.placeRobot(stage, CREATE, { subject: 'Договор по сделке {=Document:TITLE}' });
    portal.placeRobot(stage, SYNC, { update_mode: 'fill' }, { after: true });
    step(
      4,
      `the robots stand on stage ${stage}`,
      `1. ${CREATE}`,
      `2. ${SYNC}, after the previous one`,
      `deal ${portal.url}/crm/deal/details/${deal}/`,
    );

    const workflow = await portal.moveItem(2, deal, stage);
    const contractStep = await portal.waitForStep(workflow, CREATE, 30_000);
    const outputs = contractStep.outputs as Record<string, string | number>;
    const call = portal.deliveries.find((delivery) => delivery.url.endsWith(`/robots/${CREATE}`));
    const posts = directum.journal.filter((entry) => entry.verb === 'POST' && entry.status < 300);
    const counterparty = directum.get('ICompanies', Number(outputs['counterparty_id']));
    step(
      5,
      `deal ${deal} entered the stage; the call, and what Directum was asked to make`,
      `the portal posted ${call?.url} → ${call?.status}`,
      ...posts.map((entry) => `the package posted ${entry.path} → ${entry.status}`),
      `counterparty ${outputs['counterparty_id']}: ${counterparty?.['Name']}, ИНН ${counterparty?.['TIN']}, КПП ${counterparty?.['TRRC']}`,
    );
    if (outputs['ok'] !== 'Y')
      throw new Error(`the robot answered ${outputs['error_code']}: ${outputs['error_text']}`);
    const contract = directum.get('IContracts', Number(outputs['document_id']));
    if (!contract) throw new Error(`Directum has no contract ${outputs['document_id']}`);
    step(
      6,
      "what the deal's next robot sees",
      ...Object.entries(outputs).map(([key, value]) => `${key} = ${value}`),
    );

    const next = await portal.waitForStep(workflow, SYNC, 30_000);
    const synced = next.outputs as Record<string, string | number>;
    if (synced['ok'] !== 'Y' || synced['counterparty_id'] !== outputs['counterparty_id'])
      throw new Error(`the next robot answered ${synced['error_code']} ${synced['error_text']}`);
    step(
      7,
      `the next robot went on: counterparty ${synced['counterparty_id']}, ${synced['action']}`,
      `deal     ${portal.url}/crm/deal/details/${deal}/`,
      `contract ${outputs['document_url']}`,
      `name     ${contract['Name']}`,
    );
    process.stdout.write(
      `OK deal ${deal} has contract ${outputs['document_id']} in Directum${once ? '' : '; stays up, Ctrl+C ends it'}\n`,
    );
    if (once) {
      await stop();
      process.exit(0);
    }
  } catch (error) {
    process.stderr.write(
      `FAILED ${error instanceof Error ? error.message : error}\n${service ? service.output().split('\n').slice(-15).join('\n') : ''}\n`,
    );
    await stop();
    process.exit(1);
  }
}

await main();
