import { documentType, ufEntity } from '../entities.ts';
import type { Fields, PlacedRobot } from '../types.ts';
import { asList, isObject, text, upperKeys } from '../wire.ts';
import type { Registration, World } from '../world.ts';

export const DIALOG = 'BIZPROC_ACTIVITY_PROPERTIES_DIALOG';

const FIELDS: Record<string, [name: string, type: string]> = {
  ID: ['ID', 'int'],
  TITLE: ['Название', 'string'],
  OPPORTUNITY: ['Сумма', 'double'],
  CURRENCY_ID: ['Валюта', 'select'],
  STAGE_ID: ['Стадия', 'select'],
  ASSIGNED_BY_ID: ['Ответственный', 'user'],
  CREATED_BY_ID: ['Кем создан', 'user'],
  COMPANY_ID: ['Компания', 'UF:crm'],
  CONTACT_ID: ['Контакт', 'UF:crm'],
  BEGINDATE: ['Дата начала', 'date'],
  CLOSEDATE: ['Предполагаемая дата закрытия', 'date'],
  COMMENTS: ['Комментарий', 'text'],
};
const TYPES: Record<string, string> = {
  integer: 'int',
  enumeration: 'select',
  employee: 'user',
  boolean: 'bool',
  money: 'UF:money',
  crm: 'UF:crm',
};

/** The fields of the item, as the dialog names them to its page. */
function documentFields(world: World, entityTypeId: number): Record<string, { Name: string; Type: string }> {
  const own = world.userFields
    .filter(({ entityId }) => entityId === ufEntity(world, entityTypeId))
    .map(({ fieldName, userTypeId, raw }) => {
      const label = raw['editFormLabel'] ?? raw['LABEL'];
      const name = isObject(label) ? Object.values(label)[0] : label;
      return [fieldName, { Name: text(name) || fieldName, Type: TYPES[userTypeId] ?? userTypeId }] as const;
    });
  const system = Object.entries(FIELDS).map(([code, [Name, Type]]) => [code, { Name, Type }] as const);
  return Object.fromEntries([...system, ...own]);
}

/** Robots of a stage show a field by its title: `{=Document:TITLE}` is `{{Название}}` there. */
function displayed(value: unknown, fields: Record<string, { Name: string }>): unknown {
  if (Array.isArray(value)) return value.map((one) => displayed(one, fields));
  if (typeof value !== 'string') return value;
  return value.replace(/\{=Document:(\w+)( > \w+)?\}/g, (reference, code: string, modifier = '') => {
    const name = fields[code]?.Name;
    return name === undefined ? reference : `{{${name}${modifier}}}`;
  });
}

/** Descriptors as they are stored: upper-case keys, and languages too. */
const descriptors = (registration: Registration): Fields =>
  Object.fromEntries(
    Object.entries(registration.properties).map(([code, one]) => [
      code,
      {
        ...one,
        ...(isObject(one['NAME']) ? { NAME: upperKeys(one['NAME']) } : {}),
        ...(isObject(one['DESCRIPTION']) ? { DESCRIPTION: upperKeys(one['DESCRIPTION']) } : {}),
      },
    ]),
  );

/** PLACEMENT_OPTIONS of the settings page of a placed robot (bitrix24.md E). */
export function dialogOptions(world: World, robot: PlacedRobot, registration: Registration): Fields {
  const fields = documentFields(world, robot.entityTypeId);
  return {
    code: robot.code,
    activity_name: robot.activityName,
    properties: descriptors(registration),
    current_values: Object.fromEntries(
      Object.entries(robot.properties).map(([code, value]) => [code, displayed(value, fields)]),
    ),
    document_type: documentType(robot.entityTypeId),
    document_fields: fields,
    template: {
      parameters: {},
      variables: {},
      constants: {},
      global_constants: [],
      global_variables: [],
      return_activities: [],
    },
  };
}

/** An input of the dialog's form; `written` by the page, else as the dialog opened. */
export interface DialogInput {
  name: string;
  value: string;
  written: boolean;
}

/** What the inputs of one property make together, in the form's order, as PHP reads them. */
function posted(inputs: readonly DialogInput[], code: string): unknown {
  let value: unknown;
  for (const input of inputs) {
    if (input.name === `property_${code}`) value = input.value;
    if (input.name === `property_${code}[]`)
      value = Array.isArray(value) ? [...value, input.value] : [input.value];
  }
  return value;
}

/**
 * The admin presses Save: what the page wrote is stored as it stands, `{{Title}}` too; the rest stays.
 * @returns what is missing, or nothing
 */
export function saveDialog(
  robot: PlacedRobot,
  registration: Registration,
  inputs: readonly DialogInput[],
): string | undefined {
  const fresh = { ...robot.properties };
  for (const [code, descriptor] of Object.entries(registration.properties)) {
    const lower = code.toLowerCase();
    const own = inputs.filter(({ name }) => name === `property_${lower}` || name === `property_${lower}[]`);
    if (own.some(({ written }) => written)) fresh[code] = posted(own, lower);
    const isEmpty = asList(fresh[code]).every((one) => text(one) === '');
    if (text(descriptor['REQUIRED']) === 'Y' && isEmpty) return `Не заполнено поле ${code}`;
  }
  robot.properties = fresh;
  return undefined;
}
