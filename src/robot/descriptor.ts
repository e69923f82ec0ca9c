import { z } from 'zod';
import type { Language, LocalText } from './failure.ts';
import { type FieldFacts, field, fieldFacts } from './fields.ts';
import type { AnyRobot, ItemKind } from './robot.ts';

const DOCUMENTS: Record<ItemKind, string> = {
  deal: 'CCrmDocumentDeal',
  lead: 'CCrmDocumentLead',
  contact: 'CCrmDocumentContact',
  company: 'CCrmDocumentCompany',
  quote: 'Bitrix\\Crm\\Integration\\BizProc\\Document\\Quote',
  smart_invoice: 'Bitrix\\Crm\\Integration\\BizProc\\Document\\SmartInvoice',
  dynamic: 'Bitrix\\Crm\\Integration\\BizProc\\Document\\Dynamic',
};

/** Outputs every robot has besides its own (interface.md §3). */
export const commonOutputs = z.object({
  ok: field.bool({ ru: 'Успешно', en: 'Succeeded' }),
  error_code: field.string({ ru: 'Код ошибки', en: 'Error code' }),
  error_text: field.string({ ru: 'Текст ошибки', en: 'Error text' }),
  run_id: field.string({ ru: 'Номер запуска', en: 'Run id' }),
});

export interface ReadField extends FieldFacts {
  required: boolean;
  multiple: boolean;
  /** As it stands in the robot's form. */
  default?: unknown;
}

/** What a field's schema says to the portal, also inside `.optional()`, `.default()` and arrays. */
export function readField(code: string, schema: z.ZodType): ReadField {
  let inner: unknown = schema;
  let required = true;
  let multiple = false;
  let byDefault: unknown;
  for (;;) {
    if (inner instanceof z.ZodOptional) required = false;
    else if (inner instanceof z.ZodDefault) {
      required = false;
      // As the form holds it: a bool is `Y` or `N` there, and JSON `false` would be nothing (bitrix24.md B2).
      byDefault = z.encode(inner.def.innerType as z.ZodType, inner.def.defaultValue);
    } else if (inner instanceof z.ZodArray) {
      multiple = true;
      inner = inner.element;
      continue;
    } else break;
    inner = inner.def.innerType;
  }
  const facts = fieldFacts.get(inner as z.ZodType);
  if (!facts) throw new TypeError(`field ${code} is not made with field.*`);
  return { ...facts, required, multiple, ...(byDefault !== undefined && { default: byDefault }) };
}

function toProperty(code: string, schema: z.ZodType, language: Language): Record<string, unknown> {
  const facts = readField(code, schema);
  return {
    Name: facts.name,
    ...(facts.description && { Description: facts.description }),
    Type: facts.type,
    Required: facts.required ? 'Y' : 'N',
    Multiple: facts.multiple ? 'Y' : 'N',
    // Titles of options cannot be localised (bitrix24.md B2), so they follow the portal's language.
    ...(facts.options && {
      Options: Object.fromEntries(
        Object.entries(facts.options).map(([key, title]) => [key, title[language]]),
      ),
    }),
    ...(facts.default !== undefined && { Default: facts.default }),
  };
}

/** Fields of `bizproc.robot.add` but HANDLER and AUTH_USER_ID (bitrix24.md B1). */
export function toDescriptor(
  robot: AnyRobot,
  language: Language,
): { code: string; fields: Record<string, unknown> } {
  const shape = (object: z.ZodObject): [string, z.ZodType][] =>
    Object.entries(object.shape) as [string, z.ZodType][];
  const names = (text: LocalText) => ({ ru: text.ru, en: text.en });
  return {
    code: robot.code,
    fields: {
      USE_SUBSCRIPTION: 'Y',
      NAME: names(robot.name),
      DESCRIPTION: names(robot.description),
      PROPERTIES: Object.fromEntries(
        shape(robot.inputs).map(([code, schema]) => [code, toProperty(code, schema, language)]),
      ),
      RETURN_PROPERTIES: Object.fromEntries(
        [...shape(robot.outputs), ...shape(commonOutputs)].map(([code, schema]) => {
          const facts = readField(code, schema);
          return [code, { Name: names(facts.name), Type: facts.type }];
        }),
      ),
      FILTER: { INCLUDE: robot.items.map((kind) => ['crm', DOCUMENTS[kind]]) },
    },
  };
}
