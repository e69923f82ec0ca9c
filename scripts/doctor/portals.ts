import { hasScope, type Installation, isLive, parseScopes } from '../../src/bitrix24/auth/installation.ts';
import { REQUIRED_SCOPES } from '../../src/bitrix24/install/install-page.ts';
import { listPortal } from '../../src/bitrix24/registration/apply-registration.ts';
import type { ItemFailure, Listed } from '../../src/bitrix24/registration/portal-list.ts';
import { type PortalPlan, planPortal } from '../../src/bitrix24/registration/registration.ts';
import { isRecord, isYes, toLanguage } from '../../src/bitrix24/rest/values.ts';
import type { Config } from '../../src/config.ts';
import { toDescriptor } from '../../src/robot/descriptor.ts';
import { bad, type Check, type Finding, good, inspect, type Line, log, notChecked } from './finding.ts';
import type { Opened } from './own.ts';

/** One portal, and what it was already asked for. */
export interface OfPortal {
  installation: Installation;
  ask(method: string, params?: Record<string, unknown>): Promise<unknown>;
  listed: Promise<Listed>;
  plan: Promise<PortalPlan>;
}

export const state: Check<OfPortal> = {
  check: 'state',
  ru: 'состояние',
  find: ({ installation }) =>
    installation.state === 'active'
      ? good('active', 'работает')
      : bad(
          `Paused: ${installation.pausedReason ?? 'unknown reason'}. Let an administrator of the portal open the application's page.`,
          `Остановлен: ${installation.pausedReason ?? 'причина неизвестна'}. Пусть администратор портала откроет страницу приложения.`,
        ),
};

export const token: Check<OfPortal> = {
  check: 'token',
  ru: 'токен',
  async find({ ask }) {
    const app = await ask('app.info');
    return isRecord(app) && isYes(app['INSTALLED'])
      ? good('the token works', 'токен действует')
      : bad(
          'The portal says the installation is not finished. Let an administrator open the application’s page.',
          'Портал считает установку незаконченной. Пусть администратор откроет страницу приложения.',
        );
  },
};

export const installer: Check<OfPortal> = {
  check: 'installer',
  ru: 'установивший',
  async find({ ask }) {
    const profile = await ask('profile');
    return isRecord(profile) && isYes(profile['ADMIN'])
      ? good('the installer is an administrator', 'установивший — администратор')
      : bad(
          'The user whose token is used is no administrator of the portal (any more). Let an administrator open the application’s page.',
          'Пользователь, чей токен используется, не администратор портала. Пусть страницу приложения откроет администратор.',
        );
  },
};

export const scopes: Check<OfPortal> = {
  check: 'scopes',
  ru: 'права приложения',
  async find({ ask }) {
    const given = parseScopes(await ask('scope'));
    const missing = REQUIRED_SCOPES.filter((scope) => !hasScope(given, scope)).join(', ');
    return missing === ''
      ? good('all scopes are given', 'все права выданы')
      : bad(
          `Missing scopes: ${missing}. Give them in the settings of the local application and open its page again.`,
          `Не выданы права: ${missing}. Выдайте их в настройках локального приложения и откройте его снова.`,
        );
  },
};

export const tariff: Check<OfPortal> = {
  check: 'plan',
  ru: 'тариф',
  async find({ ask, listed }) {
    await listed;
    const missing: string[] = [];
    // By the first a robot is answered, by the second its call is proven (interface.md §2).
    for (const name of ['bizproc.event.send', 'bizproc.activity.log']) {
      const method = await ask('method.get', { name });
      if (!isRecord(method) || !isYes(method['isAvailable'])) missing.push(name);
    }
    const names = missing.join(', ');
    return names === ''
      ? good('the plan has automation rules', 'тариф включает роботов')
      : bad(
          `The portal has no ${names}: robots cannot be answered. A plan with CRM automation is needed.`,
          `На портале нет ${names}: роботам нельзя ответить. Нужен тариф с автоматизацией CRM.`,
        );
  },
};

const REGISTER = 'npm run register -- --apply';

/** What is registered of one kind against what is declared. */
function toFinding({ add, update, same, undeclared }: PortalPlan['robots'], isDone = true): Finding {
  const differ = [...add.map((code) => `+ ${code}`), ...update.map((code) => `~ ${code}`)].join(', ');
  if (differ !== '' || !isDone)
    return bad(
      `The portal differs from what is declared: ${differ || 'the registration did not end'}. Run: ${REGISTER}.`,
      `На портале не то, что объявлено: ${differ || 'регистрация не закончена'}. Выполните: ${REGISTER}.`,
    );
  const extra = undeclared.join(', ');
  return good(
    `${same.length} as declared${extra && `; undeclared: ${extra}`}`,
    `как объявлено: ${same.length}${extra && `; необъявленные: ${extra}`}`,
  );
}

/** A portal that has no such feature is well; one that keeps it from us is not. */
function explainProblem({ text, error }: ItemFailure): Finding {
  return error === 'ERROR_METHOD_NOT_FOUND' ? good(text.en, text.ru) : bad(text.en, text.ru);
}

function ofKind(kind: ItemFailure['kind']) {
  return async ({ listed, plan }: OfPortal): Promise<Finding> => {
    const problem = (await listed).problems.find((one) => one.kind === kind);
    return problem ? explainProblem(problem) : toFinding((await plan)[`${kind}s`]);
  };
}

export const registered: Check<OfPortal> = {
  check: 'robots',
  ru: 'роботы',
  find: async ({ plan, installation }) =>
    toFinding((await plan).robots, installation.registeredAt !== undefined),
};

export const triggers: Check<OfPortal> = { check: 'triggers', ru: 'триггеры', find: ofKind('trigger') };
export const fields: Check<OfPortal> = { check: 'fields', ru: 'поля', find: ofKind('field') };

const ALL = { check: 'portals', ru: 'порталы' };

const noPortal: Check<Config> = {
  ...ALL,
  find({ PUBLIC_URL }) {
    const page = `${PUBLIC_URL}/bitrix24/install`;
    return bad(
      `The application is installed on no portal. Make a local application on the portal with the addresses ${page} and open it as an administrator.`,
      `Приложение не установлено ни на одном портале. Создайте на портале локальное приложение с адресами ${page} и откройте его администратором.`,
    );
  },
};

/** Makes the checks for each portal on which the application is installed. */
export async function checkPortals(
  { modules, blockedBy }: Opened,
  config: Config,
  checks: readonly Check<OfPortal>[],
): Promise<Line[]> {
  if (modules === null) return [notChecked(ALL, blockedBy)];
  const { rest, installations } = modules.portals;
  const live = installations.list().filter(isLive);
  if (live.length === 0) return [await inspect(noPortal, config, config)];
  const lines = live.map((installation) => {
    const { memberId, origin } = installation;
    const language = toLanguage(installation.language);
    const listed = listPortal(rest, memberId, log);
    const plan = listed.then((all) => {
      const declared = modules.robots.map((robot) => toDescriptor(robot, language));
      const context = { publicUrl: config.PUBLIC_URL, authUserId: installation.installerUserId, language };
      return planPortal(declared, all, installation.registered, context);
    });
    // Whoever needs it hears of it.
    plan.catch(() => undefined);
    const of: OfPortal = {
      installation,
      ask: (method, params = {}) => rest.call(memberId, method, params),
      listed,
      plan,
    };
    const { host } = new URL(origin);
    return checks.map((one) =>
      inspect({ ...one, check: `portal ${host} ${one.check}`, ru: `портал ${host}, ${one.ru}` }, of, config),
    );
  });
  return Promise.all(lines.flat());
}
