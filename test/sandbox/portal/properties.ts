import type { Fields, PlacedRobot, Step } from './types.ts';
import { cultureDate, isObject, text } from './wire.ts';
import type { Registration, World } from './world.ts';

const RESERVED = new Set(
  'title usesubscription istimeout authuserid setstatusmessage statusmessage timeoutduration timeoutdurationtype'.split(
    ' ',
  ),
);

const DOCUMENT_DATES: Record<string, 'date' | 'datetime'> = {
  BEGINDATE: 'date',
  CLOSEDATE: 'date',
  DATE_CREATE: 'datetime',
  CREATED_TIME: 'datetime',
};

const camel = (name: string): string =>
  name === 'MYCOMPANY_ID'
    ? 'mycompanyId'
    : name.toLowerCase().replace(/_([a-z0-9])/g, (_match, letter: string) => letter.toUpperCase());

function documentValue(world: World, item: Fields, code: string): string {
  const value = item[code] ?? item[camel(code)];
  const date = DOCUMENT_DATES[code];
  if (date !== undefined) return cultureDate(value, date, world.culture);
  if (/(^|_)(ASSIGNED_BY|CREATED_BY|MODIFY_BY)(_ID)?$/.test(code))
    return text(value) === '' ? '' : `user_${text(value)}`;
  if (Array.isArray(value)) return value.map(text).join(', ');
  return text(value);
}

/** Puts document fields and outputs of earlier steps of the same chain into a text. */
function substitute(
  world: World,
  value: string,
  item: Fields,
  before: readonly { robot: PlacedRobot; step: Step }[],
): string {
  return value.replace(/\{=([A-Za-z0-9_]+):([A-Za-z0-9_]+)[^}]*\}/g, (_match, from: string, code: string) => {
    if (from === 'Document') return documentValue(world, item, code);
    const source =
      from === 'previous'
        ? before.at(-1)
        : before.findLast(({ robot }) => robot.activityName === from || robot.code === from);
    const key = Object.keys(source?.step.outputs ?? {}).find(
      (one) => one.toLowerCase() === code.toLowerCase(),
    );
    return key === undefined ? '' : text(source?.step.outputs[key]);
  });
}

function encode(world: World, type: string, value: unknown): string {
  if (typeof value === 'boolean') return value ? 'Y' : 'N';
  if (value === null || value === undefined) return '';
  if (type === 'user' && /^\d+$/.test(text(value)) && text(value) !== '0') return `user_${text(value)}`;
  if (type === 'date' || type === 'datetime') return cultureDate(value, type, world.culture);
  return text(value);
}

/** The registered properties of a placed robot as the form carries them. */
export function evaluate(
  world: World,
  registration: Registration,
  robot: PlacedRobot,
  item: Fields,
  before: readonly { robot: PlacedRobot; step: Step }[],
): Fields {
  const values: Fields = {};
  for (const [code, descriptor] of Object.entries(registration.properties)) {
    if (RESERVED.has(code.toLowerCase())) continue;
    const type = text(descriptor['TYPE']) || 'string';
    const placed = Object.keys(robot.properties).find((key) => key.toLowerCase() === code.toLowerCase());
    const raw = placed === undefined ? (descriptor['DEFAULT'] ?? '') : robot.properties[placed];
    const one = (value: unknown): string =>
      encode(world, type, typeof value === 'string' ? substitute(world, value, item, before) : value);
    const multiple = text(descriptor['MULTIPLE']) === 'Y';
    if (isObject(raw) && !(raw instanceof Date)) {
      const list = Object.values(raw).map(one);
      values[code] = multiple || type === 'user' ? list : (list[0] ?? '');
    } else values[code] = multiple ? (text(raw) === '' ? [] : [one(raw)]) : one(raw);
  }
  return values;
}
