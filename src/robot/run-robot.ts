import type { z } from 'zod';
import { shortenMiddle } from '../lib/text.ts';
import { type commonOutputs, readField } from './descriptor.ts';
import { type ErrorCode, type Language, type LocalText, RobotFailure } from './failure.ts';
import type { ItemRef } from './ports/portal.ts';
import { Problems } from './problems.ts';
import {
  type AnyRobot,
  type CheckedValue,
  type Checking,
  type ItemKind,
  type RobotContext,
  Waiting,
} from './robot.ts';
import type { RulesPort, TakenRow } from './rules/port.ts';
import { blameRow, toRuleOutput } from './rules/taken-row.ts';
import { type Properties, readEach, readInputs, toTexts } from './run/inputs.ts';

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

/** What a run gives its robot, before it is known whether it works or checks. */
type RunPorts = Omit<RobotContext, 'item' | 'checking'> & {
  item: ItemRef | null;
  documentType: string;
  rules: RulesPort;
};

/**
 * One attempt of a robot: reads the inputs, runs, encodes the outputs. Never throws: every ending is an outcome.
 */
export async function runRobot(robot: AnyRobot, properties: Properties, ports: RunPorts): Promise<Outcome> {
  if (isCheck(robot, properties)) return tellCheck(robot, properties, ports);
  let row: TakenRow | null = null;
  try {
    const item = fittingItem(robot, ports);
    const filled =
      robot.fills === undefined ? { properties, row } : await ports.rules.fill(robot, properties);
    row = filled.row;
    const context = { ...ports, item, checking: null };
    const outputs = await robot.run(readInputs(robot, filled.properties), context);
    if (outputs instanceof Waiting) return { kind: 'waiting', wait: outputs };
    return done(robot, { ...toRuleOutput(row), ...outputs });
  } catch (error) {
    const failure = error instanceof RobotFailure ? blameRow(error, robot, row) : unexpected(error);
    return failed(robot, failure, {});
  }
}

/** Does this step only want to know what would stand in its way (interface.md §3, Checking)? */
export function isCheck(robot: AnyRobot, properties: Properties): boolean {
  const [given = ''] = toTexts(properties['check_only']);
  const schema = robot.inputs.shape['check_only'] as z.ZodType | undefined;
  return schema?.safeParse(given).data === true;
}

/** What a check found. */
export interface Checked {
  /** In the order of looking; empty when the robot would do its work. */
  problems: readonly RobotFailure[];
  /** What the document would be made with. */
  values: readonly CheckedValue[];
  /** The row of a decision table that filled inputs. */
  row: TakenRow | null;
  /** Outputs that are known without doing anything. */
  known: Record<string, unknown>;
}

/**
 * Everything that stands in a robot's way, inputs that cannot be read among it; nothing is written.
 * @throws RobotFailure for what may pass by itself, and for an item that the robot does not work on
 */
export async function checkRobot(robot: AnyRobot, properties: Properties, ports: RunPorts): Promise<Checked> {
  const item = fittingItem(robot, ports);
  const problems = new Problems({ collects: true });
  const checking: Checking = { problems, values: [], known: {} };
  const { known, values } = checking;
  const filled = await fillForCheck(robot, properties, ports.rules, problems);
  const fills = toFillable(robot, properties);
  const unfilled = (code: string) => (fills.includes(code) ? filled.failure : null);
  const given = await readEach(robot, filled.properties, problems, unfilled);
  try {
    const outputs = await robot.run(given, { ...ports, item, checking });
    if (!(outputs instanceof Waiting)) Object.assign(known, outputs);
  } catch (error) {
    Object.assign(known, problems.take(error).known);
  }
  return {
    problems: problems.all.map((problem) => blameRow(problem, robot, filled.row)),
    values,
    row: filled.row,
    known: { ...toRuleOutput(filled.row), ...known },
  };
}

/** The inputs with those that a decision table fills; `failure`: why it is unknown what it would fill. */
async function fillForCheck(
  robot: AnyRobot,
  properties: Properties,
  rules: RulesPort,
  problems: Problems,
): Promise<{ properties: Properties; row: TakenRow | null; failure: RobotFailure | null }> {
  if (robot.fills === undefined) return { properties, row: null, failure: null };
  try {
    return { ...(await rules.fill(robot, properties)), failure: null };
  } catch (error) {
    return { properties, row: null, failure: problems.take(error) };
  }
}

/** Inputs of the step that a decision table may fill. */
function toFillable({ fills = [] }: AnyRobot, properties: Properties): readonly string[] {
  if (Array.isArray(fills)) return fills;
  const [documentType = ''] = toTexts(properties['document_type']);
  return (fills as Readonly<Record<string, readonly string[]>>)[documentType] ?? [];
}

/** The outcome of a step that only checks. */
async function tellCheck(robot: AnyRobot, properties: Properties, ports: RunPorts): Promise<Ending> {
  const { language } = ports.settings;
  // Of what a check does nothing is done.
  const undone = Object.fromEntries(bools(robot).map((code) => [code, false]));
  const toLines = (problems: readonly RobotFailure[]) =>
    problems
      .map(({ code, text }) => `${code}: ${toErrorText(text, language)}`.replaceAll(/\s+/g, ' '))
      .join('\n');
  try {
    const { problems, known } = await checkRobot(robot, properties, ports);
    const [first] = problems;
    if (first === undefined) return done(robot, { ...undone, ...known });
    return failed(robot, first, { ...undone, ...known, problems: toLines(problems) });
  } catch (error) {
    const failure = error instanceof RobotFailure ? error : unexpected(error);
    return failed(robot, failure, { ...undone, problems: toLines([failure]) });
  }
}

/** @throws RobotFailure item_unsupported */
function fittingItem(robot: AnyRobot, { item, documentType }: RunPorts): ItemRef {
  if (!item || !robot.items.includes(itemKind(item.typeId))) throw unsupported(documentType);
  return item;
}

function done(robot: AnyRobot, outputs: Record<string, unknown>): Ending {
  return { kind: 'done', values: { ...emptyOutputs(robot), ...encode(robot, outputs) } };
}

function failed(robot: AnyRobot, failure: RobotFailure, known: Record<string, unknown>): Ending {
  const { code, text, heals, cause } = failure;
  const values = { ...emptyOutputs(robot), ...encode(robot, { ...known, ...failure.known }) };
  return { kind: 'failed', code, text, heals, values, cause };
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

function emptyOutputs(robot: AnyRobot): Record<string, string> {
  return Object.fromEntries(Object.keys(robot.outputs.shape).map((code) => [code, '']));
}

/** Outputs that say yes or no. */
const bools = (robot: AnyRobot): string[] =>
  Object.entries(robot.outputs.shape)
    .filter(([code, schema]) => readField(code, schema as z.ZodType).type === 'bool')
    .map(([code]) => code);

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
