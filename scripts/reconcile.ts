import { isLive, isReady } from '../src/bitrix24/auth/installation.ts';
import { defineCommand, obey, Refusal } from '../src/command/command.ts';
import { tell } from '../src/command/trouble.ts';
import type { Config } from '../src/config.ts';
import type { Uncompared } from '../src/documents/reconcile/comparison-step.ts';
import { createLog } from '../src/log.ts';
import { openModules } from '../src/modules.ts';
import { createOutboxLoop } from '../src/outbox/outbox-loop.ts';
import type { LocalText } from '../src/robot/failure.ts';
import { openShadow } from '../src/store/backup/shadow.ts';
import { readItem } from './item-option.ts';
import { explainPortal, PAUSED } from './portal-words.ts';
import { toDifferenceLine, toTimeLeft } from './reconcile/words.ts';

/** Exit codes that an operator's script can use. */
const EQUAL = 0;
const FAILED = 1;
const DIFFERS = 2;
/** What is due a moment later is waited for so long. */
const PAUSE_MS = 500;
/** Repairs that a portal keeps putting off are left to the service. */
const MOST_ROUNDS = 20;

/** Compares what deals show with Directum, and repairs it. */
export const reconcile = defineCommand(
  {
    call: 'npm run reconcile',
    about: {
      en: 'Reads everything that is watched from Directum, compares it with what the portals show, and repairs what differs. Prints one line an item that differed: what it showed and what is right.',
      ru: 'Читает из Directum всё, за чем наблюдает сервис, сравнивает с тем, что показывают порталы, и исправляет отличия. Печатает по строке на элемент: что он показывал и что верно.',
    },
    forms: ['[--dry-run] [--item DEAL_915] [--accept-deletions]'],
    options: {
      'dry-run': {
        about: {
          en: 'only prints; nothing is written anywhere',
          ru: 'только печатает; ничего нигде не записывает',
        },
      },
      item: {
        value: 'DEAL_915',
        about: { en: 'only this item; 915 is a deal', ru: 'только этот элемент; 915 — сделка' },
      },
      'accept-deletions': {
        about: {
          en: 'all documents that Directum does not show were deleted there, and its account has its rights',
          ru: 'все документы, которых Directum не показывает, там удалены, а права учётной записи на месте',
        },
      },
    },
    notes: {
      en: 'It may run beside the service. Ten documents take about four seconds.\nExit code: 0 all is equal or repaired, 1 something could not be compared or repaired, 2 something differs (--dry-run).',
      ru: 'Может работать рядом с сервисом. Десять документов занимают около четырёх секунд.\nКод выхода: 0 — всё совпадает или исправлено, 1 — что-то не удалось сравнить или исправить, 2 — есть отличия (--dry-run).',
    },
  },
  async ({ values, shell, language, config: read, print, warn, say, progress }) => {
    const itemCode = values.item === undefined ? null : readItem(values.item);
    const isDry = values['dry-run'] === true;
    const config = read();
    const now = () => new Date();
    const log = createLog('error', (line) => shell.stderr.write(line));
    const modules = await openModules(config, { log, now, onlyOpen: true });
    let shadow: Awaited<ReturnType<typeof openShadow>> | null = null;
    try {
      if (isDry) shadow = await openShadow(modules.store.url);
      const deals = shadow ? modules.openDeals(shadow, () => undefined) : modules.deals;
      const all = modules.portals.installations.list().filter(isLive);
      const hostOf = (portal: string) => {
        const origin = all.find(({ portalKey }) => portalKey === portal)?.origin;
        return origin === undefined ? portal : new URL(origin).host;
      };
      const away = all.filter((one) => !isReady(one));
      for (const { origin, state } of away)
        warn(`  ! ${new URL(origin).host}: ${say(state === 'paused' ? PAUSED : UNREGISTERED)}`);
      const causes = new Map<string, number>();
      let differing = 0;
      const began = performance.now();
      const result = await deals.compare(
        {
          onItem({ portal, itemCode: code }, differences) {
            differing += 1;
            print(
              `${code}${all.length > 1 ? ` (${hostOf(portal)})` : ''} ${toDifferenceLine(differences, { language, timeZone: config.TIME_ZONE })}`,
            );
          },
          onUncompared(cause) {
            const text = say(explainUncompared(cause, hostOf, config));
            causes.set(text, (causes.get(text) ?? 0) + cause.documents);
          },
          onStep: (documents, total) => progress(toTimeLeft(documents, total, performance.now() - began)),
        },
        { itemCode, accept: values['accept-deletions'] === true },
      );
      for (const { itemCode: code, documentId } of await deals.itemsOf(result.held))
        print(`${code} ${say(toNotShown(documentId))}`);
      if (itemCode !== null && result.documents === 0)
        throw new Refusal({
          en: `${itemCode} shows no document that the service watches`,
          ru: `в ${itemCode} не показан ни один документ, за которым наблюдает сервис`,
        });
      for (const [text, count] of causes)
        warn(
          `  ! ${say({ en: `not compared (documents: ${count})`, ru: `не сравнено (документов: ${count})` })}: ${text}`,
        );
      let left = 0;
      if (!isDry) {
        const { steps, handlers, dueCount } = modules.deals;
        const tasks = createOutboxLoop({
          handlers: handlers.filter(({ lane }) => lane === 'task'),
          quarantine: modules.deals.quarantine,
          seal: modules.keys,
          ...{ now, log },
        });
        for (let round = 0; round < MOST_ROUNDS && (await dueCount()) > 0; round += 1) {
          progress({ en: 'repairing …', ru: 'исправление …' });
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
          tasks.wake();
          while (await steps.show());
        }
        await tasks.stop();
        left = await dueCount();
      }
      print(
        [
          { en: `documents compared: ${result.documents}`, ru: `документов сравнено: ${result.documents}` },
          { en: `items that differed: ${differing}`, ru: `элементов с отличиями: ${differing}` },
          ...(result.failed > 0
            ? [
                {
                  en: `${result.failed} could not be read or compared`,
                  ru: `не прочитано или не сравнено: ${result.failed}`,
                },
              ]
            : []),
          ...(result.held.length > 0
            ? [
                {
                  en: `${result.held.length} not shown by Directum and not taken for deleted: give the account its rights back, or, if they were deleted, say so with --accept-deletions`,
                  ru: `Directum не показывает: ${result.held.length}, удалёнными они не считаются: верните учётной записи права или, если документы удалены, подтвердите это через --accept-deletions`,
                },
              ]
            : []),
          ...(left > 0
            ? [
                {
                  en: `${left} not repaired yet; the service goes on with them`,
                  ru: `ещё не исправлено: ${left}; этим займётся сервис`,
                },
              ]
            : []),
        ]
          .map(say)
          .join(', '),
      );
      if (result.failed > 0 || result.held.length > 0 || left > 0 || away.length > 0) return FAILED;
      return isDry && differing > 0 ? DIFFERS : EQUAL;
    } finally {
      await shadow?.end();
      await modules.close();
    }
  },
);

const toNotShown = (documentId: number): LocalText => ({
  en: `document ${documentId}: Directum does not show it`,
  ru: `документ ${documentId}: Directum его не показывает`,
});

const UNREGISTERED = {
  en: 'The robots are not registered there yet, so nothing is compared. Run: npm run register -- --apply.',
  ru: 'Роботы там ещё не зарегистрированы, сравнивать нечего. Выполните: npm run register -- --apply.',
};

function explainUncompared(
  { error, reason, portal }: Uncompared,
  hostOf: (portal: string) => string,
  config: Config,
): LocalText {
  if (portal === null) return tell(error, config);
  const host = hostOf(portal);
  const { en, ru } =
    reason === null
      ? explainPortal(error, config)
      : { en: `The portal answered ${reason}.`, ru: `Портал ответил ${reason}.` };
  return { en: `${host}: ${en}`, ru: `${host}: ${ru}` };
}

if (import.meta.main) process.exitCode = await obey(reconcile, process);
