import { contract, type DocumentType, documentTypes } from '../../documents/types/document-types.ts';
import { HELD_IN } from '../../documents/types/held-inputs.ts';
import { readField } from '../../robot/descriptor.ts';
import { type LocalText, RobotFailure } from '../../robot/failure.ts';
import { namedEmployee } from '../../robot/people.ts';
import type { DirectumPort, FieldLabel } from '../../robot/ports/directum.ts';
import type { ItemFields, PortalUser } from '../../robot/ports/portal.ts';
import { parseMoney, parseUser, WireValueError } from '../../robot/wire-values.ts';
import { toDirectumMoment } from '../fill/item-values.ts';
import { fieldsIn } from '../tables/placeholders.ts';
import { type RuleProblem, type RuleRow, toList } from '../tables/tables.ts';
import type { Target } from '../tables/targets.ts';

/** A problem of a row. */
export type InRow = Pick<RuleProblem, 'field' | 'text'>;

/** Where records are looked for. */
export interface RecordPorts {
  /** Is there such a template of the portal's document generator? @throws RobotFailure */
  hasTemplate(nameOrId: string, label: FieldLabel): Promise<boolean>;
  directum: Pick<DirectumPort, 'catalogue' | 'documents' | 'employees'>;
  timeZone: string;
}

/** Finds what a value names. @throws RobotFailure when there is none */
type Resolver = (text: string, of: { type: DocumentType; label: FieldLabel }) => Promise<unknown>;

/** How robots find what their inputs name, by the code of the input. */
function createResolvers(
  { directum, hasTemplate, timeZone }: RecordPorts,
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
    async crm_template(text, { label }) {
      if (!(await hasTemplate(text, label))) throw noTemplate(text).about(label);
    },
    extra_fields: (text, { type, label }) =>
      documents.parseExtra(type, text, label, (moment) => toDirectumMoment(moment, timeZone)),
  };
}

/** Looks up what results of rows name. */
export function createRecordCheck(
  ports: RecordPorts,
  types: readonly ItemFields[],
  users: ReadonlyMap<number, PortalUser>,
) {
  const resolvers = createResolvers(ports, types, users);

  /** Why the input cannot be filled so; null when it can. */
  async function check(
    input: string,
    text: string,
    { robot, documentType }: Target,
  ): Promise<LocalText | null> {
    // The robot without types makes contracts; approvals name no record by a type.
    const type = documentTypes.find(({ code }) => code === (documentType ?? contract.code));
    const schema = robot.inputs.shape[input];
    if (type === undefined || schema === undefined) return null;
    if (documentType !== null && (await isWithout(type, input))) return noProperty(type);
    const asked = input === 'extra_fields' ? withoutFields(text) : text.trim();
    const resolve = Object.hasOwn(resolvers, input) ? resolvers[input] : undefined;
    if (resolve === undefined || fieldsIn(asked).length > 0) return null;
    return refusalOf(() => resolve(asked, { type, label: readField(input, schema).name }));
  }

  /** Cards of the type, in this installation, cannot hold the input. */
  async function isWithout(type: DocumentType, input: string): Promise<boolean> {
    const property = Object.entries(HELD_IN).find(([code]) => code === input)?.[1];
    return property !== undefined && !(await ports.directum.documents.having(type, [property])).has(property);
  }

  return {
    async check(row: RuleRow, targets: readonly Target[]): Promise<InRow[]> {
      const problems = new Map<string, InRow>();
      for (const [input, result] of Object.entries(row.then ?? {}))
        for (const text of toList(result))
          for (const target of targets) {
            const told = await check(input, String(text), target);
            if (told !== null) problems.set(`${input} ${told.en}`, { field: `then.${input}`, text: told });
          }
      return [...problems.values()];
    },
  };
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

function noProperty({ texts }: DocumentType): LocalText {
  return {
    ru: `у документа типа «${texts.noun.ru}» в Directum такого свойства нет; уберите значение`,
    en: `Directum's type «${texts.noun.en}» has no such property; leave the value out`,
  };
}

function noTemplate(name: string): RobotFailure {
  return new RobotFailure('reference_not_found', {
    ru: `На портале нет шаблона документов «${name}». Проверьте имя или ИД.`,
    en: `The portal has no document template «${name}». Check the name or id.`,
  });
}

function noFileField(code: string): RobotFailure {
  return new RobotFailure('file_unusable', {
    ru: `На портале нет файлового поля «${code}». Укажите код поля типа «Файл».`,
    en: `The portal has no file field «${code}». Give the code of a file field.`,
  });
}
