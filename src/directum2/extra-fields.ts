import type { LocalText } from '../robot/failure.ts';
import { RobotFailure } from '../robot/failure.ts';
import type { FieldLabel } from '../robot/ports.ts';
import { parseDate, parseMoney } from '../robot/wire-values.ts';

/** Properties that the robot's own fields write, or that nobody writes by hand (directum.md J.2). */
const OWN = new Set([
  'subject',
  'documentkind',
  'counterparty',
  'documentgroup',
  'businessunit',
  'department',
  'responsibleemployee',
  'oursignatory',
  'totalamount',
  'currency',
  'vatrate',
  'validfrom',
  'validtill',
  'note',
]);
const CLOSED =
  /^(id|externalid|created|modified|author|lifecyclestate|registrationstate|internalapprovalstate|externalapprovalstate|exchangestate|executionstate|controlexecutionstate|verificationstate|lastversion\w*|has\w+|versionslocked)$/;

/**
 * Reads `Property=value` lines by the types of `$metadata` (interface.md §3, extra_fields).
 * @throws RobotFailure input_invalid naming the property
 */
export function parseExtraFields(
  text: string,
  properties: Readonly<Record<string, string>>,
  label: FieldLabel,
): Record<string, unknown> {
  const bad = (property: string, why: LocalText) =>
    new RobotFailure('input_invalid', {
      ru: `Поле «${label.ru}»: «${property.slice(0, 60)}» ${why.ru}.`,
      en: `The field «${label.en}»: «${property.slice(0, 60)}» ${why.en}.`,
    });
  const byName = new Map(
    Object.entries(properties).map(([name, type]) => [name.toLowerCase(), { name, type }]),
  );
  const values: Record<string, unknown> = {};
  for (const line of text
    .split(/\r?\n/)
    .map((part) => part.trim())
    .filter((part) => part !== '')) {
    const at = line.indexOf('=');
    const property = (at < 0 ? line : line.slice(0, at)).trim();
    if (at < 1)
      throw bad(line, {
        ru: 'нужно записать как Свойство=значение',
        en: 'must be written as Property=value',
      });
    const known = byName.get(property.toLowerCase());
    if (!known)
      throw bad(property, {
        ru: 'нет такого свойства в карточке договора Directum',
        en: 'is not a property of the contract card in Directum',
      });
    if (OWN.has(property.toLowerCase()))
      throw bad(property, {
        ru: 'задаётся отдельным полем робота',
        en: 'has a field of its own in the robot',
      });
    if (CLOSED.test(property.toLowerCase()) || known.type === '[]')
      throw bad(property, { ru: 'нельзя записать через робота', en: 'cannot be written by the robot' });
    if (known.name in values) throw bad(property, { ru: 'указано дважды', en: 'is given twice' });
    const value = toValue(known.type, line.slice(at + 1).trim());
    if (value === undefined)
      throw bad(property, {
        ru: `не принимает такое значение (тип ${known.type.replace('→', 'ИД записи ')})`,
        en: `does not take such a value (type ${known.type.replace('→', 'id of ')})`,
      });
    values[known.name] = value;
  }
  return values;
}

/** undefined: the text does not fit the type. */
function toValue(type: string, text: string): unknown {
  if (text === '') return null;
  if (type.startsWith('→')) return /^\d{1,15}$/.test(text) ? { Id: Number(text) } : undefined;
  try {
    switch (type) {
      case 'String':
        return text;
      case 'Boolean':
        return /^(true|y)$/i.test(text) ? true : /^(false|n)$/i.test(text) ? false : undefined;
      case 'Int16':
      case 'Int32':
      case 'Int64':
        return /^-?\d{1,15}$/.test(text.replace(/\s/g, '')) ? Number(text.replace(/\s/g, '')) : undefined;
      case 'Double':
      case 'Decimal':
      case 'Single': {
        const negative = text.startsWith('-');
        const { amount } = parseMoney(negative ? text.slice(1) : text);
        return negative ? -amount : amount;
      }
      case 'DateTimeOffset':
        return `${parseDate(text)}T00:00:00Z`;
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}
