import type { z } from 'zod';
import { shorten, toClean, toCode } from '../../lib/text.ts';
import { readField } from '../descriptor.ts';
import { type LocalText, RobotFailure } from '../failure.ts';
import type { Problems } from '../problems.ts';
import type { AnyRobot } from '../robot.ts';

/** What the step sent: codes to text or lists of text. */
export type Properties = Readonly<Record<string, string | readonly string[]>>;

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
  for (const [code, schema] of fieldsOf(robot)) {
    const texts = readTexts(code, schema, properties);
    if (texts !== undefined) given[code] = texts;
  }
  const parsed = robot.inputs.safeParse(given);
  if (parsed.success) return parsed.data;
  const code = String(parsed.error.issues[0]?.path[0]);
  throw refused(code, robot.inputs.shape[code] as z.ZodType, given[code], parsed.error.issues[0]);
}

/**
 * The same for a check, field by field: one that cannot be read is a problem, and throws it whenever it is asked for, so that
 * the usual value is not looked at in its place. `replaced` gives what an empty field throws, where that is known.
 */
export async function readEach(
  robot: AnyRobot,
  properties: Properties,
  problems: Problems,
  replaced: (code: string) => RobotFailure | null,
): Promise<z.output<AnyRobot['inputs']>> {
  const given = {};
  for (const [code, schema] of fieldsOf(robot)) {
    const get = await problems.of(() => {
      const texts = readTexts(code, schema, properties);
      const unknown = texts === undefined ? replaced(code) : null;
      if (unknown !== null) throw unknown;
      const parsed = schema.safeParse(texts);
      if (parsed.success) return parsed.data;
      const [issue] = parsed.error.issues;
      throw refused(code, schema, texts, { ...issue, path: [code, ...(issue?.path ?? [])] });
    });
    Object.defineProperty(given, code, { get, enumerable: true });
  }
  return given;
}

const fieldsOf = (robot: AnyRobot) => Object.entries(robot.inputs.shape) as [string, z.ZodType][];

/** What a field holds, as its schema takes it; undefined for one that is not filled in. @throws RobotFailure input_invalid */
function readTexts(code: string, schema: z.ZodType, properties: Properties): string | string[] | undefined {
  const { multiple, name } = readField(code, schema);
  const list = toTexts(properties[code]);
  const unresolved = list.find(isUnresolved);
  if (unresolved !== undefined) throw unreplaced(name, unresolved);
  if (list.length === 0) return undefined;
  return multiple ? list : list[0];
}

/** What a schema found in a field, in words. */
function refused(
  code: string,
  schema: z.ZodType,
  given: unknown,
  issue: { path?: PropertyKey[]; params?: unknown } | undefined,
): RobotFailure {
  const { name } = readField(code, schema);
  if (given === undefined) return inputMissing(name);
  const params = issue?.params as { text?: LocalText } | undefined;
  const value = [given].flat()[Number(issue?.path?.[1] ?? 0)];
  return invalid(
    name,
    String(value),
    params?.text ?? { ru: 'значение не подходит', en: 'the value does not fit' },
  );
}

/** A field that holds a placeholder which the portal was to replace. */
export function unreplaced(name: LocalText, value: string): RobotFailure {
  return invalid(name, value, {
    ru: 'подстановка не сработала; выберите поле заново в настройке робота',
    en: 'the placeholder was not resolved; choose the field again in the robot settings',
  });
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
