import type { Config } from '../../src/config.ts';
import { createSelfCheck, type SelfCheck } from '../../src/directum/self-check.ts';
import { contract } from '../../src/documents/types/document-types.ts';
import { type LocalText, RobotFailure } from '../../src/robot/failure.ts';
import type { Store } from '../../src/store/store.ts';
import {
  bad,
  type Check,
  good,
  inspect,
  LIMIT_MS,
  type Line,
  log,
  notChecked,
  now,
  ofDirectum,
} from './finding.ts';
import type { Modules } from './own.ts';

/** One Directum, and what it showed of itself before. */
export interface OfDirectum {
  directum: SelfCheck;
  config: Config;
  known: Record<'Task' | 'Assignment', number | null>;
}

const CLOCK_LIMIT_SECONDS = 60;

const CAPABILITIES = [
  'Docflow/CreateApprovalTask',
  'Docflow/CreateVersionFromTemplate',
  'DocflowApproval/CreateDocumentFlowTask',
  'Docflow/StartTask',
];
/** Without these no approval can be started; they are there since Directum RX 4.3 (directum.md A.1). */
const NEEDED = ['Docflow/CreateApprovalTask', 'Docflow/StartTask'];

export const clock: Check<OfDirectum> = {
  check: 'directum clock',
  ru: 'часы Directum',
  async find({ directum, config }) {
    let ahead: number | null;
    try {
      ahead = await directum.clockAhead();
    } catch (error) {
      const why = ofDirectum(error, config);
      return bad(
        `Directum's clock is unknown. ${why?.en ?? 'Directum does not answer.'}`,
        `Часы Directum неизвестны. ${why?.ru ?? 'Directum не отвечает.'}`,
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
  },
};

export const capabilities: Check<OfDirectum> = {
  check: 'directum capabilities',
  ru: 'функции Directum',
  async find({ directum }) {
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
};

export const account: Check<OfDirectum> = {
  check: 'directum account',
  ru: 'учётная запись Directum',
  async find({ directum }) {
    const employee = await directum.account();
    if (!employee)
      return bad(
        'The login belongs to no active employee that the account can read. Directum administrator: make an employee with this login, a department and an own company.',
        'Логин не связан с действующим сотрудником, видимым учётной записи. Администратору Directum: заведите сотрудника с этим логином, подразделением и нашей организацией.',
      );
    const { name, department, businessUnit } = employee;
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
  },
};

export const rights: Check<OfDirectum> = {
  check: 'directum rights',
  ru: 'права в Directum',
  find: async ({ directum }) =>
    (await directum.seesKinds())
      ? good('document kinds can be read', 'виды документов доступны')
      : bad(
          'The account sees no active document kind. Directum administrator: grant it the right to read document kinds.',
          'Учётная запись не видит действующих видов документов. Администратору Directum: выдайте право на их чтение.',
        ),
};

/** By what is read: rows the account has no right to are absent (directum.md A.3), so an empty list alone says nothing. */
function seeing(what: 'Task' | 'Assignment', words: LocalText): Check<OfDirectum>['find'] {
  return async ({ directum, known }) => {
    const sees = await directum.sees(what).catch((error) => {
      if (error instanceof RobotFailure && error.code === 'directum_access_denied') return null;
      throw error;
    });
    if (sees) return good(`${words.en} can be read`, `${words.ru} доступны`);
    const seen = known[what];
    if (sees === false && seen === null)
      return good(
        `no ${words.en} yet: the first approval shows whether the account may read them`,
        `${words.ru} ещё не встречались: первое согласование покажет, доступны ли они`,
      );
    const was =
      seen === null
        ? { en: '', ru: '' }
        : { en: ` (${seen} was read before)`, ru: ` (раньше было видно ${seen})` };
    return bad(
      `The account may read no ${words.en}${was.en}: deals do not show who holds a document. Directum administrator: give it the rights to read ${words.en}.`,
      `Учётной записи не видны ${words.ru}${was.ru}: сделки не покажут, у кого документ. Администратору Directum: выдайте право на чтение.`,
    );
  };
}

export const tasks: Check<OfDirectum> = {
  check: 'directum tasks',
  ru: 'задачи Directum',
  find: seeing('Task', { en: 'tasks', ru: 'задачи' }),
};
export const assignments: Check<OfDirectum> = {
  check: 'directum assignments',
  ru: 'задания Directum',
  find: seeing('Assignment', { en: 'assignments', ru: 'задания' }),
};

type Setting = 'DIRECTUM_CONTRACT_KIND' | 'DIRECTUM_BUSINESS_UNIT' | 'DIRECTUM_RESPONSIBLE';
type Found = { id: number; name: string } | null;

/** A setting that names a record of Directum. */
function reference(
  setting: Setting,
  without: LocalText,
  find: (directum: SelfCheck, value: string, label: LocalText) => Promise<Found>,
): Check<OfDirectum> {
  return {
    check: setting,
    ru: setting,
    async find({ directum, config }) {
      const value = config[setting];
      if (value === undefined) return good(`not set: ${without.en}`, `не задано: ${without.ru}`);
      const record = await find(directum, value, { ru: setting, en: setting });
      return record
        ? good(`«${record.name}» (id ${record.id})`, `«${record.name}» (ИД ${record.id})`)
        : bad(
            `Directum has no single active record for it. Mend ${setting}.`,
            `В Directum нет одной подходящей действующей записи. Исправьте ${setting}.`,
          );
    },
  };
}

export const contractKind = reference(
  'DIRECTUM_CONTRACT_KIND',
  { en: 'each robot must name its document kind', ru: 'вид документа задаётся в каждом роботе' },
  ({ catalogue }, value, label) => catalogue.documentKind(contract, value, label),
);
export const businessUnit = reference(
  'DIRECTUM_BUSINESS_UNIT',
  {
    en: 'the own company comes from the deal or the responsible person',
    ru: 'организация берётся из сделки или у ответственного',
  },
  ({ catalogue }, value, label) => catalogue.businessUnit(value, label),
);
export const responsible = reference(
  'DIRECTUM_RESPONSIBLE',
  {
    en: 'nobody stands in for people without an employee',
    ru: 'для людей, которых нет в Directum, замены нет',
  },
  ({ employees }, value) => employees.byReference(value),
);

/** Whether what the package made or watches can still be read (interface.md §2). */
export const documents: Check<Modules> = {
  check: 'directum documents',
  ru: 'документы Directum',
  async find({ deals }) {
    const { held, ids, blind } = await deals.observer.deletions.inspect();
    if (held === 0 && !blind) return good('what is watched can be read', 'отслеживаемые документы доступны');
    const named = ids.join(', ') + (held > ids.length ? ', …' : '');
    const which = held === 0 ? '' : ` (${held}: ${named})`;
    return bad(
      `Directum no longer shows documents that the service made or watches${which}: the account seems to have lost its rights. Directum administrator: give them back. If the documents were deleted: npm run reconcile -- --accept-deletions.`,
      `Directum перестал показывать документы, которые сервис создал или отслеживает${which}: похоже, у учётной записи отобрали права. Администратору Directum: верните права. Если документы удалены: npm run reconcile -- --accept-deletions.`,
    );
  },
};

const login: Check<OfDirectum> = {
  check: 'directum',
  ru: 'Directum',
  async find({ directum }) {
    await directum.login();
    return good('answers, the login is accepted', 'отвечает, вход выполнен');
  },
};

/** Whether Directum answers and takes the login, its clock, and then the further checks. */
export async function checkDirectum(
  config: Config,
  known: OfDirectum['known'],
  checks: readonly Check<OfDirectum>[],
): Promise<Line[]> {
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
  const of = { directum, config, known };
  try {
    const time = inspect(clock, of, config);
    const first = await inspect(login, of, config);
    const others = first.ok
      ? await Promise.all(checks.map((one) => inspect(one, of, config)))
      : // A wrong password tried again and again would lock the login.
        checks.map((one) => notChecked(one, { en: login.check, ru: login.ru }));
    return [first, await time, ...others];
  } finally {
    await directum.close();
  }
}

/** A task and an assignment that Directum once showed. */
export async function readKnown(store: Store | null): Promise<OfDirectum['known']> {
  if (store === null) return { Task: null, Assignment: null };
  const { rows } = await store.pool.query(
    'SELECT (SELECT max(task_id) FROM document_task) AS task, (SELECT max(id) FROM assignment) AS assignment',
  );
  const [{ task, assignment }] = rows;
  return { Task: task && Number(task), Assignment: assignment && Number(assignment) };
}
