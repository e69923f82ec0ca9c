import { type Installation, isLive } from '../src/bitrix24/auth/installation.ts';
import { applyRegistration, listPortal } from '../src/bitrix24/registration/apply-registration.ts';
import { planPortal } from '../src/bitrix24/registration/registration.ts';
import { toLanguage } from '../src/bitrix24/rest/values.ts';
import { defineCommand, type Order, obey } from '../src/command/command.ts';
import type { Config } from '../src/config.ts';
import { createLog } from '../src/log.ts';
import { openModules } from '../src/modules.ts';
import { toDescriptor } from '../src/robot/descriptor.ts';
import type { LocalText } from '../src/robot/failure.ts';
import { isAt, NO_INSTALLATION, noInstallationOn } from './portal-option.ts';
import { explainPortal } from './portal-words.ts';

/** Exit codes that an operator's script can use (interface.md §4). */
const DONE = 0;
const FAILED = 1;
const PENDING = 2;

const OPTIONS = {
  apply: { about: { en: 'adds and updates what differs', ru: 'добавляет и обновляет то, что отличается' } },
  force: { about: { en: 'takes everything for changed', ru: 'считает изменённым всё' } },
  remove: {
    about: {
      en: 'with --apply: deletes what is no longer declared; robots placed on stages break',
      ru: 'вместе с --apply: удаляет то, что больше не объявлено; роботы на стадиях сломаются',
    },
  },
  portal: { value: 'HOST[:PORT]', about: { en: 'only this portal', ru: 'только этот портал' } },
} as const;

type Modules = Awaited<ReturnType<typeof openModules>>;
type Given = Order<typeof OPTIONS>;

/** A problem with the portal it belongs to: of several, one may refuse while the others are well. */
function complain({ origin }: Installation, text: LocalText, { warn, say }: Given, code?: string): void {
  const of = [new URL(origin).host, ...(code === undefined ? [] : [code])].join(': ');
  warn(`  ! ${of}: ${say(text)}`);
}

async function registerOn(
  installation: Installation,
  modules: Modules,
  config: Config,
  order: Given,
): Promise<number> {
  const { values: flags, shell, print, say } = order;
  const { portals } = modules;
  const { memberId } = installation;
  const declared = modules.robots.map((robot) => toDescriptor(robot, toLanguage(installation.language)));
  const log = createLog('error', (line) => shell.stderr.write(line));
  const listed = await listPortal(portals.rest, memberId, log);
  const context = {
    publicUrl: config.PUBLIC_URL,
    authUserId: installation.installerUserId,
    language: toLanguage(installation.language),
  };
  const hashes = flags.force ? {} : installation.registered;
  const plans = Object.values(planPortal(declared, listed, hashes, context));
  const lines = plans.flatMap((plan) => [
    ...plan.add.map((code) => `+ ${code}`),
    ...plan.update.map((code) => `~ ${code}`),
    ...plan.same.map((code) => `= ${code}`),
    ...plan.undeclared.map((code) => `- ${code}${flags.remove ? '' : say(KEPT)}`),
  ]);
  for (const line of [new URL(installation.origin).host, ...lines]) print(line);
  const changes = plans
    .map((plan) => plan.add.length + plan.update.length + (flags.remove ? plan.undeclared.length : 0))
    .reduce((sum, count) => sum + count, 0);
  const waits = changes > 0 && (await modules.store.isOlderConnected());
  if (waits) complain(installation, OLDER, order);
  if (changes === 0 || !flags.apply) {
    for (const { text } of listed.problems) complain(installation, text, order);
    if (listed.problems.some(({ off }) => !off)) return FAILED;
    return changes === 0 ? DONE : PENDING;
  }
  if (waits) return FAILED;
  const { failed, others } = await applyRegistration({
    rest: portals.rest,
    installations: portals.installations,
    memberId,
    robots: declared,
    publicUrl: config.PUBLIC_URL,
    now: () => new Date(),
    log,
    force: flags.force ?? false,
    remove: flags.remove ?? false,
    listed,
  });
  for (const { code, text } of failed) complain(installation, text, order, code);
  for (const { text } of others) complain(installation, text, order);
  return failed.length > 0 || others.some(({ off }) => !off) ? FAILED : DONE;
}

/** Says what would change in the portals, or changes it. */
export const register = defineCommand(
  {
    call: 'npm run register',
    about: {
      en: 'Shows what is registered in the portals against what this version declares: robots, triggers and fields, one line each. + is missing, ~ has changed, = is in place, - is no longer declared. Nothing is changed without --apply.',
      ru: 'Показывает, что зарегистрировано на порталах и что объявлено этой версией: роботы, триггеры и поля, по строке. + не хватает, ~ изменилось, = на месте, - больше не объявлено. Без --apply ничего не меняется.',
    },
    forms: ['[--apply] [--force] [--remove] [--portal HOST[:PORT]]'],
    options: OPTIONS,
    notes: {
      en: 'Exit code: 0 nothing to do or applied, 2 changes are pending, 1 error.',
      ru: 'Код выхода: 0 — делать нечего или применено, 2 — есть изменения, 1 — ошибка.',
    },
  },
  async (order) => {
    const { values, shell, warn, say, progress } = order;
    const config = order.config();
    const log = createLog('error', (line) => shell.stderr.write(line));
    const modules = await openModules(config, { log, now: () => new Date(), onlyOpen: true });
    try {
      const live = modules.portals.installations
        .list()
        .filter(isLive)
        .filter(({ origin }) => values.portal === undefined || isAt(origin, values.portal));
      if (live.length === 0) {
        const { portal } = values;
        warn(say(portal === undefined ? NO_INSTALLATION : noInstallationOn(portal)));
        return FAILED;
      }
      let worst = DONE;
      for (const [at, installation] of live.entries()) {
        const { host } = new URL(installation.origin);
        progress({
          en: `portal ${at + 1} of ${live.length}: ${host} …`,
          ru: `портал ${at + 1} из ${live.length}: ${host} …`,
        });
        const code = await registerOn(installation, modules, config, order).catch((error) => {
          complain(installation, explainPortal(error, config), order);
          return FAILED;
        });
        worst = worst === FAILED || code === FAILED ? FAILED : Math.max(worst, code);
      }
      return worst;
    } finally {
      await modules.close();
    }
  },
);

const OLDER = {
  en: 'a process of an earlier version of the service is connected to the database and does not know all that would be registered; once it stops, the service registers by itself',
  ru: 'к базе подключён процесс прежней версии сервиса, который знает не всё, что было бы зарегистрировано; когда он остановится, сервис зарегистрирует всё сам',
};
const KEPT = { en: ' (kept; --remove deletes it)', ru: ' (остаётся; удаляет --remove)' };
if (import.meta.main) process.exitCode = await obey(register, process);
