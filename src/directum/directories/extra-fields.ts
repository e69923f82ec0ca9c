import type { DocumentType } from '../../documents/types/document-types.ts';
import { shorten, toCode } from '../../lib/text.ts';
import { type LocalText, RobotFailure } from '../../robot/failure.ts';
import type { FieldLabel } from '../../robot/ports/directum.ts';
import type { Metadata } from '../odata/metadata.ts';

/** Properties that Directum keeps itself, or that would fake an approval (directum.md J.2). */
const CLOSED =
  /^(id|externalid|name|author|created|modified|preparedby|associatedapplication|registrationnumber|registrationdate|documentregister|index|storage|locationstate|has\w+|versions?locked|lastversion\w*|documentdate|\w*state|status)$/i;

/** Properties that the robot has a field for: one value must have one source. */
const OWNED = new Set(
  [
    ...['Subject', 'DocumentKind', 'Counterparty', 'DocumentGroup', 'BusinessUnit', 'Department'],
    ...[
      'ResponsibleEmployee',
      'OurSignatory',
      'TotalAmount',
      'Currency',
      'VatRate',
      'ValidFrom',
      'ValidTill',
      'Note',
    ],
  ].map((name) => name.toLowerCase()),
);

/** Besides, of a type: what it belongs to, and its paper's number and dates (directum.md B.5). */
const ownedOf = ({ leading, number, dates }: DocumentType): string[] =>
  [
    ...(leading === null ? [] : [leading.property]),
    ...(number === 'own' ? ['Number', 'Date'] : []),
    ...(dates.till === undefined ? [] : [dates.till]),
  ].map((name) => name.toLowerCase());

/** A date or date-time as a robot's field has it, in the form Directum takes; null when it is none. */
type ReadMoment = (text: string) => string | null;

/** Only metadata younger than this can prove that a property does not exist. */
const FRESH_MS = 60_000;

/**
 * `Property=value` lines as values ready for OData (interface.md directum_create_contract, `extra_fields`). `onWrong` takes
 * what is wrong with a line, which is then left out; without it the first is thrown.
 * @throws RobotFailure input_invalid naming the property
 */
export async function parseExtra(
  metadata: Metadata,
  of: DocumentType,
  lines: string,
  label: FieldLabel,
  readMoment: ReadMoment,
  onWrong?: (problem: RobotFailure) => void,
): Promise<Record<string, unknown>> {
  const values: Record<string, unknown> = Object.create(null);
  const seen = new Set<string>();
  for (const line of lines.split(/\r\n|\r|\n/)) {
    if (toCode(line) === '') continue;
    try {
      const [name, text] = readLine(line, seen, label);
      const type = await typeOf(metadata, of, name, label);
      values[name] = toValue(type, text, name, { label, readMoment });
    } catch (error) {
      if (onWrong === undefined || !(error instanceof RobotFailure)) throw error;
      onWrong(error);
    }
  }
  return values;
}

/** Name and text of a line; `seen` are the names before it. @throws RobotFailure input_invalid */
function readLine(line: string, seen: Set<string>, label: FieldLabel): [name: string, text: string] {
  const at = line.indexOf('=');
  const name = toCode(at < 0 ? line : line.slice(0, at));
  if (at < 0 || name === '') {
    throw invalid(label, name, {
      ru: 'нужна строка вида Свойство=значение',
      en: 'a line Property=value is needed',
    });
  }
  if (seen.has(name.toLowerCase()))
    throw invalid(label, name, {
      ru: 'указано дважды; оставьте одну строку',
      en: 'given twice; leave one line',
    });
  seen.add(name.toLowerCase());
  return [name, line.slice(at + 1).trim()];
}

async function typeOf(
  metadata: Metadata,
  type: DocumentType,
  name: string,
  label: FieldLabel,
): Promise<string> {
  if (OWNED.has(name.toLowerCase()) || ownedOf(type).includes(name.toLowerCase())) {
    throw invalid(label, name, {
      ru: 'для него есть отдельное поле робота; заполните это поле',
      en: 'the robot has its own field for it; use that field',
    });
  }
  if (CLOSED.test(name))
    throw invalid(label, name, {
      ru: 'это свойство ведёт сам Directum; уберите строку',
      en: 'Directum keeps this property itself; remove the line',
    });
  const found =
    (await metadata.capabilities()).property(type.entity, name) ??
    // The customer's developer may have added it since yesterday.
    (await metadata.capabilities(FRESH_MS)).property(type.entity, name);
  if (found === null) {
    throw invalid(label, name, {
      ru: `в карточке ${type.texts.ofNoun.ru} Directum нет такого свойства; проверьте имя, включая регистр букв`,
      en: `Directum's ${type.texts.noun.en} card has no such property; check the name and its case`,
    });
  }
  return found;
}

function toValue(
  type: string,
  text: string,
  name: string,
  { label, readMoment }: { label: FieldLabel; readMoment: ReadMoment },
): unknown {
  const wrong = (ru: string, en: string) =>
    invalid(label, name, {
      ru: `«${clip(text)}» не подходит; нужно ${ru}`,
      en: `«${clip(text)}» does not fit; give ${en}`,
    });
  if (type.startsWith('*'))
    throw invalid(label, name, {
      ru: 'таблицу так не заполнить; уберите строку',
      en: 'a table cannot be filled like this; remove the line',
    });
  if (text === '') return null;
  if (type.startsWith('>')) {
    const id = Number(toCode(text));
    if (!/^\d+$/.test(toCode(text)) || !Number.isSafeInteger(id) || id === 0)
      throw wrong('ИД записи Directum', 'the id of a Directum record');
    return { Id: id };
  }
  switch (type) {
    case 'String':
      return text;
    case 'Int16':
    case 'Int32':
    case 'Int64': {
      const number = toNumber(text);
      const limit = { Int16: 2 ** 15, Int32: 2 ** 31, Int64: 2 ** 53 }[type];
      if (number === null || !Number.isInteger(number) || Math.abs(number) >= limit)
        throw wrong('целое число', 'a whole number');
      return number;
    }
    case 'Double':
    case 'Single':
    case 'Decimal': {
      const number = toNumber(text);
      if (number === null) throw wrong('число не больше чем из 15 цифр', 'a number of at most 15 digits');
      return number;
    }
    case 'Boolean': {
      const found = /^(?:(true|y)|(false|n))$/i.exec(toCode(text));
      if (!found) throw wrong('true или false (Y или N)', 'true or false (Y or N)');
      return found[1] !== undefined;
    }
    case 'DateTimeOffset': {
      const moment = readMoment(text);
      if (moment === null)
        throw wrong(
          'дата, например 2026-03-02 или 02.03.2026',
          'a date, for example 2026-03-02 or 02.03.2026',
        );
      return moment;
    }
    case 'Guid':
      if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(toCode(text))) throw wrong('GUID', 'a GUID');
      return toCode(text).toLowerCase();
    default:
      throw invalid(label, name, {
        ru: `тип ${clip(type)} роботу не знаком; уберите строку`,
        en: `the robot does not know the type ${clip(type)}; remove the line`,
      });
  }
}

/** Null for anything but a number, and for one with more digits than a JSON number keeps: it must not be rounded silently. */
function toNumber(text: string): number | null {
  const plain = toCode(text).replace(',', '.');
  if (!/^-?\d{1,17}(\.\d{1,10})?$/.test(plain)) return null;
  const number = Number(plain);
  const digits = (written: string) =>
    written
      .replace(/^-?[0.]*/, '')
      .replace(/(\.\d*?)0+$/, '$1')
      .replace(/\.$/, '');
  return digits(plain).length <= 15 || digits(String(number)) === digits(plain) ? number : null;
}

function invalid(label: FieldLabel, property: string, what: LocalText): RobotFailure {
  const name = clip(property);
  return new RobotFailure('input_invalid', {
    ru: `«${label.ru}», свойство «${name}»: ${what.ru}.`,
    en: `«${label.en}», property «${name}»: ${what.en}.`,
  });
}

const clip = (text: string): string => shorten(text, 80);
