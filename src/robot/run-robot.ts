import type { z } from 'zod';
import { shorten, shortenMiddle, toClean, toCode } from '../lib/text.ts';
import { type commonOutputs, readField } from './descriptor.ts';
import { type ErrorCode, type Language, type LocalText, RobotFailure } from './failure.ts';
import type { ItemRef } from './ports/portal.ts';
import { type AnyRobot, type ItemKind, type RobotContext, Waiting } from './robot.ts';
import type { RulesPort, TakenRow } from './rules/port.ts';
import { blameRow, toRuleOutput } from './rules/taken-row.ts';

export type Outcome = Ending | { kind: 'waiting'; wait: Waiting };

/** An outcome that ends the run. */
export type Ending =
  | { kind: 'done'; values: Record<string, string | number> }
  | {
      kind: 'failed';
      code: ErrorCode;
      text: LocalText;
      heals: boolean;
      values: Record<string, string | number>;
      cause?: unknown;
    };

/** What interface.md promises of `error_text`, whose end says what to do. */
const ERROR_TEXT = 500;

/** What the step sent: codes to text or lists of text. */
export type Properties = Readonly<Record<string, string | readonly string[]>>;

/**
 * One attempt of a robot: reads the inputs, runs, encodes the outputs. Never throws: every ending is an outcome.
 */
export async function runRobot(
  robot: AnyRobot,
  properties: Properties,
  context: Omit<RobotContext, 'item'> & { item: ItemRef | null; documentType: string; rules: RulesPort },
): Promise<Outcome> {
  let row: TakenRow | null = null;
  try {
    const { item, rules } = context;
    if (!item || !robot.items.includes(itemKind(item.typeId))) throw unsupported(context.documentType);
    const filled = robot.fills === undefined ? { properties, row } : await rules.fill(robot, properties);
    row = filled.row;
    const outputs = await robot.run(readInputs(robot, filled.properties), { ...context, item });
    if (outputs instanceof Waiting) return { kind: 'waiting', wait: outputs };
    const values = encode(robot, { ...toRuleOutput(row), ...outputs });
    return { kind: 'done', values: { ...emptyOutputs(robot), ...values } };
  } catch (error) {
    const failure = error instanceof RobotFailure ? blameRow(error, robot, row) : unexpected(error);
    return {
      kind: 'failed',
      code: failure.code,
      text: failure.text,
      heals: failure.heals,
      values: { ...emptyOutputs(robot), ...encode(robot, failure.known) },
      cause: failure.cause,
    };
  }
}

/** The outcome of an attempt that was not made, because the last cause is known to last; `values` are what was known then. */
export function failAgain(
  robot: AnyRobot,
  code: ErrorCode,
  text: LocalText,
  values: Record<string, string | number>,
): Ending {
  return { kind: 'failed', code, text, heals: true, values: { ...emptyOutputs(robot), ...values } };
}

function itemKind(typeId: number): ItemKind {
  const kinds: Record<number, ItemKind> = {
    1: 'lead',
    2: 'deal',
    3: 'contact',
    4: 'company',
    7: 'quote',
    31: 'smart_invoice',
  };
  return kinds[typeId] ?? 'dynamic';
}

function unsupported(documentType: string): RobotFailure {
  return new RobotFailure('item_unsupported', {
    ru: `Робот не работает с элементами «${documentType}». Поставьте его на сделку, лид, предложение, счёт или смарт-процесс.`,
    en: `The robot does not work on «${documentType}». Place it on a deal, lead, quote, invoice or smart process.`,
  });
}

function unexpected(cause: unknown): RobotFailure {
  return new RobotFailure(
    'internal_error',
    {
      ru: 'Внутренняя ошибка сервиса. Передайте номер запуска (run_id) администратору сервиса.',
      en: 'Internal error of the service. Give the run id (run_id) to the operator of the service.',
    },
    { cause },
  );
}

/** What a property holds; blank means "not filled in". */
export function toTexts(raw: Properties[string] | undefined): string[] {
  return (
    (typeof raw === 'string' ? [raw] : [...(raw ?? [])])
      // A run may be of a call that an earlier version took, which did not clean calls.
      .map((text) => toClean(text).trim())
      .filter((text) => toCode(text) !== '')
  );
}

/** A placeholder of the portal is left in it, which was to be replaced before the call (interface.md §3 Values). */
export const isUnresolved = (text: string): boolean => text.includes('{=') || text.includes('{{');

/** Decodes a step's properties; blank means "not filled in". @throws RobotFailure input_missing, input_invalid */
export function readInputs(robot: AnyRobot, properties: Properties): z.output<AnyRobot['inputs']> {
  const given: Record<string, unknown> = {};
  for (const [code, schema] of Object.entries(robot.inputs.shape) as [string, z.ZodType][]) {
    const { multiple, name } = readField(code, schema);
    const list = toTexts(properties[code]);
    const unresolved = list.find(isUnresolved);
    if (unresolved !== undefined) {
      throw invalid(name, unresolved, {
        ru: 'подстановка не сработала; выберите поле заново в настройке робота',
        en: 'the placeholder was not resolved; choose the field again in the robot settings',
      });
    }
    if (list.length > 0) given[code] = multiple ? list : list[0];
  }
  const parsed = robot.inputs.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const code = String(issue?.path[0]);
  const { name } = readField(code, robot.inputs.shape[code] as z.ZodType);
  if (!(code in given)) throw inputMissing(name);
  const params = issue && 'params' in issue ? (issue.params as { text?: LocalText } | undefined) : undefined;
  const value = [given[code]].flat()[Number(issue?.path[1] ?? 0)];
  throw invalid(
    name,
    String(value),
    params?.text ?? { ru: 'значение не подходит', en: 'the value does not fit' },
  );
}

/** A required field without a value. */
export function inputMissing(name: LocalText): RobotFailure {
  return new RobotFailure('input_missing', {
    ru: `Не заполнено поле «${name.ru}». Заполните его в настройке робота.`,
    en: `The field «${name.en}» is empty. Fill it in the robot settings.`,
  });
}

/** A field whose value cannot be used. */
export function invalid(name: LocalText, value: string, why: LocalText): RobotFailure {
  const shown = shorten(value, 60);
  return new RobotFailure('input_invalid', {
    ru: `Поле «${name.ru}» содержит «${shown}»: ${why.ru}.`,
    en: `The field «${name.en}» holds «${shown}»: ${why.en}.`,
  });
}

function emptyOutputs(robot: AnyRobot): Record<string, string> {
  return Object.fromEntries(Object.keys(robot.outputs.shape).map((code) => [code, '']));
}

function encode(robot: AnyRobot, values: Record<string, unknown>): Record<string, string | number> {
  const encoded: Record<string, string | number> = {};
  for (const [code, schema] of Object.entries(robot.outputs.shape) as [string, z.ZodType][]) {
    const value = values[code];
    if (value === undefined || value === null) continue;
    encoded[code] =
      readField(code, schema).type === 'bool' ? (value ? 'Y' : 'N') : (value as string | number);
  }
  return encoded;
}

/** The values that are sent to the step: the robot's own and the common ones, in the portal's language. */
export function toAnswer(
  outcome: Outcome,
  runId: string,
  language: Language,
): Record<keyof typeof commonOutputs.shape | string, string | number> {
  if (outcome.kind === 'waiting') throw new TypeError('a run that waits has no answer yet');
  const failed = outcome.kind === 'failed';
  return {
    ...outcome.values,
    ok: failed ? 'N' : 'Y',
    error_code: failed ? outcome.code : '',
    error_text: failed ? toErrorText(outcome.text, language) : '',
    run_id: runId,
  };
}

/** `error_text` as it is answered, within the length that interface.md promises; its end says what to do. */
export const toErrorText = (text: LocalText, language: Language): string =>
  shortenMiddle(text[language], ERROR_TEXT);
