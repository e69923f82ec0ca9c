import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { startService } from '../../src/service.ts';
import { startDirectum } from '../sandbox/directum/directum.ts';
import { freePort, packageSettings } from '../sandbox/package-settings.ts';
import { startPortal } from '../sandbox/portal/portal.ts';
import { layCluster } from '../store/ready-cluster.ts';
import { createDatabase } from '../store/shared-server.ts';

export const CLIENT = { clientId: 'local.0123456789abcdef', clientSecret: 'canary-client-secret' };
export const DIRECTUM = { login: 'bitrix24', password: 'canary-directum-password' };

/** So that a test need not wait for the paces of a real installation. */
const HURRY = { tickMs: 250, attemptDelays: [0.5, 1.5, 6, 12, 30] };

/** A portal, a Directum RX and the real service between them, each on its own port of this machine. */
export async function startStand(
  options: {
    settings?: Record<string, string>;
    portal?: Partial<Parameters<typeof startPortal>[0]>;
    directum?: Parameters<typeof startDirectum>[0];
    install?: boolean;
    /** A PostgreSQL of its own in DATA_DIR, as where no DATABASE_URL is set. */
    embedded?: boolean;
    rescanMs?: number;
    tickMs?: number;
    /** The service's clock; the sandboxes keep their own. */
    now?: () => Date;
  } = {},
) {
  const portal = await startPortal({ ...CLIENT, rate: { perSecond: 200, bucket: 500 }, ...options.portal });
  const directum = await startDirectum({ ...DIRECTUM, ...options.directum });
  const dataDir = await mkdtemp(join(tmpdir(), 'stand-'));
  await chmod(dataDir, 0o755);
  const isGiven = options.settings?.['DATABASE_URL'] !== undefined;
  if (options.embedded) await layCluster(dataDir);
  const database = isGiven || options.embedded ? null : await createDatabase();
  const lines: string[] = [];
  const port = await freePort();
  const env = {
    ...packageSettings({ portal, directum }, { ...CLIENT, ...DIRECTUM }, { port, dataDir }),
    BITRIX24_RATE: '200/500',
    LOG_LEVEL: 'debug',
    ...(database && { DATABASE_URL: database.url }),
    ...options.settings,
  };
  const start = () =>
    startService(parseConfig(env), {
      log: createLog('debug', (line) => lines.push(line)),
      now: options.now ?? (() => new Date()),
      random: () => 0,
      ...HURRY,
      ...(options.rescanMs !== undefined && { rescanMs: options.rescanMs }),
      ...(options.tickMs !== undefined && { tickMs: options.tickMs }),
    });
  let service = await start();
  const stop = async () => {
    await service.stop();
    await portal.stop();
    await directum.stop();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  };
  if (options.install !== false) {
    const { status } = await portal.install(`${env.PUBLIC_URL}/bitrix24/install`);
    if (status !== 200) {
      // Nobody else would.
      await stop();
      throw new Error(`installation answered ${status}: ${lines.slice(-5).join('')}`);
    }
  }
  return {
    portal,
    directum,
    url: env.PUBLIC_URL,
    dataDir,
    /** Null when its database is the embedded one, or given by the test. */
    databaseUrl: database?.url ?? null,
    lines,
    env,
    /** Stops the service and leaves its database, portal and Directum to a process of the test's own. */
    pause: () => service.stop(),
    restart: async () => {
      await service.stop();
      service = await start();
    },
    stop,
  };
}

export type Stand = Awaited<ReturnType<typeof startStand>>;

/** Valid requisites of an invented company. */
export const ROMASHKA = {
  RQ_INN: '7799000012',
  RQ_KPP: '779901001',
  RQ_OGRN: '1027700000008',
  RQ_COMPANY_NAME: 'ООО Ромашка',
  RQ_COMPANY_FULL_NAME: 'Общество с ограниченной ответственностью "Ромашка"',
};

/** A deal of a company with requisites, whose responsible person is an employee in Directum. */
export function addDeal(
  stand: Stand,
  changes: { requisite?: Record<string, string> | null; deal?: Record<string, unknown>; email?: string } = {},
) {
  const { portal } = stand;
  const user = portal.addUser({
    NAME: 'Иван',
    LAST_NAME: 'Иванов',
    EMAIL: changes.email ?? 'ivanov@acme.example',
  });
  const company = portal.addCompany({ TITLE: 'Ромашка' });
  if (changes.requisite !== null)
    portal.addRequisite({
      ENTITY_TYPE_ID: 4,
      ENTITY_ID: company,
      PRESET_ID: 1,
      ACTIVE: 'Y',
      SORT: 500,
      ...(changes.requisite ?? ROMASHKA),
    });
  const deal = portal.addItem(2, {
    title: 'Поставка станка',
    companyId: company,
    opportunity: 1200000.5,
    currencyId: 'RUB',
    assignedById: user,
    ...changes.deal,
  });
  return { deal, company, user };
}

/** An INN of ten digits whose control digit is right. */
export function inn(seed: number): string {
  const digits = String(770000000 + seed);
  const sum = [2, 4, 10, 3, 5, 9, 4, 6, 8].reduce(
    (total, weight, index) => total + weight * Number(digits[index]),
    0,
  );
  return `${digits}${(sum % 11) % 10}`;
}

async function askDirectum(stand: Stand, path: string, body: object): Promise<unknown> {
  const response = await fetch(stand.directum.url + path, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${DIRECTUM.login}:${DIRECTUM.password}`).toString('base64')}`,
      'content-type': 'application/json',
      accept: 'application/json',
    },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  const text = await response.text();
  return text === '' ? null : JSON.parse(text);
}

/** Somebody sends a document on approval in Directum itself; the task's id. */
export async function startTask(stand: Stand, documentId: number): Promise<number> {
  const draft = { documentId, text: 'Прошу согласовать', signatoryId: null, addApproverIds: [] };
  const { value: taskId } = (await askDirectum(stand, 'Docflow/CreateApprovalTask', draft)) as {
    value: number;
  };
  await askDirectum(stand, 'Docflow/StartTask', { taskId });
  return taskId;
}

let stages = 0;

/** Puts a robot on a fresh stage, moves the deal there and waits for its outputs. */
export async function runStep(
  stand: Stand,
  deal: number,
  code: string,
  properties: Record<string, unknown>,
  timeoutMs = 15_000,
) {
  const stage = `C1:S${++stages}`;
  stand.portal.placeRobot(stage, code, properties);
  const workflow = await stand.portal.moveItem(2, deal, stage);
  const step = await stand.portal.waitForStep(workflow, code, timeoutMs);
  return step.outputs as Record<string, string | number>;
}

/** Well-formed calls of deals that entered a stage, which the portal lost on their way: for tests to send themselves. */
export async function lostCalls(
  stand: Stand,
  count: number,
  code: string,
  properties: Record<string, unknown>,
) {
  const calls: { deal: number; workflow: string; form: Record<string, string> }[] = [];
  stand.portal.misbehave.dropCalls = true;
  for (let index = 0; index < count; index += 1) {
    const { deal } = addDeal(stand);
    const stage = `C1:S${++stages}`;
    stand.portal.placeRobot(stage, code, properties);
    const workflow = await stand.portal.moveItem(2, deal, stage);
    calls.push({ deal, workflow, form: { ...stand.portal.buildRobotCall(workflow, code).form } });
  }
  stand.portal.misbehave.dropCalls = false;
  return calls;
}
