import { z } from 'zod';
import { readField } from '../../robot/descriptor.ts';
import type { LocalText } from '../../robot/failure.ts';
import type { AnyRobot } from '../../robot/robot.ts';
import { isUnresolved } from '../../robot/run/inputs.ts';
import { isRightRange } from '../fill/conditions.ts';
import { fieldsIn } from '../tables/placeholders.ts';
import {
  isRange,
  type RuleProblem,
  type RuleRow,
  type RuleTable,
  robotsOf,
  toList,
} from '../tables/tables.ts';
import { documentTypesOf, FILE_SOURCES, type Target, takesRules, targetsOf } from '../tables/targets.ts';

/** What a problem is about, within its row. */
type InRow = Pick<RuleProblem, 'field' | 'text'>;

/** What is wrong with tables by themselves: robots, inputs and values that cannot be. Asks nobody. */
export function checkTables(tables: readonly RuleTable[], robots: readonly AnyRobot[]): RuleProblem[] {
  return tables.flatMap(({ name, rows }) =>
    rows.flatMap((row, index) =>
      [
        ...checkRobots(row, robots),
        ...checkConditions(row),
        ...checkResults(row, targetsOf(row, robots)),
      ].map((problem) => ({ table: name, row: index + 1, ...problem })),
    ),
  );
}

function checkRobots(row: RuleRow, robots: readonly AnyRobot[]): InRow[] {
  const known = robots.filter(takesRules);
  const named = known.filter(({ code }) => robotsOf(row).includes(code));
  const unknown = robotsOf(row).filter((code) => !known.some((robot) => robot.code === code));
  const types = named.flatMap((robot) => documentTypesOf(robot) ?? []);
  const makesOne = named.every((robot) => documentTypesOf(robot) === null);
  const given = toList(row.document_type);
  return [
    ...unknown.map((code) => ({
      field: 'robot',
      text: noSuch(
        code,
        known.map((robot) => robot.code),
      ),
    })),
    ...given
      .filter((type) => !makesOne && !types.includes(type))
      .map((type) => ({ field: 'document_type', text: noSuch(type, types) })),
    ...(makesOne && given.length > 0 && unknown.length === 0
      ? [{ field: 'document_type', text: NO_TYPES }]
      : []),
    ...(!makesOne && given.length === 0 ? [{ field: 'document_type', text: TYPE_MISSING }] : []),
  ];
}

function checkConditions({ when }: RuleRow): InRow[] {
  return Object.entries(when ?? {}).flatMap(([code, condition]) => {
    const field = `when.${code}`;
    if (!/^[A-Za-z]\w*$/.test(code)) return [{ field, text: NO_FIELD }];
    return isRange(condition) && !isRightRange(condition) ? [{ field, text: BAD_RANGE }] : [];
  });
}

function checkResults({ then }: RuleRow, targets: readonly Target[]): InRow[] {
  const entries = Object.entries(then ?? {});
  const sources = entries.filter(([code]) => FILE_SOURCES.includes(code));
  const [, second] = sources;
  return [
    ...entries.flatMap(([code, result]) => {
      const field = `then.${code}`;
      const lacking = targets.find(({ fills }) => !fills.includes(code));
      if (lacking !== undefined) return [{ field, text: lacks(lacking) }];
      const wrong = targets.map(({ robot }) => wrongValue(robot, code, toList(result).map(String)));
      return [...new Set(wrong)].flatMap((text) => (text === null ? [] : [{ field, text }])).slice(0, 1);
    }),
    ...(second === undefined ? [] : [{ field: `then.${second[0]}`, text: TWO_SOURCES }]),
  ];
}

/** Why the robot would not take the value; null when it would, or when that depends on the item. */
function wrongValue(robot: AnyRobot, code: string, texts: readonly string[]): LocalText | null {
  const schema: z.ZodType = robot.inputs.shape[code];
  const { multiple } = readField(code, schema);
  if (texts.some((text) => text.trim() === '')) return BLANK;
  if (texts.some(isUnresolved)) return NOT_OURS;
  if (!multiple && texts.length > 1) return ONE_VALUE;
  if (texts.some((text) => fieldsIn(text).length > 0)) return null;
  const trimmed = texts.map((text) => text.trim());
  const read = z.safeParse(schema, multiple ? trimmed : trimmed[0]);
  if (read.success) return null;
  const [issue] = read.error.issues;
  const params = issue && 'params' in issue ? (issue.params as { text?: LocalText } | undefined) : undefined;
  return params?.text ?? { ru: 'значение не подходит', en: 'the value does not fit' };
}

function noSuch(name: string, known: readonly string[]): LocalText {
  const list = [...new Set(known)].join(', ');
  return { ru: `«${name}» не бывает; есть ${list}`, en: `there is no «${name}»; there are ${list}` };
}

function lacks({ robot, documentType, fills }: Target): LocalText {
  const of = documentType === null ? robot.code : `${robot.code} (${documentType})`;
  const list = fills.join(', ');
  return {
    ru: `у ${of} нет такого поля для таблиц; есть ${list}`,
    en: `${of} has no such input for tables; there are ${list}`,
  };
}

const NO_TYPES: LocalText = {
  ru: 'виды документов указывают только с directum_create_document',
  en: 'types of documents stand only with directum_create_document',
};
const TYPE_MISSING: LocalText = {
  ru: 'с directum_create_document укажите document_type',
  en: 'with directum_create_document name the document_type',
};
const NO_FIELD: LocalText = {
  ru: 'это не код поля элемента',
  en: 'this is no code of a field of an item',
};
const BAD_RANGE: LocalText = {
  ru: 'нужны два числа или две даты, from не больше to',
  en: 'two numbers or two dates are expected, from not above to',
};
const BLANK: LocalText = { ru: 'значение пустое; уберите его', en: 'the value is empty; leave it out' };
const ONE_VALUE: LocalText = { ru: 'нужно одно значение, а не список', en: 'one value is expected, no list' };
const NOT_OURS: LocalText = {
  ru: 'подстановки портала здесь не работают; пишите {КОД_ПОЛЯ}, например {UF_CRM_REGION}',
  en: 'placeholders of the portal do not work here; write {FIELD_CODE}, for example {UF_CRM_REGION}',
};
const TWO_SOURCES: LocalText = {
  ru: 'файл уже берётся из другого места; оставьте одно из template, file_field, crm_template',
  en: 'the file comes from elsewhere already; leave one of template, file_field, crm_template',
};
