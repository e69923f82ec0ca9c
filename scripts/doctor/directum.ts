import type { Config } from '../../src/config.ts';
import { createSelfCheck, type SelfCheck } from '../../src/directum/self-check.ts';
import type { LocalText } from '../../src/robot/failure.ts';
import { bad, type Check, type Finding, good, inspect, LIMIT_MS, log, notChecked, now } from './finding.ts';
import type { Rooms } from './own.ts';

const CLOCK_LIMIT_SECONDS = 60;

const CAPABILITIES = [
  'Docflow/CreateApprovalTask',
  'Docflow/CreateVersionFromTemplate',
  'DocflowApproval/CreateDocumentFlowTask',
  'Docflow/StartTask',
];
/** Without these no approval can be started; they are there since Directum RX 4.3 (directum.md A.1). */
const NEEDED = ['Docflow/CreateApprovalTask', 'Docflow/StartTask'];

async function checkClock(directum: SelfCheck): Promise<Finding> {
  let ahead: number | null;
  try {
    ahead = await directum.clockAhead();
  } catch {
    return bad(
      'Directum does not answer, so its clock is unknown. Check DIRECTUM_URL and the network.',
      'Directum не отвечает, его часы неизвестны. Проверьте DIRECTUM_URL и сеть.',
    );
  }
  if (ahead === null)
    return good(
      'Directum does not tell its time: not compared',
      'Directum не сообщает время: не сравнивалось',
    );
  return Math.abs(ahead) <= CLOCK_LIMIT_SECONDS
    ? good(`the clocks differ by ${Math.abs(ahead)} s`, `часы расходятся на ${Math.abs(ahead)} с`)
    : bad(
        `Directum's clock is ${Math.abs(ahead)} s ${ahead > 0 ? 'ahead of' : 'behind'} this machine's. Set both by a time server.`,
        `Часы Directum ${ahead > 0 ? 'спешат' : 'отстают'} на ${Math.abs(ahead)} с от этой машины. Настройте время на обеих по серверу времени.`,
      );
}

async function checkAccount(directum: SelfCheck): Promise<Finding> {
  const account = await directum.account();
  if (!account)
    return bad(
      'The login belongs to no active employee that the account can read. Directum administrator: make an employee with this login, a department and an own company.',
      'Логин не связан с действующим сотрудником, видимым учётной записи. Администратору Directum: заведите сотрудника с этим логином, подразделением и нашей организацией.',
    );
  const { name, department, businessUnit } = account;
  if (!department || !businessUnit) {
    const lacks = department
      ? { en: 'the department has no own company', ru: 'у подразделения нет нашей организации' }
      : { en: 'no department', ru: 'нет подразделения' };
    return bad(
      `Employee «${name}»: ${lacks.en}. Directum administrator: fill it, or cards cannot be made and tasks cannot be started.`,
      `Сотрудник «${name}»: ${lacks.ru}. Администратору Directum: заполните, иначе не создать карточки и не запустить задачи.`,
    );
  }
  return good(
    `employee «${name}», department «${department}», own company «${businessUnit}»`,
    `сотрудник «${name}», подразделение «${department}», организация «${businessUnit}»`,
  );
}

/** Each setting that names a record of Directum. */
function checkReferences(
  directum: SelfCheck,
  config: Config,
): { check: string; work: () => Promise<Finding> }[] {
  const found = (name: string, id: number) => good(`«${name}» (id ${id})`, `«${name}» (ИД ${id})`);
  const unset = (en: string, ru: string) => good(`not set: ${en}`, `не задано: ${ru}`);
  const byNameOrId =
    (setting: string, find: () => Promise<{ id: number; name: string } | null>) => async () => {
      const record = await find();
      return record
        ? found(record.name, record.id)
        : bad(
            `Directum has no single active record for it. Mend ${setting}.`,
            `В Directum нет одной подходящей действующей записи. Исправьте ${setting}.`,
          );
    };
  const setting = (
    name: 'DIRECTUM_CONTRACT_KIND' | 'DIRECTUM_BUSINESS_UNIT' | 'DIRECTUM_RESPONSIBLE',
    find: (value: string, label: LocalText) => Promise<{ id: number; name: string } | null>,
    without: LocalText,
  ) => {
    const value = config[name];
    return {
      check: name,
      work:
        value === undefined
          ? async () => unset(without.en, without.ru)
          : byNameOrId(name, () => find(value, { ru: name, en: name })),
    };
  };
  return [
    setting('DIRECTUM_CONTRACT_KIND', directum.catalogue.documentKind, {
      en: 'each robot must name its document kind',
      ru: 'вид документа задаётся в каждом роботе',
    }),
    setting('DIRECTUM_BUSINESS_UNIT', directum.catalogue.businessUnit, {
      en: 'the own company comes from the deal or the responsible person',
      ru: 'организация берётся из сделки или у ответственного',
    }),
    setting('DIRECTUM_RESPONSIBLE', directum.employees.byReference, {
      en: 'nobody stands in for people without an employee',
      ru: 'замены для людей без сотрудника нет',
    }),
  ];
}

/** Whether what the package made or watches can still be read (interface.md §2). */
export async function checkDocuments({ deals }: Rooms): Promise<Finding> {
  const { held, ids, blind } = await deals.observer.deletions.inspect();
  if (held === 0 && !blind)
    return good('what the package watches can be read', 'отслеживаемые документы доступны');
  const named = ids.join(', ') + (held > ids.length ? ', …' : '');
  const which = held === 0 ? { en: '', ru: '' } : { en: ` (${held}: ${named})`, ru: ` (${held}: ${named})` };
  return bad(
    `Directum no longer shows documents that the package made or watches${which.en}: the account seems to have lost its rights. Directum administrator: give them back. If the documents were deleted: npm run reconcile -- --accept-deletions.`,
    `Directum перестал показывать документы, которые пакет создал или отслеживает${which.ru}: похоже, у учётной записи отобрали права. Администратору Directum: верните права. Если документы удалены: npm run reconcile -- --accept-deletions.`,
  );
}

/** Directum: login, clock, functions, account, rights, and each setting that names a record of it. */
export async function checkDirectum(config: Config, wrong: string[]): Promise<Check[]> {
  const needs = ['DIRECTUM_URL', 'DIRECTUM_LOGIN', 'DIRECTUM_PASSWORD', 'DIRECTUM_AUTH', 'DIRECTUM_CA_FILE'];
  if (wrong.some((name) => needs.includes(name))) return [notChecked('directum', 'settings')];
  const directum = createSelfCheck({
    baseUrl: config.DIRECTUM_URL,
    login: config.DIRECTUM_LOGIN,
    password: config.DIRECTUM_PASSWORD,
    auth: config.DIRECTUM_AUTH,
    ...(config.DIRECTUM_CA_FILE !== undefined && { ca: config.DIRECTUM_CA_FILE }),
    timeouts: { connectMs: LIMIT_MS - 1_000, headersMs: LIMIT_MS - 1_000, bodyMs: LIMIT_MS - 1_000 },
    now,
    log,
  });
  const rest: { check: string; work: () => Promise<Finding> }[] = [
    {
      check: 'directum capabilities',
      work: async () => {
        const can = await directum.capabilities();
        const words = (yes: string, no: string) =>
          CAPABILITIES.map((one) => `${one.split('/')[1]} ${can.has(one) ? yes : no}`).join(', ');
        const missing = NEEDED.filter((one) => !can.has(one)).join(', ');
        return missing === ''
          ? good(words('yes', 'no'), words('есть', 'нет'))
          : bad(
              `Directum has no ${missing}, so no approval can be started. Update Directum RX to 4.3 or later.`,
              `В Directum нет ${missing}, согласование не запустить. Обновите Directum RX до 4.3 или новее.`,
            );
      },
    },
    { check: 'directum account', work: () => checkAccount(directum) },
    {
      check: 'directum rights',
      work: async () =>
        (await directum.seesKinds())
          ? good('document kinds can be read', 'виды документов доступны')
          : bad(
              'The account sees no active document kind. Directum administrator: grant it the right to read document kinds.',
              'Учётная запись не видит действующих видов документов. Администратору Directum: выдайте право на их чтение.',
            ),
    },
    ...checkReferences(directum, config),
  ];
  try {
    const clock = inspect('directum clock', () => checkClock(directum));
    const login = await inspect('directum', async () => {
      await directum.login();
      return good('answers, the login is accepted', 'отвечает, вход выполнен');
    });
    const others = login.ok
      ? await Promise.all(rest.map(({ check, work }) => inspect(check, work)))
      : // A wrong password tried again and again would lock the login.
        rest.map(({ check }) => notChecked(check, 'directum'));
    return [login, await clock, ...others];
  } finally {
    await directum.close();
  }
}
