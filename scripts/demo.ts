import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineCommand, type Order } from '../src/command/command.ts';
import { type Directum, startDirectum } from '../test/sandbox/directum/directum.ts';
import { freePort, packageSettings } from '../test/sandbox/package-settings.ts';
import { type Portal, startPortal } from '../test/sandbox/portal/portal.ts';
import { type Expected, watchDeal } from './demo/deal-card.ts';
import { PAPERS, showPapers } from './demo/papers.ts';
import { runReconcile, startPackage } from './demo/process.ts';
import { answerOf, type Say, until } from './demo/waiting.ts';
import { APPROVE, CONTRACT_STAGE, CREATE, furnish, SIGNED_STAGE, SYNC, WAIT } from './demo/world.ts';

const OPTIONS = {
  once: { about: { en: 'ends by itself', ru: 'завершается сама' } },
} as const;
const TOTAL = 14 + PAPERS;
const DAY_MS = 86_400_000;

async function show({
  values,
  shell,
  language,
  print,
  warn,
  progress,
}: Order<typeof OPTIONS>): Promise<number> {
  const t: Say = (en, ru) => (language === 'ru' ? ru : en);
  const next = (number: number) =>
    progress({ en: `step ${number}/${TOTAL} …`, ru: `step ${number}/${TOTAL} …` });
  const step = (number: number, text: string, ...details: string[]) => {
    print(`step ${number}/${TOTAL} ${text}`);
    for (const line of details) print(`         ${line}`);
    if (number < TOTAL) next(number + 1);
  };
  const late = (en: string, ru: string, seconds: number) =>
    t(`${en} did not happen within ${seconds} s`, `не случилось за ${seconds} с: ${ru}`);
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

  next(1);
  try {
    portal = await startPortal({ clientId: secrets.clientId, clientSecret: secrets.clientSecret });
    directum = await startDirectum({ login: secrets.login, password: secrets.password });
    step(
      1,
      t('two stand-ins are up', 'два имитатора запущены'),
      `${t('portal  ', 'портал  ')} ${portal.url}/`,
      `Directum ${directum.webUrl}/`,
    );

    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const began = performance.now();
    const settings = {
      ...packageSettings({ portal, directum }, secrets, { port, dataDir }),
      DIRECTUM_POLL_SECONDS: '1',
      LANG: shell.env['LANG'] ?? '',
    };
    service = startPackage(settings);
    const { child } = service;
    const ready = await until(
      late('the service answering /readyz', 'сервис отвечает на /readyz', 60),
      60_000,
      async () => {
        if (child.exitCode !== null) throw new Error('exited');
        const response = await fetch(`${url}/readyz`);
        return response.ok && ((await response.json()) as object);
      },
    );
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    step(
      2,
      t(
        `the service is ready after ${seconds} s on its own PostgreSQL`,
        `сервис готов через ${seconds} с, PostgreSQL у него свой`,
      ),
      `${url}/readyz ${JSON.stringify(ready)}`,
    );

    const installed = await portal.install(`${url}/bitrix24/install`);
    if (installed.status !== 200)
      throw new Error(
        t(
          `the installation was answered with ${installed.status}`,
          `на установку пришёл ответ ${installed.status}`,
        ),
      );
    const registered = portal.journal
      .filter((entry) => entry.method === 'bizproc.robot.add' && !entry.error)
      .map((entry) => String((entry.params as { CODE?: string }).CODE));
    for (const code of [SYNC, CREATE, APPROVE, WAIT])
      if (!registered.includes(code))
        throw new Error(t(`${code} was not registered`, `${code} не зарегистрирован`));
    step(
      3,
      t(
        'the application is installed, its robots are registered',
        'приложение установлено, роботы зарегистрированы',
      ),
      ...registered,
    );

    const { manager, lawyer, director, deal } = furnish(portal);
    step(
      4,
      t(
        `four robots stand on stage ${CONTRACT_STAGE}, each after the previous one`,
        `на стадии ${CONTRACT_STAGE} четыре робота, каждый после предыдущего`,
      ),
      ...[SYNC, CREATE, APPROVE, WAIT].map((code, index) => `${index + 1}. ${code}`),
      t(
        `the trigger directum_signed_both stands on stage ${SIGNED_STAGE}`,
        `на стадии ${SIGNED_STAGE} триггер directum_signed_both`,
      ),
      `${t('deal', 'сделка')} ${portal.url}/crm/deal/details/${deal}/`,
    );

    const inDirectum = t('in Directum', 'в Directum');
    const workflow = await portal.moveItem(2, deal, CONTRACT_STAGE);
    const synced = await answerOf(portal, workflow, SYNC, t);
    const call = portal.deliveries.find((delivery) => delivery.url.endsWith(`/robots/${SYNC}`));
    const party = directum.get('ICompanies', Number(synced['counterparty_id']));
    step(
      5,
      t(
        `deal ${deal} entered the stage: counterparty ${synced['counterparty_id']}, ${synced['action']}`,
        `сделка ${deal} вошла в стадию: контрагент ${synced['counterparty_id']}, ${synced['action']}`,
      ),
      t(`the portal posted ${call?.url} → ${call?.status}`, `портал вызвал ${call?.url} → ${call?.status}`),
      `${inDirectum}: ${party?.['Name']}, ${t('TIN', 'ИНН')} ${party?.['TIN']}, ${t('KPP', 'КПП')} ${party?.['TRRC']}`,
    );

    const made = await answerOf(portal, workflow, CREATE, t);
    const id = Number(made['document_id']);
    const contract = directum.get('IContracts', id);
    if (!contract) throw new Error(t(`Directum has no contract ${id}`, `в Directum нет договора ${id}`));
    step(
      6,
      t(
        `contract ${id} is made; what the deal's next robots see`,
        `договор ${id} создан; что видят следующие роботы сделки`,
      ),
      `${inDirectum}: ${contract['Name']}`,
      ...Object.entries(made).map(([key, value]) => `${key} = ${value}`),
    );

    const sent = await answerOf(portal, workflow, APPROVE, t);
    const task = Number(sent['task_id']);
    step(
      7,
      t(`approval ${task} is started`, `согласование ${task} запущено`),
      `${t('task', 'задача')} ${sent['task_url']}`,
    );
    const card = watchDeal(portal, deal, t);
    const shown = async (number: number, text: string, expected: Expected, ...details: string[]) => {
      let missing: string | null = 'anything';
      await until(
        late(`the deal showing what step ${number} did`, `сделка показывает итог шага ${number}`, 15),
        15_000,
        async () => {
          missing = card.missing(expected);
          return missing === null;
        },
      ).catch((error: Error) => {
        throw new Error(`${error.message}: ${t(`${missing} is missing`, `нет: ${missing}`)}`);
      });
      step(number, text, ...details, ...card.lines());
    };
    await until(late('the deal waiting for the signature', 'сделка ждёт подписания', 30), 30_000, async () =>
      service?.output().includes('run.waiting'),
    );
    await shown(
      8,
      t(
        'the deal shows who approves; the approver has a task',
        'сделка показывает, кто согласует; у согласующего есть задача',
      ),
      {
        status: 'on_approval',
        activity: ['На согласовании', 'Петрова Анна'],
        triggers: [],
        tasks: { open: [lawyer], done: 0 },
      },
    );

    const comment = 'Добавьте срок поставки';
    directum.requestRework(task, comment);
    await shown(
      9,
      t('the approver sent the contract back with a comment', 'согласующий вернул договор с замечанием'),
      {
        status: 'rework',
        activity: ['На доработке', 'Иванов'],
        triggers: ['directum_rework'],
        notices: [[manager, comment]],
        tasks: { open: [manager], done: 1 },
      },
    );

    directum.resubmit(task);
    directum.approve(task);
    await shown(
      10,
      t(
        'its author sent it on, the approver approved; the signatory is asked',
        'автор отправил его снова, согласующий согласовал; очередь подписанта',
      ),
      {
        status: 'approved',
        activity: ['Согласован', 'Сидоров'],
        triggers: ['directum_approved'],
        tasks: { open: [director], done: 2 },
      },
    );

    directum.sign(id);
    const signed = await answerOf(portal, workflow, WAIT, t);
    if (signed['result'] !== 'signed')
      throw new Error(t(`${WAIT} answered ${signed['result']}`, `${WAIT} ответил ${signed['result']}`));
    await shown(
      11,
      t(
        `the signatory signed; ${WAIT} answered result = ${signed['result']}`,
        `подписант подписал; ${WAIT} ответил result = ${signed['result']}`,
      ),
      {
        status: 'signed_us',
        activity: ['Подписан нами', 'Сидоров'],
        triggers: ['directum_signed_us'],
        stage: CONTRACT_STAGE,
        tasks: { open: [], done: 3 },
      },
      t(
        `signed by ${signed['signed_by']} at ${signed['signed_at']}`,
        `подписал ${signed['signed_by']}, ${signed['signed_at']}`,
      ),
    );

    directum.signByCounterparty(id);
    await shown(
      12,
      t(
        `the counterparty signed; the trigger moved the deal to stage ${SIGNED_STAGE}`,
        `контрагент подписал; триггер перевёл сделку на стадию ${SIGNED_STAGE}`,
      ),
      {
        status: 'signed_both',
        activity: ['Подписан обеими сторонами'],
        triggers: ['directum_signed_both'],
        stage: SIGNED_STAGE,
      },
    );

    const validTill = new Date(Date.now() + 5 * DAY_MS).toISOString().slice(0, 10);
    directum.patch('IContracts', id, { ValidTill: `${validTill}T00:00:00+03:00` });
    await shown(
      13,
      t(
        `the contract is valid till ${validTill}, which is near`,
        `договор действует по ${validTill}, это скоро`,
      ),
      {
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
      },
    );

    portal.setItem(2, deal, { UF_CRM_DIRECTUM_ID: 1 });
    const spoiled = portal.item(2, deal)['UF_CRM_DIRECTUM_ID'];
    const compared = await runReconcile(settings);
    if (!compared.some((line) => line.startsWith(`DEAL_${deal} `)))
      throw new Error(t(`reconcile found nothing: ${compared}`, `reconcile ничего не нашёл: ${compared}`));
    await until(
      late('the spoiled field being right again', 'испорченное поле снова верно', 10),
      10_000,
      async () => {
        return Number(portal?.item(2, deal)['UF_CRM_DIRECTUM_ID']) === id;
      },
    );
    step(
      14,
      t(
        `somebody wrote ${spoiled} into the field of the document's id; npm run reconcile:`,
        `кто-то вписал ${spoiled} в поле с ИД документа; npm run reconcile:`,
      ),
      ...compared.map((line) => `> ${line}`),
      ...card.lines(),
      `${t('deal    ', 'сделка  ')} ${portal.url}/crm/deal/details/${deal}/`,
      `${t('contract', 'договор ')} ${made['document_url']}`,
    );
    let number = 14;
    await showPapers({
      ...{ portal, directum, settings, deal, contract: id, t },
      step(text, ...details) {
        number += 1;
        step(number, text, ...details);
      },
    });
    print(
      `OK ${t(
        `deal ${deal} shows contract ${id} of Directum, signed by both sides`,
        `сделка ${deal} показывает договор ${id} Directum, подписанный обеими сторонами`,
      )}${values.once ? '' : t('; stays up, Ctrl+C ends it', '; работает дальше, Ctrl+C завершит')}`,
    );
    if (values.once) await stop();
    return 0;
  } catch (error) {
    warn(`FAILED ${error instanceof Error ? error.message : error}`);
    if (service) warn(service.output().split('\n').slice(-15).join('\n'));
    await stop();
    return 1;
  }
}

/** The whole trip of a deal on this machine, with nothing to configure. */
export const demo = defineCommand(
  {
    call: 'npm run demo',
    about: {
      en: 'Shows the whole trip on this machine with nothing to configure: a stand-in portal, a stand-in Directum and the real service between them take a deal from its counterparty to a contract signed by both sides. The environment and .env are ignored.',
      ru: 'Показывает весь путь на этой машине без настройки: имитатор портала, имитатор Directum и настоящий сервис между ними ведут сделку от контрагента до договора, подписанного обеими сторонами. Окружение и .env не учитываются.',
    },
    forms: ['[--once]'],
    options: OPTIONS,
    notes: {
      en: 'Without --once it stays up, and the addresses it prints open in a browser.\nExit code: 0 only when the deal got there.',
      ru: 'Без --once продолжает работать, и напечатанные адреса открываются в браузере.\nКод выхода: 0, только если сделка дошла до конца.',
    },
  },
  show,
);

if (import.meta.main) {
  const code = await demo(process);
  // What stays up holds the process by itself.
  if (code !== 0 || process.argv.includes('--once')) process.exit(code);
}
