import { toVisible } from '../../lib/text.ts';
import type { LocalText } from '../../robot/failure.ts';
import type { ItemFields, PortalUser } from '../../robot/ports/portal.ts';
import type { AnyRobot } from '../../robot/robot.ts';
import { parseUser, WireValueError } from '../../robot/wire-values.ts';
import { fieldsIn } from '../tables/placeholders.ts';
import {
  type Condition,
  fieldsOf,
  isRange,
  type RuleProblem,
  type RuleRow,
  type RuleTable,
  toList,
} from '../tables/tables.ts';
import { targetsOf } from '../tables/targets.ts';
import { createRecordCheck, type InRow, type RecordPorts } from './live-records.ts';

/** Both systems as they are now. */
interface LivePorts extends RecordPorts {
  /** Fields of the types of items that robots work on, at least of those types that have the wanted ones. */
  fields(wanted: readonly string[]): Promise<readonly ItemFields[]>;
  /** People of the portal; one who is not there is absent. */
  users(ids: readonly number[]): Promise<ReadonlyMap<number, PortalUser>>;
}

/** Fields that every portal has, whatever it lists (bitrix24.md F1). */
const SYSTEM = new Set(
  `id title stageId categoryId companyId contactId contactIds opportunity currencyId assignedById begindate closedate
  comments mycompanyId originatorId originId webformId createdTime updatedTime movedTime createdBy updatedBy movedBy typeId sourceId opened closed`.split(
    /\s+/,
  ),
);
const USER_INPUTS = new Set(['responsible', 'our_signatory', 'approvers']);

/**
 * What of tables the two systems lack: fields, values of lists, records, people. Tables are looked at whole, by the
 * resolvers that robots use. @throws RobotFailure and errors of the ports when a system does not answer
 */
export async function checkLive(
  tables: readonly RuleTable[],
  robots: readonly AnyRobot[],
  ports: LivePorts,
): Promise<RuleProblem[]> {
  const rows = tables.flatMap(({ name, rows }) =>
    rows.map((row, index) => ({ table: name, row: index + 1, of: row })),
  );
  const wanted = rows.flatMap(({ of }) => [...fieldsOf(of), ...literalsOf(of, 'file_field')]);
  const types = await ports.fields([...new Set(wanted)].filter((code) => !SYSTEM.has(code)));
  const users = await ports.users([...new Set(rows.flatMap(({ of }) => usersOf(of)))]);
  const records = createRecordCheck(ports, types, users);
  const problems: RuleProblem[] = [];
  for (const { table, row, of } of rows) {
    const found = [...checkFields(of, types), ...(await records.check(of, targetsOf(of, robots)))];
    problems.push(...found.map((problem) => ({ table, row, ...problem })));
  }
  return problems;
}

const literalsOf = (row: RuleRow, code: string): string[] =>
  toList(row.then?.[code])
    .map(String)
    .filter((text) => fieldsIn(text).length === 0);

function usersOf(row: RuleRow): number[] {
  const texts = [...USER_INPUTS].flatMap((code) => literalsOf(row, code));
  return texts.flatMap((text) => readUser(text) ?? []);
}

function readUser(text: string): number | null {
  try {
    return parseUser(text);
  } catch (error) {
    if (error instanceof WireValueError) return null;
    throw error;
  }
}

function checkFields(row: RuleRow, types: readonly ItemFields[]): InRow[] {
  const isKnown = (code: string) => SYSTEM.has(code) || types.some((fields) => fields.has(code));
  const conditions = Object.entries(row.when ?? {}).flatMap(([code, condition]): InRow[] => {
    const field = `when.${code}`;
    if (!isKnown(code)) return [{ field, text: noField(code) }];
    const text = wrongListValue(
      condition,
      types.flatMap((fields) => fields.get(code) ?? []),
    );
    return text === null ? [] : [{ field, text }];
  });
  const results = Object.entries(row.then ?? {}).flatMap(([input, result]): InRow[] => {
    const codes = new Set(toList(result).flatMap((one) => fieldsIn(String(one))));
    return [...codes]
      .filter((code) => !isKnown(code))
      .map((code) => ({ field: `then.${input}`, text: noField(code) }));
  });
  return [...conditions, ...results];
}

/** A value that the list does not have; null where all are known, and where it is no list with known values. */
function wrongListValue(
  condition: Condition,
  fields: readonly { type: string; items: ReadonlyMap<string, string> }[],
): LocalText | null {
  const isList =
    fields.length > 0 && fields.every(({ type, items }) => type === 'enumeration' && items.size > 0);
  if (!isList || isRange(condition)) return null;
  const known = fields.flatMap(({ items }) => [...items].flat()).map((text) => toVisible(text).toLowerCase());
  const wrong = toList(condition).find(
    (value) => value !== null && !known.includes(toVisible(String(value)).toLowerCase()),
  );
  if (wrong === undefined) return null;
  const titles = [...new Set(fields.flatMap(({ items }) => [...items.values()]))].slice(0, 20).join(', ');
  return {
    ru: `в списке поля нет значения «${wrong}»; есть ${titles}`,
    en: `the field's list has no value «${wrong}»; there are ${titles}`,
  };
}

function noField(code: string): LocalText {
  return {
    ru: `поля ${code} нет ни у сделок, ни у других элементов портала; проверьте код`,
    en: `neither deals nor other items of the portal have a field ${code}; check the code`,
  };
}
