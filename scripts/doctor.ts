import { randomBytes } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { robots } from '../robots/index.ts';
import { isRecord } from '../src/bitrix24/call.ts';
import { parseScopes } from '../src/bitrix24/events.ts';
import { REQUIRED_SCOPES } from '../src/bitrix24/install-page.ts';
import type { Installation } from '../src/bitrix24/installation.ts';
import { PortalError } from '../src/bitrix24/portal-error.ts';
import { isYes } from '../src/bitrix24/proof.ts';
import { explain, planRegistration, toCodes } from '../src/bitrix24/registration.ts';
import { hasScope } from '../src/bitrix24/scopes.ts';
import { type Config, ConfigError, parseConfig } from '../src/config.ts';
import { createSelfCheck, type SelfCheck } from '../src/directum/self-check.ts';
import { createLog, redact } from '../src/log.ts';
import { toDescriptor } from '../src/robot/descriptor.ts';
import { type LocalText, RobotFailure } from '../src/robot/failure.ts';
import { openRooms, toLanguage } from '../src/service.ts';
import { createSecretKeys, loadSecretKeys } from '../src/store/secrets.ts';
import { openStore } from '../src/store/store.ts';

const USAGE = 'usage: npm run doctor -- [--json]';
const LIMIT_MS = 10_000;
/** The embedded server may have to be made first, and half a start helps nobody. */
const EMBEDDED_LIMIT_MS = 60_000;
const CLOCK_LIMIT_SECONDS = 60;

interface Check {
  check: string;
  ok: boolean;
  text: LocalText;
}
type Finding = Omit<Check, 'check'>;
type Rooms = Awaited<ReturnType<typeof openRooms>>;

const good = (en: string, ru: string): Finding => ({ ok: true, text: { en, ru } });
const bad = (en: string, ru: string): Finding => ({ ok: false, text: { en, ru } });

const now = () => new Date();
/** What the rooms have to say of a failure is said by the checks. */
const log = createLog('fatal', () => undefined);

class Late extends Error {}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Late(`no answer within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** One check: whatever it throws is its own finding, and no other's. */
async function inspect(check: string, work: () => Promise<Finding>, limitMs = LIMIT_MS): Promise<Check> {
  try {
    return { check, ...(await within(limitMs, work())) };
  } catch (error) {
    return { check, ok: false, text: toText(error) };
  }
}

function toText(error: unknown): LocalText {
  if (error instanceof RobotFailure) return error.text;
  if (error instanceof PortalError) {
    const { ru, en } = explain(error);
    if (error.kind === 'network' || error.kind === 'server')
      return {
        en: `${en} Check the network between this machine and the portal.`,
        ru: `${ru} Проверьте сеть между этой машиной и порталом.`,
      };
    if (error.kind === 'auth')
      return {
        en: `${en} Let an administrator of the portal open the application's page.`,
        ru: `${ru} Пусть администратор портала откроет страницу приложения.`,
      };
    return { ru, en };
  }
  if (error instanceof Late)
    return {
      en: `${error.message}. Check the network and the other side.`,
      ru: `Нет ответа в отведённое время. Проверьте сеть и другую сторону.`,
    };
  const reason = error instanceof Error ? error.message || String((error as { code?: unknown }).code) : '';
  return { en: `Failed: ${reason}.`, ru: `Ошибка: ${reason}.` };
}

/** Values that let the other checks go on while some settings are wrong; who needs a wrong one is not checked. */
const STAND_INS: Record<string, string> = {
  PUBLIC_URL: 'http://settings.invalid',
  BITRIX24_CLIENT_ID: 'stand-in-value',
  BITRIX24_CLIENT_SECRET: 'stand-in-value',
  BITRIX24_PORTALS: 'http://settings.invalid',
  DIRECTUM_URL: 'http://settings.invalid/',
  DIRECTUM_LOGIN: 'stand-in-value',
  DIRECTUM_PASSWORD: 'stand-in-value',
};

function readSettings(env: NodeJS.ProcessEnv): { config: Config; wrong: string[]; check: Check } {
  try {
    const config = parseConfig(env);
    return {
      config,
      wrong: [],
      check: { check: 'settings', ...good('all settings can be used', 'все настройки годятся') },
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const wrong = error.problems.map((problem) => problem.split(':')[0] as string);
    const mended = { ...env };
    for (const name of wrong) {
      delete mended[name];
      if (name in STAND_INS) mended[name] = STAND_INS[name];
    }
    const problems = error.problems.join('; ');
    return {
      config: parseConfig(mended),
      wrong,
      check: { check: 'settings', ...bad(`Mend: ${problems}.`, `Исправьте настройки: ${problems}.`) },
    };
  }
}

const notChecked = (check: string, reason: string): Check => ({
  check,
  ...bad(`Not checked: mend «${reason}» first.`, `Не проверено: сначала исправьте «${reason}».`),
});

async function isUp(url: string): Promise<{ up: boolean; reason: string }> {
  try {
    const response = await fetch(`${url}/healthz`, {
      redirect: 'manual',
      signal: AbortSignal.timeout(LIMIT_MS - 1_000),
    });
    const body = (await response.text()).slice(0, 100).trim();
    return { up: response.status === 200 && body === 'ok', reason: `code ${response.status}` };
  } catch (error) {
    const cause = (error as Error).cause as { code?: string } | undefined;
    return { up: false, reason: String(cause?.code ?? (error as Error).name) };
  }
}

/** Asked from this machine, as a portal would ask; the local port tells a stopped service from a proxy's fault. */
async function checkPublicUrl(config: Config): Promise<Finding> {
  const host = ['0.0.0.0', '::'].includes(config.HOST) ? '127.0.0.1' : config.HOST;
  const local = `http://${host.includes(':') ? `[${host}]` : host}:${config.PORT}`;
  const [outside, inside] = await Promise.all([isUp(config.PUBLIC_URL), isUp(local)]);
  if (outside.up) return good(`${config.PUBLIC_URL} answers`, `${config.PUBLIC_URL} отвечает`);
  const answer = `${config.PUBLIC_URL}/healthz: ${outside.reason}.`;
  return inside.up
    ? bad(
        `${answer} The service runs on this machine: check DNS, the proxy and its certificate.`,
        `${answer} Служба на этой машине работает: проверьте DNS, прокси и его сертификат.`,
      )
    : bad(
        `${answer} Start the service: npm start. If it runs elsewhere, check DNS, the proxy and its certificate.`,
        `${answer} Запустите службу: npm start. Если она работает на другой машине, проверьте DNS, прокси и его сертификат.`,
      );
}

type Opened = {
  checks: Check[];
  rooms: Rooms | null;
  blockedBy: string;
  close(): Promise<void>;
};

/** Database, then keys, then what both are needed for. */
async function openAll(config: Config, wrong: string[]): Promise<Opened> {
  const checks: Check[] = [];
  const blocked = (blockedBy: string, close = async () => {}): Opened => ({
    checks,
    rooms: null,
    blockedBy,
    close,
  });
  if (wrong.some((name) => ['DATABASE_URL', 'DATA_DIR', 'SECRET_KEYS'].includes(name))) {
    checks.push(notChecked('database', 'settings'), notChecked('keys', 'settings'));
    return blocked('settings');
  }
  const options = { databaseUrl: config.DATABASE_URL, dataDir: config.DATA_DIR, log, now };
  // Asked before anything else could make the file.
  const keysAreThere =
    config.SECRET_KEYS !== undefined ||
    (await access(join(config.DATA_DIR, 'keys')).then(
      () => true,
      (error) => error.code !== 'ENOENT',
    ));
  // Nothing is read with these: whether the database answers does not depend on the keys.
  const anyKeys = createSecretKeys(new Map([['none', randomBytes(32)]]));
  const opening = openStore({ ...options, keys: anyKeys });
  const close = () =>
    opening.then(
      (store) => store.close(),
      () => undefined,
    );
  const database = await inspect(
    'database',
    async () => {
      const store = await opening.catch((error) => {
        const { message, code } = error as Error & { code?: string };
        const where = config.DATABASE_URL ? 'DATABASE_URL' : 'DATA_DIR';
        throw new RobotFailure('internal_error', {
          en: `The database cannot be used: ${message || code}. Check ${where} and that PostgreSQL may be started and reached.`,
          ru: `База данных недоступна: ${message || code}. Проверьте ${where}, запуск и доступность PostgreSQL.`,
        });
      });
      const { rows } = await store.pool.query('SELECT count(*)::int AS count FROM schema_migration');
      const where = config.DATABASE_URL ? 'PostgreSQL' : `embedded PostgreSQL in ${config.DATA_DIR}`;
      return good(
        `${where} answers, ${rows[0].count} migrations are done`,
        `${where} отвечает, выполнено миграций: ${rows[0].count}`,
      );
    },
    config.DATABASE_URL ? LIMIT_MS : EMBEDDED_LIMIT_MS,
  );
  checks.push(database);
  if (!database.ok) {
    checks.push(notChecked('keys', 'database'));
    return blocked('database', close);
  }

  const store = await opening;
  const keys = await inspect('keys', async () => {
    const { rows } = await store.pool.query('SELECT count(*)::int AS count FROM keyv');
    if (!keysAreThere)
      return rows[0].count === 0
        ? good(
            'no keys yet: the service makes them when they are first needed',
            'ключей ещё нет: служба создаст их сама',
          )
        : bad(
            `The file keys is missing in ${config.DATA_DIR}, but the database holds sealed values. Restore the file or SECRET_KEYS from the backup.`,
            `В ${config.DATA_DIR} нет файла keys, а в базе есть зашифрованные значения. Восстановите файл или SECRET_KEYS из резервной копии.`,
          );
    try {
      const real = await loadSecretKeys({ secretKeys: config.SECRET_KEYS, dataDir: config.DATA_DIR });
      const { rows: sealed } = await store.pool.query(
        `SELECT value FROM keyv WHERE starts_with(key, 'installation:')`,
      );
      for (const { value } of sealed) real.decrypt(value, 'installation');
      return good(
        `${sealed.length} sealed values open`,
        `зашифрованных значений прочитано: ${sealed.length}`,
      );
    } catch (error) {
      const { message } = error as Error;
      return bad(
        `Stored values cannot be opened: ${message}. Give the earlier keys in SECRET_KEYS or restore DATA_DIR/keys.`,
        `Сохранённые значения не открываются: ${message}. Верните прежние ключи в SECRET_KEYS или файл DATA_DIR/keys.`,
      );
    }
  });
  checks.push(keys);
  if (!keys.ok) return blocked('keys', close);
  try {
    const rooms = await within(EMBEDDED_LIMIT_MS, openRooms(config, { log, now }));
    const closeBoth = async () => {
      await rooms.close();
      await close();
    };
    return { checks, rooms, blockedBy: '', close: closeBoth };
  } catch {
    return blocked('database', close);
  }
}

async function checkPortals(opened: Opened, config: Config, wrong: string[]): Promise<Check[]> {
  const { rooms } = opened;
  if (rooms === null) return [notChecked('portals', opened.blockedBy)];
  if (wrong.some((name) => name.startsWith('BITRIX24_') && name in STAND_INS))
    return [notChecked('portals', 'settings')];
  const live = rooms.portals.installations.list().filter(({ state }) => state !== 'uninstalled');
  if (live.length === 0) {
    const page = `${config.PUBLIC_URL}/bitrix24/install`;
    return [
      {
        check: 'portals',
        ...bad(
          `The application is installed on no portal. Make a local application on the portal with the addresses ${page} and open it as an administrator.`,
          `Приложение не установлено ни на одном портале. Создайте на портале локальное приложение с адресами ${page} и откройте его администратором.`,
        ),
      },
    ];
  }
  const checks = await Promise.all(
    live.map((installation) => checkPortal(installation, rooms, config, wrong)),
  );
  return checks.flat();
}

async function checkPortal(
  installation: Installation,
  { portals }: Rooms,
  config: Config,
  wrong: string[],
): Promise<Check[]> {
  const { memberId } = installation;
  const host = new URL(installation.origin).host;
  const ask = (method: string, params: Record<string, unknown> = {}) =>
    portals.rest.call(memberId, method, params);
  const name = (check: string) => `portal ${host} ${check}`;
  const listing = ask('bizproc.robot.list').then(toCodes);
  listing.catch(() => undefined);

  const registration = async (): Promise<Finding> => {
    const declared = robots.map((robot) => toDescriptor(robot, toLanguage(installation.language)));
    const context = { publicUrl: config.PUBLIC_URL, authUserId: installation.installerUserId };
    const plan = planRegistration(declared, await listing, installation.registered, context);
    const differ = [...plan.add.map((code) => `+ ${code}`), ...plan.update.map((code) => `~ ${code}`)];
    if (differ.length > 0 || installation.registeredAt === undefined)
      return bad(
        `The portal differs from what is declared: ${differ.join(', ') || 'the registration did not end'}. Run: npm run register -- --apply.`,
        `На портале не то, что объявлено: ${differ.join(', ') || 'регистрация не закончена'}. Выполните: npm run register -- --apply.`,
      );
    const extra = plan.undeclared.length === 0 ? '' : `; undeclared: ${plan.undeclared.join(', ')}`;
    return good(
      `${plan.same.length} robots as declared${extra}`,
      `роботов как объявлено: ${plan.same.length}${extra.replace('undeclared', 'необъявленные')}`,
    );
  };

  return Promise.all([
    inspect(name('state'), async () =>
      installation.state === 'active'
        ? good('active', 'работает')
        : bad(
            `Paused: ${installation.pausedReason ?? 'unknown reason'}. Let an administrator of the portal open the application's page.`,
            `Остановлен: ${installation.pausedReason ?? 'причина неизвестна'}. Пусть администратор портала откроет страницу приложения.`,
          ),
    ),
    inspect(name('token'), async () => {
      const app = await ask('app.info');
      return isRecord(app) && isYes(app['INSTALLED'])
        ? good('the token works', 'токен действует')
        : bad(
            'The portal says the installation is not finished. Let an administrator open the application’s page.',
            'Портал считает установку незаконченной. Пусть администратор откроет страницу приложения.',
          );
    }),
    inspect(name('installer'), async () => {
      const profile = await ask('profile');
      return isRecord(profile) && isYes(profile['ADMIN'])
        ? good('the installer is an administrator', 'установивший — администратор')
        : bad(
            'The user whose token is used is no administrator of the portal (any more). Let an administrator open the application’s page.',
            'Пользователь, чей токен используется, не администратор портала. Пусть страницу приложения откроет администратор.',
          );
    }),
    inspect(name('scopes'), async () => {
      const given = parseScopes(await ask('scope'));
      const missing = REQUIRED_SCOPES.filter((scope) => !hasScope(given, scope));
      return missing.length === 0
        ? good('all scopes are given', 'все права выданы')
        : bad(
            `Missing scopes: ${missing.join(', ')}. Give them in the settings of the local application and open its page again.`,
            `Не выданы права: ${missing.join(', ')}. Выдайте их в настройках локального приложения и откройте его снова.`,
          );
    }),
    inspect(name('plan'), async () => {
      await listing;
      const sending = await ask('method.get', { name: 'bizproc.event.send' });
      return isRecord(sending) && isYes(sending['isAvailable'])
        ? good('the plan has automation rules', 'тариф включает роботов')
        : bad(
            'The plan of the portal has no bizproc.event.send: steps cannot be answered. A plan with CRM automation is needed.',
            'В тарифе портала нет bizproc.event.send: роботам нельзя ответить. Нужен тариф с автоматизацией CRM.',
          );
    }),
    wrong.includes('PUBLIC_URL')
      ? notChecked(name('robots'), 'settings')
      : inspect(name('robots'), registration),
  ]);
}

const CAPABILITIES = [
  'Docflow/CreateApprovalTask',
  'Docflow/CreateVersionFromTemplate',
  'DocflowApproval/CreateDocumentFlowTask',
];

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

async function checkDirectum(config: Config, wrong: string[]): Promise<Check[]> {
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
        return good(words('yes', 'no'), words('есть', 'нет'));
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

/** The last guard: no secret of the settings reaches the output, whoever quoted it. */
function toHide(config: Config): (text: string) => string {
  const keys = (config.SECRET_KEYS ?? '').split(',').map((entry) => entry.split(':')[1] ?? '');
  const password = config.DATABASE_URL && URL.canParse(config.DATABASE_URL) && new URL(config.DATABASE_URL);
  const secrets = [
    config.DIRECTUM_PASSWORD,
    config.BITRIX24_CLIENT_SECRET,
    config.OPS_TOKEN ?? '',
    password ? decodeURIComponent(password.password) : '',
    ...keys,
  ].filter((secret) => secret.length > 3);
  return (text) =>
    secrets.reduce((clean, secret) => clean.replaceAll(secret, '[hidden]'), String(redact(text)));
}

async function main(): Promise<number> {
  const { values } = parseArgs({ args: process.argv.slice(2), options: { json: { type: 'boolean' } } });
  const { config, wrong, check: settings } = readSettings(process.env);
  const [opened, publicUrl, directum] = await Promise.all([
    openAll(config, wrong),
    wrong.includes('PUBLIC_URL') || wrong.includes('PORT') || wrong.includes('HOST')
      ? notChecked('public url', 'settings')
      : inspect('public url', () => checkPublicUrl(config)),
    checkDirectum(config, wrong),
  ]);
  const portals = await checkPortals(opened, config, wrong);
  const live = opened.rooms?.portals.installations.list() ?? [];
  const inRussian = live.some(
    ({ state, language }) => state !== 'uninstalled' && toLanguage(language) === 'ru',
  );
  const hide = toHide(config);
  const checks = [settings, ...opened.checks, publicUrl, ...portals, ...directum].map(
    ({ check, ok, text }) => ({
      check,
      ok,
      text: hide(inRussian && text.ru !== text.en ? `${text.en} / ${text.ru}` : text.en).replace(/\s+/g, ' '),
    }),
  );
  const output = values.json
    ? `${JSON.stringify(checks, null, 2)}\n`
    : checks.map(({ check, ok, text }) => `${ok ? '✓' : '✗'} ${check}: ${text}\n`).join('');
  await new Promise<void>((resolve) => process.stdout.write(output, () => resolve()));
  await within(LIMIT_MS, opened.close()).catch(() => undefined);
  return checks.every(({ ok }) => ok) ? 0 : 1;
}

try {
  // A call that hangs on the other side must not keep the command from ending.
  process.exit(await main());
} catch (error) {
  const usage = error instanceof TypeError && 'code' in error;
  process.stderr.write(
    `${usage ? `${(error as Error).message}\n${USAGE}` : `doctor failed: ${String(redact((error as Error).message))}`}\n`,
  );
  process.exit(1);
}
