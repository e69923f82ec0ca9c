import type { z } from 'zod';
import { toCode } from '../../lib/text.ts';
import { type ReadField, readField } from '../../robot/descriptor.ts';
import { RobotFailure } from '../../robot/failure.ts';
import { RULES } from '../../robot/fields.ts';
import type { ItemSnapshot, PortalPort } from '../../robot/ports/portal.ts';
import type { AnyRobot } from '../../robot/robot.ts';
import type { RulesPort } from '../../robot/rules/port.ts';
import { isUnresolved, type Properties, toTexts, unreplaced } from '../../robot/run/inputs.ts';
import { parseUser, WireValueError } from '../../robot/wire-values.ts';
import { fieldsIn, onlyField, replaceFields } from '../tables/placeholders.ts';
import { DEFAULT_TABLE, fieldsOf, type RuleRow, type RuleTable, toList } from '../tables/tables.ts';
import { FILE_SOURCES, isFor } from '../tables/targets.ts';
import { holds } from './conditions.ts';
import { isOwnField, membersOf, toInputText } from './item-values.ts';

/** Fills the inputs that a step left empty, by the tables as they stand now (interface.md §8). */
export function createRules(ports: {
  /** All tables of the run's portal. */
  tables(): Promise<readonly RuleTable[]>;
  portal: Pick<PortalPort, 'read'>;
  timeZone: string;
}): RulesPort {
  return {
    async fill(robot, properties) {
      const unfilled = { properties, row: null };
      const [asked = ''] = toTexts(properties['rules']);
      if (isUnresolved(asked)) throw unreplaced(RULES, asked);
      const name = asked || DEFAULT_TABLE;
      const table = (await ports.tables()).find((one) => one.name.toLowerCase() === name.toLowerCase());
      const [documentType = ''] = toTexts(properties['document_type']);
      const rows = (table?.rows ?? [])
        .map((row, index) => ({ row, number: index + 1 }))
        .filter(({ row }) => isFor(row, robot, documentType));
      const item = createItem(
        rows.map(({ row }) => row),
        robot,
        properties,
        ports,
      );
      for (const { row, number } of rows) {
        if (!isAlways(row) && !holds(row.when, await item())) continue;
        const filled = await fillRow(row, robot, properties, item);
        const inputs = Object.keys(filled);
        if (table === undefined || inputs.length === 0) return unfilled;
        return { properties: { ...properties, ...filled }, row: { table: table.name, number, inputs } };
      }
      if (asked === '') return unfilled;
      throw ruleNotFound(asked, table !== undefined);
    },
  };
}

type Item = ItemSnapshot & { timeZone: string };

const isAlways = ({ when }: RuleRow): boolean => Object.keys(when ?? {}).length === 0;

/** The item, read when a row first asks for it, with the people whom the robot will ask about. */
function createItem(
  rows: readonly RuleRow[],
  robot: AnyRobot,
  properties: Properties,
  { portal, timeZone }: { portal: Pick<PortalPort, 'read'>; timeZone: string },
): () => Promise<Item> {
  let item: Promise<Item> | undefined;
  return () => {
    // The kinds of the portal's own fields are known; those of a customer's must be asked for.
    const asksKinds = rows.some((row) => fieldsOf(row).some(isOwnField));
    item ??= portal
      .read({ users: usersOf(robot, properties), share: true, ...(asksKinds && { itemFields: true }) })
      .then((snapshot) => ({ ...snapshot, timeZone }));
    return item;
  };
}

function usersOf(robot: AnyRobot, properties: Properties): number[] {
  const codes = Object.keys(robot.inputs.shape).filter((code) => fieldOf(robot, code)?.type === 'user');
  return codes.flatMap((code) =>
    toTexts(properties[code]).flatMap((text) => {
      try {
        return [parseUser(text)];
      } catch (error) {
        if (error instanceof WireValueError) return [];
        throw error;
      }
    }),
  );
}

/** What a row puts into inputs that are empty. */
async function fillRow(
  row: RuleRow,
  robot: AnyRobot,
  properties: Properties,
  item: () => Promise<Item>,
): Promise<Record<string, string | string[]>> {
  const hasFile = FILE_SOURCES.some((code) => toTexts(properties[code]).length > 0);
  const filled: Record<string, string | string[]> = {};
  for (const [code, result] of Object.entries(row.then ?? {})) {
    const field = fieldOf(robot, code);
    // A table may be older than the robot, and what it lacks now is nothing to fill.
    if (field === null || !isEmpty(code, field, toTexts(properties[code]))) continue;
    if (hasFile && FILE_SOURCES.includes(code)) continue;
    const texts: string[] = [];
    for (const one of toList(result)) texts.push(...(await toFilled(String(one), field.multiple, item)));
    const kept = toTexts(texts);
    if (kept[0] !== undefined) filled[code] = field.multiple ? kept : kept[0];
  }
  return filled;
}

/** A select that holds its default is empty, except `if_exists`, whose default a designer may have meant. */
function isEmpty(code: string, field: ReadField, texts: readonly string[]): boolean {
  if (texts.length === 0) return true;
  const isChoice = field.type === 'select' && code !== 'if_exists';
  return isChoice && texts.every((text) => toCode(text) === field.default);
}

async function toFilled(text: string, multiple: boolean, item: () => Promise<Item>): Promise<string[]> {
  if (fieldsIn(text).length === 0) return [text];
  const read = await item();
  const valuesOf = (code: string) => membersOf(read, code).map(toInputText);
  const only = onlyField(text);
  if (multiple && only !== null) return valuesOf(only);
  return [replaceFields(text, (code) => valuesOf(code).join(', '))];
}

function fieldOf(robot: AnyRobot, code: string): ReadField | null {
  const shape: Record<string, z.ZodType> = robot.inputs.shape;
  const schema = Object.hasOwn(shape, code) ? shape[code] : undefined;
  return schema === undefined ? null : readField(code, schema);
}

function ruleNotFound(name: string, isThere: boolean): RobotFailure {
  return new RobotFailure(
    'rule_not_found',
    isThere
      ? {
          ru: `«${RULES.ru}»: в таблице «${name}» ни одна строка не подходит к этому элементу. Добавьте строку без условий или заполните поля робота.`,
          en: `«${RULES.en}»: no row of the table «${name}» holds for this item. Add a row without conditions, or fill the robot's fields.`,
        }
      : {
          ru: `«${RULES.ru}»: таблицы «${name}» нет. Проверьте имя или загрузите таблицу.`,
          en: `«${RULES.en}»: there is no table «${name}». Check the name, or import the table.`,
        },
  );
}
