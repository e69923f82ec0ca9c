import { robots } from '../../robots/index.ts';
import { isRecord } from '../../src/bitrix24/call.ts';
import { parseScopes } from '../../src/bitrix24/events.ts';
import { REQUIRED_SCOPES } from '../../src/bitrix24/install-page.ts';
import { type Installation, isLive } from '../../src/bitrix24/installation.ts';
import { isYes } from '../../src/bitrix24/proof.ts';
import { planRegistration, toCodes } from '../../src/bitrix24/registration.ts';
import { hasScope } from '../../src/bitrix24/scopes.ts';
import type { Config } from '../../src/config.ts';
import { toDescriptor } from '../../src/robot/descriptor.ts';
import { toLanguage } from '../../src/rooms.ts';
import { bad, type Check, type Finding, good, inspect, notChecked } from './finding.ts';
import type { Opened, Rooms } from './own.ts';
import { STAND_INS } from './settings.ts';

/** Each portal: state, token, installer, scopes, plan, and its robots against the declared ones. */
export async function checkPortals(opened: Opened, config: Config, wrong: string[]): Promise<Check[]> {
  const { rooms } = opened;
  if (rooms === null) return [notChecked('portals', opened.blockedBy)];
  if (wrong.some((name) => name.startsWith('BITRIX24_') && name in STAND_INS))
    return [notChecked('portals', 'settings')];
  const live = rooms.portals.installations.list().filter(isLive);
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
