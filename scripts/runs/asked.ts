import { Misuse, type Order, Refusal } from '../../src/command/command.ts';
import { parseMoment } from '../../src/command/moment.ts';
import { readItem } from '../item-option.ts';

const SHOWN = 50;
export const MOST_SHOWN = 10_000;

export const OPTIONS = {
  failed: { about: { en: 'only runs that ended badly', ru: 'только запуски, закончившиеся ошибкой' } },
  item: {
    value: 'DEAL_915',
    about: { en: 'only this item; 915 is a deal', ru: 'только этот элемент; 915 — сделка' },
  },
  limit: {
    value: 'N',
    about: { en: `shows so many, ${SHOWN} without it`, ru: `сколько показать, без него ${SHOWN}` },
  },
  code: { value: 'CODE', about: { en: 'runs with this error_code', ru: 'запуски с этим error_code' } },
  robot: { value: 'CODE', about: { en: 'only runs of this robot', ru: 'только запуски этого робота' } },
  since: {
    value: 'TIME',
    about: {
      en: 'only runs that ended then or later, for example 2026-03-02T10:00; without an offset in TIME_ZONE',
      ru: 'только закончившиеся тогда или позже, например 2026-03-02T10:00; без смещения — по TIME_ZONE',
    },
  },
  'dry-run': { about: { en: 'only names them', ru: 'только называет их' } },
} as const;

export type Given = Order<typeof OPTIONS>;
/** What was asked. */
export type Asked =
  | { command: 'list'; failed: boolean; itemCode: string | null; limit: number }
  | { command: 'causes' }
  | { command: 'retry-failed'; code: string; robot: string | null; since: Date | null; dryRun: boolean }
  | { command: 'show' | 'retry' | 'cancel'; id: string };

/** @throws Misuse, Refusal */
export function readOrder({ words, values }: Pick<Given, 'words' | 'values'>, timeZone: string): Asked {
  const [command, id, ...rest] = words;
  const only = (...names: string[]) => Object.keys(values).every((name) => names.includes(name));
  if (command === 'causes' && id === undefined && only()) return { command };
  if (command === 'retry' && id === undefined && values.failed && only(...BULK))
    return readBulk(values, timeZone);
  if (command === 'list' && id === undefined && only('failed', 'item', 'limit')) {
    const limit = values.limit ?? String(SHOWN);
    if (!/^[1-9]\d{0,4}$/.test(limit) || Number(limit) > MOST_SHOWN)
      throw new Refusal({
        en: `--limit: a whole number from 1 to ${MOST_SHOWN} is expected`,
        ru: `--limit: нужно целое число от 1 до ${MOST_SHOWN}`,
      });
    return {
      command,
      failed: values.failed ?? false,
      itemCode: values.item === undefined ? null : readItem(values.item),
      limit: Number(limit),
    };
  }
  const isOrder = command === 'show' || command === 'retry' || command === 'cancel';
  if (isOrder && id !== undefined && rest.length === 0 && only()) return { command, id };
  if (isOrder && id === undefined && only())
    throw new Misuse({ en: `${command}: RUN_ID is missing`, ru: `${command}: не указан RUN_ID` });
  throw new Misuse(
    command === undefined
      ? { en: 'what is to be done is missing', ru: 'не указано, что сделать' }
      : { en: `${words.join(' ')}: not in this form`, ru: `${words.join(' ')}: такой формы нет` },
  );
}

const BULK = ['failed', 'code', 'robot', 'since', 'dry-run'];

function readBulk(values: Given['values'], timeZone: string): Asked & { command: 'retry-failed' } {
  const code = values.code?.trim() ?? '';
  if (!/^[a-z_]+$/.test(code) || code === 'done')
    throw new Refusal({
      en: '--code: the error_code of the runs to do again is expected; see npm run runs -- causes',
      ru: '--code: нужен error_code запусков, которые повторить; см. npm run runs -- causes',
    });
  const robot = values.robot?.trim() ?? null;
  const since = values.since === undefined ? null : parseMoment(values.since, timeZone);
  if (values.since !== undefined && since === null)
    throw new Refusal({
      en: '--since: a time such as 2026-03-02T10:00 is expected',
      ru: '--since: нужно время вида 2026-03-02T10:00',
    });
  return { command: 'retry-failed', code, robot, since, dryRun: values['dry-run'] ?? false };
}
