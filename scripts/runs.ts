import { isLive } from '../src/bitrix24/auth/installation.ts';
import { toLanguage } from '../src/bitrix24/rest/values.ts';
import { defineCommand, obey, Refusal } from '../src/command/command.ts';
import { toMoment } from '../src/command/moment.ts';
import { createLog } from '../src/log.ts';
import { openModules } from '../src/modules.ts';
import { type Ending, failAgain } from '../src/robot/run-robot.ts';
import { readCall, readEventToken, toDeadline } from '../src/runs/intake/kept-call.ts';
import { isCheckRun, toNewAnswer } from '../src/runs/work/attempt.ts';
import { createRunHistory } from '../src/store/runs/run-history.ts';
import { type Given, MOST_SHOWN, OPTIONS, readOrder } from './runs/asked.ts';
import { printList, printRun, printTable, type Shown, stateOf, toLines } from './runs/print.ts';

const CANCELLED = {
  ru: 'Запуск отменён администратором сервиса. Если он нужен, запустите робота снова.',
  en: 'The run was cancelled by the operator of the service. If it is needed, run the robot again.',
};

async function fulfil(given: Given): Promise<void> {
  const { print, say, shell } = given;
  // What is asked in a wrong form is told before the settings, but only they know the zone.
  readOrder(given, 'UTC');
  const config = given.config();
  const order = readOrder(given, config.TIME_ZONE);
  const shown: Shown = { print, say, time: (at) => toMoment(at, config.TIME_ZONE) };
  const now = () => new Date();
  const log = createLog('error', (line) => shell.stderr.write(line));
  const modules = await openModules(config, { log, now, onlyOpen: true });
  try {
    const history = createRunHistory(modules.store.pool, modules.store.content);
    if (order.command === 'list') {
      const { runs: found, total } = await history.list(order, order.limit);
      printList(shown, found);
      const more = total - found.length;
      if (more > 0)
        print(
          say({
            en: `and ${more} more; --limit ${Math.min(total, MOST_SHOWN)} shows them`,
            ru: `и ещё ${more}; покажет --limit ${Math.min(total, MOST_SHOWN)}`,
          }),
        );
      return;
    }
    if (order.command === 'causes') {
      const causes = await history.causes();
      printTable(
        print,
        say({ en: 'CODE,ROBOT,RUNS,FIRST,LAST', ru: 'КОД,РОБОТ,ЗАПУСКОВ,ПЕРВЫЙ,ПОСЛЕДНИЙ' }).split(','),
        causes.map((one) => [
          one.code,
          one.robot,
          String(one.count),
          shown.time(one.first),
          shown.time(one.last),
        ]),
      );
      if (causes.length === 0) print(say({ en: 'no runs ended badly', ru: 'запусков с ошибкой нет' }));
      return;
    }
    if (order.command === 'retry-failed') {
      const codes = modules.robots.map(({ code }) => code);
      if (order.robot !== null && !codes.includes(order.robot)) {
        const known = codes.join(', ');
        throw new Refusal({
          en: `--robot: one of ${known} is expected`,
          ru: `--robot: нужен один из ${known}`,
        });
      }
      const isThere = (memberId: string) => isLive(modules.portals.installations.get(memberId));
      const found = await history.failedWith(order);
      const chosen = found.filter(({ memberId }) => isThere(memberId));
      const gone = found.length - chosen.length;
      if (gone > 0)
        print(
          say({
            en: `${gone} left out: the application is removed from their portal`,
            ru: `пропущено ${gone}: приложение удалено с их портала`,
          }),
        );
      if (order.dryRun) {
        printList(shown, chosen);
        print(
          say({
            en: `${chosen.length} runs would be done again; without --dry-run they are`,
            ru: `было бы повторено запусков: ${chosen.length}; без --dry-run они повторяются`,
          }),
        );
        return;
      }
      let again = 0;
      const deadline = toDeadline(now(), config.RUN_MAX_HOURS, 0);
      for (const { id } of chosen) if (await history.reopen(id, now(), deadline)) again += 1;
      print(
        say({
          en: `${again} runs will be done again; the service takes them up within seconds`,
          ru: `будет повторено запусков: ${again}; сервис возьмётся за них через несколько секунд`,
        }),
      );
      return;
    }
    const run = await history.find(order.id);
    if (!run && (await history.wasDeleted(order.id)))
      throw new Refusal({
        en: `run ${order.id} was deleted for its age: ended runs are kept for KEEP_RUNS_DAYS days`,
        ru: `запуск ${order.id} удалён за давностью: законченные запуски хранятся KEEP_RUNS_DAYS дней`,
      });
    if (!run)
      throw new Refusal({
        en: `no run ${order.id}; npm run runs -- list shows those there are`,
        ru: `нет запуска ${order.id}; какие есть, показывает npm run runs -- list`,
      });
    const installation = modules.portals.installations.get(run.memberId);
    const language = toLanguage(installation?.language ?? 'ru');

    if (order.command === 'show') {
      let properties: string[];
      try {
        properties = toLines(readCall(modules.keys.decrypt(run.call)).properties, say);
      } catch {
        const lost = {
          en: 'cannot be opened: its key is not in SECRET_KEYS or DATA_DIR/keys',
          ru: 'не открываются: их ключа нет ни в SECRET_KEYS, ни в DATA_DIR/keys',
        };
        properties = [`  ${say(lost)}`];
      }
      printRun(shown, run, properties);
      return;
    }

    if (order.command === 'retry') {
      if (run.state !== 'ended')
        throw new Refusal({
          en: `run ${run.id} has not ended (${run.state}); cancel it first or wait`,
          ru: `запуск ${run.id} не закончен (${run.state}); отмените его или подождите`,
        });
      if (run.ending === 'done')
        throw new Refusal({
          en: `run ${run.id} ended well; there is nothing to do again`,
          ru: `запуск ${run.id} закончился успешно; повторять нечего`,
        });
      if (!isLive(installation))
        throw new Refusal({
          en: `the application is removed from the portal of run ${run.id}; its step is gone`,
          ru: `приложение удалено с портала запуска ${run.id}; его шага больше нет`,
        });
      if (!(await history.reopen(run.id, now(), toDeadline(now(), config.RUN_MAX_HOURS, 0))))
        throw new Refusal({
          en: `run ${run.id} was changed by another command; look at it with show`,
          ru: `запуск ${run.id} изменила другая команда; посмотрите его через show`,
        });
      print(
        say({
          en: `run ${run.id} will be done again; the service takes it up within seconds`,
          ru: `запуск ${run.id} будет повторён; сервис возьмётся за него через несколько секунд`,
        }),
      );
      return;
    }

    const stored = await modules.runs.get(run.id);
    if (!stored || stored.state === 'ended')
      throw new Refusal({
        en: `run ${run.id} has ended (${stateOf(run)}); there is nothing to cancel`,
        ru: `запуск ${run.id} закончен (${stateOf(run)}); отменять нечего`,
      });
    const robot = modules.robots.find(({ code }) => code === stored.robot);
    const outcome: Ending = {
      kind: 'failed',
      code: 'cancelled',
      text: CANCELLED,
      heals: false,
      values: robot ? failAgain(robot, 'cancelled', CANCELLED, {}).values : {},
    };
    const ports = { seal: modules.keys, now };
    const at = now();
    const eventToken = readEventToken(stored.call, modules.keys.decrypt);
    const unanswerable = stored.wantsAnswer && eventToken === null;
    const attempt = {
      ...{ startedAt: at, finishedAt: at, ending: outcome.code, text: outcome.text, unanswerable },
      untold: isCheckRun(stored, robot, modules.keys),
    };
    const answer = toNewAnswer(stored, eventToken, outcome, language, ports);
    if (!(await modules.runs.end(stored.id, attempt, outcome.values, answer)))
      throw new Refusal({
        en: `run ${run.id} has just ended; look at it with show`,
        ru: `запуск ${run.id} только что закончился; посмотрите его через show`,
      });
    print(
      say({
        en: `run ${run.id} is cancelled; the service tells the portal within seconds`,
        ru: `запуск ${run.id} отменён; сервис скажет об этом порталу через несколько секунд`,
      }),
    );
    if (unanswerable)
      print(
        say({
          en: 'its step cannot be answered, for the key of its call is not in SECRET_KEYS or DATA_DIR/keys: a comment on the item says so; stop the workflow in the portal',
          ru: 'шаг ответа не получит: ключа его вызова нет ни в SECRET_KEYS, ни в DATA_DIR/keys; об этом скажет комментарий в элементе, остановите процесс на портале',
        }),
      );
  } finally {
    await modules.close();
  }
}

/** Shows runs, does them again or cancels them. */
export const runs = defineCommand(
  {
    call: 'npm run runs',
    about: {
      en: 'Shows the runs of robots, does them again or cancels them.',
      ru: 'Показывает запуски роботов, повторяет и отменяет их.',
    },
    forms: [
      'list [--failed] [--item DEAL_915] [--limit N]',
      'show RUN_ID',
      'causes',
      'retry RUN_ID',
      'retry --failed --code CODE [--robot CODE] [--since TIME] [--dry-run]',
      'cancel RUN_ID',
    ],
    words: 2,
    options: OPTIONS,
    notes: {
      en: 'RUN_ID is the output run_id of the robot. `causes` counts runs that ended badly by error_code and robot. A run that is done again keeps its keys: nothing is made twice.\nExit code: 0 done, 1 not.',
      ru: 'RUN_ID — результат робота run_id. `causes` считает запуски с ошибкой по error_code и роботам. Повтор сохраняет ключи запуска: ничего не создаётся дважды.\nКод выхода: 0 — сделано, 1 — нет.',
    },
  },
  async (given) => {
    await fulfil(given);
    return 0;
  },
);

if (import.meta.main) process.exitCode = await obey(runs, process);
