import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Directum, startDirectum } from '../test/sandbox/directum/directum.ts';
import { freePort, packageSettings } from '../test/sandbox/package-settings.ts';
import { type Portal, startPortal } from '../test/sandbox/portal/portal.ts';
import { type Expected, watchDeal } from './demo/deal-card.ts';
import { runReconcile, startPackage } from './demo/process.ts';

const once = process.argv.includes('--once');
const TOTAL = 14;
const SYNC = 'directum_sync_counterparty';
const CREATE = 'directum_create_contract';
const APPROVE = 'directum_start_approval';
const WAIT = 'directum_wait_signature';
const CONTRACT_STAGE = 'C1:CONTRACT';
const SIGNED_STAGE = 'C1:SIGNED';
const DAY_MS = 86_400_000;
/** What the designer fills in on the robot that makes the contract. */
const CONTRACT = { subject: 'Договор по сделке {=Document:TITLE}', template: 'Типовой договор' };

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
  const end = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look().catch(() => null);
    if (seen) return seen;
    if (performance.now() > end) throw new Error(`${what} did not happen within ${timeoutMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The outputs of a step that went well. @throws with the robot's own words otherwise */
async function answerOf(portal: Portal, workflow: string, code: string): Promise<Record<string, string>> {
  const { outputs } = await portal.waitForStep(workflow, code, 30_000);
  const answer = outputs as Record<string, string>;
  if (answer['ok'] !== 'Y')
    throw new Error(`${code} answered ${answer['error_code']}: ${answer['error_text']}`);
  return answer;
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
    const began = performance.now();
    const settings = {
      ...packageSettings({ portal, directum }, secrets, { port, dataDir }),
      DIRECTUM_POLL_SECONDS: '1',
    };
    service = startPackage(settings);
    const { child } = service;
    const ready = await until('the package answering /readyz', 60_000, async () => {
      if (child.exitCode !== null) throw new Error('exited');
      const response = await fetch(`${url}/readyz`);
      return response.ok && ((await response.json()) as object);
    });
    step(
      2,
      `the package is ready after ${((performance.now() - began) / 1000).toFixed(1)} s on its own PostgreSQL`,
      `${url}/readyz ${JSON.stringify(ready)}`,
    );

    const installed = await portal.install(`${url}/bitrix24/install`);
    if (installed.status !== 200) throw new Error(`the installation was answered with ${installed.status}`);
    const registered = portal.journal
      .filter((entry) => entry.method === 'bizproc.robot.add' && !entry.error)
      .map((entry) => String((entry.params as { CODE?: string }).CODE));
    for (const code of [SYNC, CREATE, APPROVE, WAIT])
      if (!registered.includes(code)) throw new Error(`${code} was not registered`);
    step(3, 'the application is installed, its robots are registered', ...registered);

    const manager = portal.addUser({ NAME: 'Иван', LAST_NAME: 'Иванов', EMAIL: 'ivanov@acme.example' });
    const lawyer = portal.addUser({ NAME: 'Анна', LAST_NAME: 'Петрова', EMAIL: 'petrova@acme.example' });
    const director = portal.addUser({ NAME: 'Пётр', LAST_NAME: 'Сидоров', EMAIL: 'sidorov@acme.example' });
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
      categoryId: 1,
      companyId: company,
      opportunity: 1200000,
      currencyId: 'RUB',
      assignedById: manager,
    });
    portal.placeRobot(CONTRACT_STAGE, SYNC, { update_mode: 'fill' });
    portal.placeRobot(CONTRACT_STAGE, CREATE, CONTRACT, { after: true });
    portal.placeRobot(CONTRACT_STAGE, APPROVE, { approval_type: 'rule' }, { after: true });
    portal.placeRobot(CONTRACT_STAGE, WAIT, { max_wait_hours: 240 }, { after: true });
    portal.addStage(2, SIGNED_STAGE, 'Договор подписан');
    portal.placeTrigger(SIGNED_STAGE, 'directum_signed_both');
    step(
      4,
      `four robots stand on stage ${CONTRACT_STAGE}, each after the previous one`,
      ...[SYNC, CREATE, APPROVE, WAIT].map((code, index) => `${index + 1}. ${code}`),
      `the trigger directum_signed_both stands on stage ${SIGNED_STAGE}`,
      `deal ${portal.url}/crm/deal/details/${deal}/`,
    );

    const workflow = await portal.moveItem(2, deal, CONTRACT_STAGE);
    const synced = await answerOf(portal, workflow, SYNC);
    const call = portal.deliveries.find((delivery) => delivery.url.endsWith(`/robots/${SYNC}`));
    const party = directum.get('ICompanies', Number(synced['counterparty_id']));
    step(
      5,
      `deal ${deal} entered the stage: counterparty ${synced['counterparty_id']}, ${synced['action']}`,
      `the portal posted ${call?.url} → ${call?.status}`,
      `in Directum: ${party?.['Name']}, ИНН ${party?.['TIN']}, КПП ${party?.['TRRC']}`,
    );

    const made = await answerOf(portal, workflow, CREATE);
    const id = Number(made['document_id']);
    const contract = directum.get('IContracts', id);
    if (!contract) throw new Error(`Directum has no contract ${id}`);
    step(
      6,
      `contract ${id} is made; what the deal's next robots see`,
      `in Directum: ${contract['Name']}`,
      ...Object.entries(made).map(([key, value]) => `${key} = ${value}`),
    );

    const sent = await answerOf(portal, workflow, APPROVE);
    const task = Number(sent['task_id']);
    step(7, `approval ${task} is started`, `task ${sent['task_url']}`);
    const card = watchDeal(portal, deal);
    const shown = async (number: number, text: string, expected: Expected, ...details: string[]) => {
      let missing: string | null = 'anything';
      await until(`the deal showing what step ${number} did`, 15_000, async () => {
        missing = card.missing(expected);
        return missing === null;
      }).catch((error: Error) => {
        throw new Error(`${error.message}: ${missing} is missing`);
      });
      step(number, text, ...details, ...card.lines());
    };
    await until('the deal waiting for the signature', 30_000, async () =>
      service?.output().includes('run.waiting'),
    );
    await shown(8, 'the deal shows who approves; the approver has a task', {
      status: 'on_approval',
      activity: ['На согласовании', 'Петрова Анна'],
      triggers: [],
      tasks: { open: [lawyer], done: 0 },
    });

    const comment = 'Добавьте срок поставки';
    directum.requestRework(task, comment);
    await shown(9, 'the approver sent the contract back with a comment', {
      status: 'rework',
      activity: ['На доработке', 'Иванов'],
      triggers: ['directum_rework'],
      notices: [[manager, comment]],
      tasks: { open: [manager], done: 1 },
    });

    directum.resubmit(task);
    directum.approve(task);
    await shown(10, 'its author sent it on, the approver approved; the signatory is asked', {
      status: 'approved',
      activity: ['Согласован', 'Сидоров'],
      triggers: ['directum_approved'],
      tasks: { open: [director], done: 2 },
    });

    directum.sign(id);
    const signed = await answerOf(portal, workflow, WAIT);
    if (signed['result'] !== 'signed') throw new Error(`${WAIT} answered ${signed['result']}`);
    await shown(
      11,
      `the signatory signed; ${WAIT} answered result = ${signed['result']}`,
      {
        status: 'signed_us',
        activity: ['Подписан нами', 'Сидоров'],
        triggers: ['directum_signed_us'],
        stage: CONTRACT_STAGE,
        tasks: { open: [], done: 3 },
      },
      `signed by ${signed['signed_by']} at ${signed['signed_at']}`,
    );

    directum.signByCounterparty(id);
    await shown(12, `the counterparty signed; the trigger moved the deal to stage ${SIGNED_STAGE}`, {
      status: 'signed_both',
      activity: ['Подписан обеими сторонами'],
      triggers: ['directum_signed_both'],
      stage: SIGNED_STAGE,
    });

    const validTill = new Date(Date.now() + 5 * DAY_MS).toISOString().slice(0, 10);
    directum.patch('IContracts', id, { ValidTill: `${validTill}T00:00:00+03:00` });
    await shown(13, `the contract is valid till ${validTill}, which is near`, {
      status: 'signed_both',
      triggers: ['directum_due'],
      // Notices of a few seconds are sent together, so they are waited for here and not after each step.
      notices: [
        [lawyer, 'ждёт вашего согласования'],
        [director, 'ждёт вашей подписи'],
        [manager, 'согласован всеми'],
        [manager, 'подписан с нашей стороны'],
        [manager, 'подписан обеими сторонами'],
        [manager, 'Срок действия документа'],
      ],
    });

    portal.setItem(2, deal, { UF_CRM_DIRECTUM_ID: 1 });
    const spoiled = portal.item(2, deal)['UF_CRM_DIRECTUM_ID'];
    const compared = await runReconcile(settings);
    if (!compared.some((line) => line.startsWith(`DEAL_${deal} `)))
      throw new Error(`reconcile found nothing: ${compared}`);
    await until('the spoiled field being right again', 10_000, async () => {
      return Number(portal?.item(2, deal)['UF_CRM_DIRECTUM_ID']) === id;
    });
    step(
      14,
      `somebody wrote ${spoiled} into the field of the document's id; npm run reconcile:`,
      ...compared.map((line) => `> ${line}`),
      ...card.lines(),
      `deal     ${portal.url}/crm/deal/details/${deal}/`,
      `contract ${made['document_url']}`,
    );
    process.stdout.write(
      `OK deal ${deal} shows contract ${id} of Directum, signed by both sides${once ? '' : '; stays up, Ctrl+C ends it'}\n`,
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
