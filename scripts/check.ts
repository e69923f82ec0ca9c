import type { z } from 'zod';
import { checkItem } from '../src/check-item.ts';
import { defineCommand, Misuse, type Order, obey, Refusal } from '../src/command/command.ts';
import { createLog } from '../src/log.ts';
import { openModules } from '../src/modules.ts';
import { readField } from '../src/robot/descriptor.ts';
import { type LocalText, RobotFailure } from '../src/robot/failure.ts';
import type { AnyRobot, CheckedValue } from '../src/robot/robot.ts';
import type { Checked } from '../src/robot/run-robot.ts';
import { readItem } from './item-option.ts';
import { onePortal } from './portal-option.ts';
import { explainPortal } from './portal-words.ts';
import { printTable } from './runs/print.ts';

const OPTIONS = {
  item: {
    value: 'DEAL_915',
    about: { en: 'the item; 915 is a deal', ru: 'элемент; 915 — сделка' },
  },
  input: {
    value: 'name=value',
    many: true,
    about: { en: 'an input of the robot, as typed', ru: 'поле робота, как его вводят' },
  },
  portal: {
    value: 'HOST[:PORT]',
    about: { en: 'the portal, where several are installed', ru: 'портал, если их несколько' },
  },
} as const;
type Given = Order<typeof OPTIONS>;

const FROM: Record<CheckedValue['from'], LocalText> = {
  input: { en: 'input', ru: 'поле робота' },
  deal: { en: 'deal', ru: 'сделка' },
  party: { en: 'company or contact', ru: 'компания или контакт' },
  setting: { en: 'setting', ru: 'настройка' },
  responsible: { en: 'responsible', ru: 'ответственный' },
  leading: { en: 'leading document', ru: 'ведущий документ' },
  directum: { en: 'Directum', ru: 'Directum' },
};

/** @throws Refusal */
function findRobot({ words }: Given, robots: readonly AnyRobot[]): AnyRobot {
  const checkable = robots.filter(({ inputs }) => Object.hasOwn(inputs.shape, 'check_only'));
  const robot = checkable.find(({ code }) => code === words[0]);
  if (robot !== undefined) return robot;
  const known = checkable.map(({ code }) => code).join(', ');
  throw new Refusal({
    en: `ROBOT: one of ${known} is expected`,
    ru: `ROBOT: нужен один из ${known}`,
  });
}

/** @throws Refusal for an input that the robot does not have */
function readGiven({ values }: Given, robot: AnyRobot): Record<string, string | string[]> {
  const inputs: Record<string, string | string[]> = { check_only: 'Y' };
  for (const given of values.input ?? []) {
    const at = given.indexOf('=');
    const name = given.slice(0, at < 0 ? undefined : at).trim();
    const schema = robot.inputs.shape[name];
    if (at < 0 || schema === undefined) {
      const known = Object.keys(robot.inputs.shape).join(', ');
      throw new Refusal({
        en: `--input ${name}: name=value is expected, where name is one of ${known}`,
        ru: `--input ${name}: нужно имя=значение, где имя — одно из ${known}`,
      });
    }
    const value = given.slice(at + 1);
    const isMany = readField(name, schema).multiple;
    inputs[name] = isMany ? [...[inputs[name] ?? []].flat(), value] : value;
  }
  return inputs;
}

function show({ print, say }: Given, robot: AnyRobot, { problems, values, row, known }: Checked): void {
  if (problems.length > 0) {
    for (const { code, text } of problems) print(`${code}: ${say(text)}`);
    return;
  }
  const fromOf = ({ input, from }: CheckedValue) =>
    input !== null && row?.inputs.includes(input)
      ? say({ en: `rule ${row.table}: ${row.number}`, ru: `таблица правил ${row.table}: ${row.number}` })
      : say(FROM[from]);
  const rows = values.map((one) => [say(one.field), one.value.replaceAll(/\s+/g, ' '), fromOf(one)]);
  const shape = Object.entries(robot.outputs.shape) as [string, z.ZodType][];
  const outputs = shape.flatMap(([code, schema]) => {
    const value = known[code];
    const title = say(readField(code, schema).name);
    const isTold = code === 'rule' || rows.some(([told]) => told === title);
    if (value === undefined || value === '' || value === false || isTold) return [];
    return [[title, String(value), say({ en: 'found', ru: 'найдено' })]];
  });
  printTable(print, say({ en: 'FIELD|VALUE|FROM', ru: 'ПОЛЕ|ЗНАЧЕНИЕ|ОТКУДА' }).split('|'), [
    ...rows,
    ...outputs,
  ]);
  print(say({ en: 'no problems; nothing was written', ru: 'неполадок нет; ничего не записано' }));
}

/** Checks a robot on an item, as its step would with «Check only». */
export const check = defineCommand(
  {
    call: 'npm run check',
    about: {
      en: 'Checks what a robot would do on an item: all problems at once, or what the document would be made with. Nothing is written anywhere.',
      ru: 'Проверяет, что сделал бы робот на элементе: все неполадки сразу или значения, с которыми был бы создан документ. Ничего нигде не записывает.',
    },
    forms: ['ROBOT --item DEAL_915 [--input name=value …] [--portal HOST[:PORT]]'],
    words: 1,
    options: OPTIONS,
    notes: {
      en: 'Exit code: 0 only without problems.',
      ru: 'Код выхода: 0 — только если неполадок нет.',
    },
  },
  async (given) => {
    const { words, values } = given;
    if (words[0] === undefined) throw new Misuse({ en: 'ROBOT is missing', ru: 'не указан ROBOT' });
    if (values.item === undefined) throw new Misuse({ en: '--item is missing', ru: 'не указан --item' });
    const itemCode = readItem(values.item);
    const config = given.config();
    const log = createLog('error', (line) => given.shell.stderr.write(line));
    const modules = await openModules(config, { log, now: () => new Date(), onlyOpen: true, asksAnew: true });
    try {
      const installation = onePortal(modules.portals.installations.list(), values.portal);
      const robot = findRobot(given, modules.robots);
      const inputs = readGiven(given, robot);
      given.progress({ en: 'asking the portal and Directum …', ru: 'спрашиваю портал и Directum …' });
      const found = await checkItem({ config, modules, log }, installation, { robot, itemCode, inputs });
      show(given, robot, found);
      return found.problems.length === 0 ? 0 : 1;
    } catch (error) {
      if (error instanceof Refusal) throw error;
      if (error instanceof RobotFailure) throw new Refusal(error.text);
      throw new Refusal(explainPortal(error, config));
    } finally {
      await modules.close();
    }
  },
);

if (import.meta.main) process.exitCode = await obey(check, process);
