import { contract, type DocumentType, documentTypes } from '../documents/types/document-types.ts';
import { toVisible } from '../lib/text.ts';
import { readField } from '../robot/descriptor.ts';
import { type LocalText, RobotFailure } from '../robot/failure.ts';
import { namedEmployee } from '../robot/people.ts';
import type { DirectumPort, FieldLabel } from '../robot/ports/directum.ts';
import type { ItemFields, PortalUser } from '../robot/ports/portal.ts';
import type { AnyRobot } from '../robot/robot.ts';
import { parseMoney, parseUser, WireValueError } from '../robot/wire-values.ts';
import { toDirectumMoment } from './item-values.ts';
import { fieldsIn } from './placeholders.ts';
import {
  type Condition,
  fieldsOf,
  isRange,
  type RuleProblem,
  type RuleRow,
  type RuleTable,
  toList,
} from './tables.ts';
import { type Target, targetsOf } from './targets.ts';

/** Both systems as they are now. */
interface LivePorts {
  /** Fields of the types of items that robots work on, at least of those types that have the wanted ones. */
  fields(wanted: readonly string[]): Promise<readonly ItemFields[]>;
  /** People of the portal; one who is not there is absent. */
  users(ids: readonly number[]): Promise<ReadonlyMap<number, PortalUser>>;
  directum: Pick<DirectumPort, 'catalogue' | 'documents' | 'employees'>;
  timeZone: string;
}

type InRow = Pick<RuleProblem, 'field' | 'text'>;

/** Fields that every portal has, whatever it lists (bitrix24.md F1). */
const SYSTEM = new Set(
  `id title stageId categoryId companyId contactId contactIds opportunity currencyId assignedById begindate closedate
  comments mycompanyId originatorId originId webformId createdTime updatedTime movedTime`.split(/\s+/),
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
  const resolvers = createResolvers(ports, types, users);
  const problems: RuleProblem[] = [];
  for (const { table, row, of } of rows) {
    const found = [...checkFields(of, types), ...(await checkRecords(of, targetsOf(of, robots), resolvers))];
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

/** Finds what a value names. @throws RobotFailure when there is none */
type Resolver = (text: string, of: { type: DocumentType; label: FieldLabel }) => Promise<unknown>;

/** How robots find what their inputs name, by the code of the input. */
function createResolvers(
  { directum, timeZone }: LivePorts,
  types: readonly ItemFields[],
  users: ReadonlyMap<number, PortalUser>,
): Readonly<Record<string, Resolver>> {
  const { catalogue, documents } = directum;
  const person: Resolver = (text, { label }) => namedEmployee(parseUser(text), { users }, directum, label);
  return {
    document_kind: (text, { type, label }) => catalogue.documentKind(type, text, label),
    category: (text, { label }) => catalogue.category(text, label),
    business_unit: (text, { label }) => catalogue.businessUnit(text, label),
    department: (text, { label }) => catalogue.department(text, label),
    template: (text, { label }) => catalogue.template(text, label),
    vat_rate: (text, { label }) => catalogue.vatRate(text, label),
    async amount(text, { label }) {
      const { currency } = parseMoney(text);
      return currency === null ? null : catalogue.currency(currency, label);
    },
    responsible: person,
    our_signatory: person,
    approvers: person,
    async file_field(text, { label }) {
      const wanted = text.toLowerCase();
      const isThere = types.some((fields) =>
        [...fields].some(([code, { type }]) => type === 'file' && code.toLowerCase() === wanted),
      );
      if (!isThere) throw noFileField(text).about(label);
    },
    extra_fields: (text, { type, label }) =>
      documents.parseExtra(type, text, label, (moment) => toDirectumMoment(moment, timeZone)),
  };
}

async function checkRecords(
  row: RuleRow,
  targets: readonly Target[],
  resolvers: Readonly<Record<string, Resolver>>,
): Promise<InRow[]> {
  const problems = new Map<string, InRow>();
  for (const { robot, documentType } of targets) {
    // The robot without types makes contracts; approvals name no record by a type.
    const type = documentTypes.find(({ code }) => code === (documentType ?? contract.code));
    for (const [input, result] of Object.entries(row.then ?? {})) {
      const resolve = Object.hasOwn(resolvers, input) ? resolvers[input] : undefined;
      if (resolve === undefined || type === undefined || robot.inputs.shape[input] === undefined) continue;
      const label = readField(input, robot.inputs.shape[input]).name;
      for (const text of toList(result).map(String)) {
        const asked = input === 'extra_fields' ? withoutFields(text) : text.trim();
        if (fieldsIn(asked).length > 0) continue;
        const told = await refusalOf(() => resolve(asked, { type, label }));
        if (told !== null) problems.set(`${input} ${told.en}`, { field: `then.${input}`, text: told });
      }
    }
  }
  return [...problems.values()];
}

/** Lines whose value comes from the item, with no value, so that only the property is looked at. */
const withoutFields = (lines: string): string =>
  lines
    .split(/\r\n|\r|\n/)
    .filter((line) => fieldsIn(line.split('=')[0] ?? '').length === 0)
    .map((line) => (fieldsIn(line).length > 0 ? line.slice(0, line.indexOf('=') + 1) : line))
    .join('\n');

async function refusalOf(work: () => Promise<unknown>): Promise<LocalText | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (error instanceof RobotFailure && !error.heals) return error.text;
    // A value of the wrong form: `checkTables` tells it.
    if (error instanceof WireValueError) return null;
    throw error;
  }
}

function noField(code: string): LocalText {
  return {
    ru: `поля ${code} нет ни у сделок, ни у других элементов портала; проверьте код`,
    en: `neither deals nor other items of the portal have a field ${code}; check the code`,
  };
}

function noFileField(code: string): RobotFailure {
  return new RobotFailure('file_unusable', {
    ru: `На портале нет файлового поля «${code}». Укажите код поля типа «Файл».`,
    en: `The portal has no file field «${code}». Give the code of a file field.`,
  });
}
