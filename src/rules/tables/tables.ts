import { z } from 'zod';
import type { LocalText } from '../../robot/failure.ts';
import { fieldsIn } from './placeholders.ts';

export type Scalar = string | number | boolean | null;
type Bound = string | number;
/** Numbers or dates, both ends count, one may be absent. */
export interface Range {
  from?: Bound | undefined;
  to?: Bound | undefined;
}
export type Condition = Scalar | Scalar[] | Range;
type Result = string | number | boolean;

/** A row of a decision table, as it is written (interface.md §8). */
export interface RuleRow {
  title?: string | undefined;
  robot?: string | string[] | undefined;
  document_type?: string | string[] | undefined;
  when?: Record<string, Condition> | undefined;
  then?: Record<string, Result | Result[]> | undefined;
}

export interface RuleTable {
  name: string;
  rows: RuleRow[];
}

/** The table that counts where a robot names none. */
export const DEFAULT_TABLE = 'default';
/** The robot of a row that names none. */
const DEFAULT_ROBOT = 'directum_create_contract';

export const toList = <T>(value: T | T[] | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

/** Codes of the robots a row is for. */
export const robotsOf = (row: RuleRow): string[] =>
  row.robot === undefined ? [DEFAULT_ROBOT] : toList(row.robot);

export const isRange = (condition: Condition): condition is Range =>
  typeof condition === 'object' && condition !== null && !Array.isArray(condition);

/** Fields of the item that a row looks at. */
export const fieldsOf = (row: RuleRow): string[] => [
  ...Object.keys(row.when ?? {}),
  ...Object.values(row.then ?? {}).flatMap((value) => toList(value).flatMap((one) => fieldsIn(String(one)))),
];

/** Something about a table that cannot be, and where. Rows are counted from 1. */
export interface RuleProblem {
  table: string | null;
  row: number | null;
  /** `when.opportunity`, `then.template`. */
  field: string | null;
  text: LocalText;
}

/** A problem in a line for people. */
export function tellProblem({ table, row, field, text }: RuleProblem): LocalText {
  const parts = (ofTable: string, ofRow: string) => [
    ...(table === null ? [] : [`${ofTable} «${table}»`]),
    ...(row === null ? [] : [`${ofRow} ${row}`]),
    ...(field === null ? [] : [field]),
  ];
  const told = (where: string[], what: string) =>
    where.length === 0 ? what : `${where.join(', ')}: ${what}`;
  return { ru: told(parts('таблица', 'строка'), text.ru), en: told(parts('table', 'row'), text.en) };
}

const NAME_LENGTH = 100;
const ROWS = 1_000;

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const bound = z.union([z.string(), z.number()]);
const range = z
  .strictObject({ from: bound.optional(), to: bound.optional() })
  .refine(({ from, to }) => from !== undefined || to !== undefined);
const result = z.union([z.string(), z.number(), z.boolean()]);
const names = z.union([z.string(), z.array(z.string()).min(1)]);

const rowShape = z.strictObject({
  title: z.string().optional(),
  robot: names.optional(),
  document_type: names.optional(),
  when: z.record(z.string(), z.union([scalar, z.array(scalar).min(1), range])).optional(),
  // biome-ignore lint/suspicious/noThenProperty: the word of interface.md §8, and never a function
  then: z.record(z.string(), z.union([result, z.array(result).min(1)])),
});

/** Rows as they are stored and written to files. */
export const rowsShape = z.array(rowShape).max(ROWS);
const tablesShape = z.record(z.string(), rowsShape);

/** Tables by their names, as a file holds them; with problems there are no tables. */
export function readTables(data: unknown): { tables: RuleTable[]; problems: RuleProblem[] } {
  const read = tablesShape.safeParse(data);
  if (!read.success) return { tables: [], problems: read.error.issues.flatMap(toProblems) };
  const tables = Object.entries(read.data).map(([name, rows]) => ({ name: name.trim(), rows }));
  const seen = new Set<string>();
  const problems = tables.flatMap(({ name }) => {
    const isDouble = seen.has(name.toLowerCase());
    seen.add(name.toLowerCase());
    const text = isDouble ? DOUBLE : name === '' || name.length > NAME_LENGTH ? BAD_NAME : null;
    return text === null ? [] : [{ table: name, row: null, field: null, text }];
  });
  return { tables, problems };
}

function toProblems(issue: z.core.$ZodIssue): RuleProblem[] {
  const [table, row, ...path] = issue.path;
  const at = {
    table: table === undefined ? null : String(table),
    row: row === undefined ? null : Number(row) + 1,
  };
  if (issue.code === 'unrecognized_keys' && path.length === 0)
    return issue.keys.map((key) => ({ ...at, field: key, text: UNKNOWN_KEY }));
  const [part, name] = path.map(String);
  const field = part === undefined ? null : name === undefined ? part : `${part}.${name}`;
  const place = name === undefined ? part : `${part}.*`;
  if (place !== undefined) return [{ ...at, field, text: EXPECTED[place] ?? EXPECTED['title']! }];
  const text = row !== undefined ? A_ROW : table === undefined ? SOME_TABLES : SOME_ROWS;
  return [{ ...at, field, text }];
}

const NAMES: LocalText = { ru: 'нужно имя или список имён', en: 'a name or a list of names is expected' };
const EXPECTED: Readonly<Record<string, LocalText>> = {
  title: { ru: 'нужен текст', en: 'a text is expected' },
  robot: NAMES,
  'robot.*': NAMES,
  document_type: NAMES,
  'document_type.*': NAMES,
  when: { ru: 'нужны поля элемента и их значения', en: 'fields of the item and their values are expected' },
  'when.*': {
    ru: 'нужно значение, список значений или { from, to } из чисел или дат',
    en: 'a value, a list of values, or { from, to } of numbers or dates is expected',
  },
  // biome-ignore lint/suspicious/noThenProperty: the word of interface.md §8, and never a function
  then: { ru: 'нужны поля робота и их значения', en: 'inputs of the robot and their values are expected' },
  'then.*': { ru: 'нужно значение или список значений', en: 'a value or a list of values is expected' },
};
const UNKNOWN_KEY: LocalText = {
  ru: 'в строке такого нет; бывают title, robot, document_type, when, then',
  en: 'a row has no such part; there are title, robot, document_type, when, then',
};
const A_ROW: LocalText = {
  ru: 'нужна строка из when и then',
  en: 'a row of when and then is expected',
};
const SOME_ROWS: LocalText = {
  ru: `нужен список строк, не больше ${ROWS}`,
  en: `a list of rows is expected, ${ROWS} at the most`,
};
const SOME_TABLES: LocalText = {
  ru: 'нужны таблицы: имя и список строк у каждой',
  en: 'tables are expected, each with a name and a list of rows',
};
const DOUBLE: LocalText = {
  ru: 'имя занято другой таблицей (регистр букв не важен)',
  en: 'another table has this name (the case of letters does not count)',
};
const BAD_NAME: LocalText = {
  ru: `имя — от 1 до ${NAME_LENGTH} знаков`,
  en: `a name has 1 to ${NAME_LENGTH} characters`,
};
