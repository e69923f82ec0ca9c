import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDirectum } from '../../test/sandbox/directum/directum.ts';
import { freePort, packageSettings } from '../../test/sandbox/package-settings.ts';
import { startPortal } from '../../test/sandbox/portal/portal.ts';
import { startProcess, stopProcess } from './process.ts';

export const CREATE = 'directum_create_contract';

const SECRETS = {
  clientId: 'local.bench',
  clientSecret: 'bench-client-secret',
  login: 'bitrix24',
  password: 'bench-password',
};
const FREE_RATE = { perSecond: 1000, bucket: 1000 };

/** Both stand-ins and the service between them as a process of its own, with one deal's worth of data. */
export async function startStands(settings: Record<string, string> = {}, rate = FREE_RATE) {
  const dataDir = await mkdtemp(join(tmpdir(), 'directum-robots-bench-'));
  await chmod(dataDir, 0o755);
  const portal = await startPortal({ clientId: SECRETS.clientId, clientSecret: SECRETS.clientSecret, rate });
  const directum = await startDirectum({ login: SECRETS.login, password: SECRETS.password });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    ...packageSettings({ portal, directum }, SECRETS, { port, dataDir }),
    BITRIX24_RATE: `${rate.perSecond}/${rate.bucket}`,
    LOG_LEVEL: 'error',
    ...settings,
  };
  const children: ChildProcess[] = [];
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

  /** Starts a program beside the stands; it is stopped with them. */
  async function start(file: string, programEnv: Record<string, string>, programUrl: string) {
    const started = await startProcess(file, programEnv, programUrl);
    children.push(started.child);
    return started;
  }

  return {
    portal,
    directum,
    dataDir,
    url,
    secrets: SECRETS,
    start,
    startService: () => start('src/main.ts', env, `${url}/readyz`),
    install: async () => {
      await portal.install(`${url}/bitrix24/install`);
      // Registration and the first look at Directum are over by then.
      await new Promise((resolve) => setTimeout(resolve, 3000));
    },
    addDeal: () =>
      portal.addItem(2, {
        title: 'Замер',
        companyId: company,
        assignedById: user,
        opportunity: 10,
        currencyId: 'RUB',
      }),
    /** The call of a deal that entered the stage, not delivered. */
    async callOf(stage: string, deal: number): Promise<Record<string, string>> {
      portal.misbehave.dropCalls = true;
      const workflow = await portal.moveItem(2, deal, stage);
      portal.misbehave.dropCalls = false;
      return portal.buildRobotCall(workflow, CREATE).form;
    },
    async stop(): Promise<void> {
      for (const child of children) await stopProcess(child);
      await portal.stop();
      await directum.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export type Stands = Awaited<ReturnType<typeof startStands>>;
