import { calendarDay, instant } from './dates.ts';
import type { Prop, Type } from './model.ts';
import { bad, Refusal } from './refusal.ts';
import type { Entity, Store } from './store.ts';

const mismatch = (type: Type, prop: Prop) =>
  bad(`Не удалось преобразовать значение свойства "${prop.name}" типа "${type.name}".`);

/** Turns a JSON body into stored values, refusing what the service would: unknown names, wrong types, ids as strings. */
export function readBody(store: Store, type: Type, body: unknown, offset: string): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw bad('Тело запроса не является объектом.');
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(body)) {
    if (key.startsWith('@odata.')) continue;
    const bound = /^(\w+)@odata\.bind$/.exec(key)?.[1];
    const prop = type.props.get(bound ?? key);
    if (!prop || (prop.name === 'Id' && !bound))
      throw bad(`The property '${key}' does not exist on type '${type.name}' or cannot be written.`);
    fields[prop.name] = bound
      ? readBound(store, type, prop, value)
      : readValue(store, type, prop, value, offset);
  }
  return fields;
}

function readBound(store: Store, type: Type, prop: Prop, value: unknown): number {
  const match = typeof value === 'string' ? /\/?(I\w+)\((\d+)\)$/.exec(value) : null;
  const set = store.model.sets.get(match?.[1] ?? '');
  if (prop.kind !== 'ref' || !match || !set) throw mismatch(type, prop);
  return readReference(store, type, prop, { Id: Number(match[2]) });
}

function readReference(store: Store, type: Type, prop: Prop, value: unknown): number {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(type, prop);
  const { Id: id, ...rest } = value as Entity;
  if (!Number.isInteger(id) || Object.keys(rest).some((key) => !key.startsWith('@')))
    throw mismatch(type, prop);
  const found = store.find(prop.target, id);
  if (!found || !store.readable(found))
    throw bad(`Сущность ${prop.target} с ИД ${id} не найдена (свойство "${prop.name}").`);
  return id;
}

function readValue(store: Store, type: Type, prop: Prop, value: unknown, offset: string): unknown {
  if (prop.kind === 'rows') {
    if (!Array.isArray(value)) throw mismatch(type, prop);
    const rowType = store.model.type(prop.target);
    return value.map((row) => readBody(store, rowType, row, offset));
  }
  if (value === null) return null;
  switch (prop.kind) {
    case 'ref':
      return readReference(store, type, prop, value);
    case 'body':
      return body(type, prop, value);
    case 'string':
    case 'guid':
      if (typeof value !== 'string') throw mismatch(type, prop);
      if (value.length > prop.max)
        throw bad(`Превышена максимальная длина свойства "${prop.name}" (${prop.max}).`);
      return value;
    case 'enum':
      if (typeof value !== 'string') throw mismatch(type, prop);
      if (!prop.values.includes(value))
        throw new Refusal(
          400,
          `Элемент перечисления "${prop.name}" со значением "${value}" недопустим`,
          true,
        );
      return value;
    case 'bool':
      if (typeof value !== 'boolean') throw mismatch(type, prop);
      return value;
    case 'double':
      if (typeof value !== 'number') throw mismatch(type, prop);
      return value;
    case 'int':
    case 'long':
      if (!Number.isInteger(value)) throw mismatch(type, prop);
      return value;
    case 'date':
    case 'time': {
      const ms = typeof value === 'string' ? instant(value) : null;
      if (ms === null) throw mismatch(type, prop);
      return prop.kind === 'date' ? calendarDay(value as string, offset) : new Date(ms).toISOString();
    }
    default:
      throw mismatch(type, prop);
  }
}

function body(type: Type, prop: Prop, value: unknown): { guid: string; bytes: Buffer } {
  const text = (value as Entity)?.Value;
  if (typeof text !== 'string') throw mismatch(type, prop);
  return newBody(fromBase64(text));
}

export function fromBase64(text: unknown): Buffer {
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0)
    throw bad('Свойство "Value" не является строкой base64.');
  return Buffer.from(text, 'base64');
}

export const newBody = (bytes: Buffer) => ({ guid: crypto.randomUUID(), bytes });

/** Rows get ids and their owner; the first version number free is given when none was. */
export function addRow(store: Store, owner: Entity, prop: Prop, fields: Record<string, unknown>): Entity {
  const rows: Entity[] = owner[prop.name] ?? [];
  const row: Entity = { $type: prop.target, Id: store.nextId(prop.target), ...fields };
  row.$owner = owner.Id;
  if (prop.target === 'ElectronicDocumentVersions') {
    const last = Math.max(0, ...rows.map((one) => one.Number as number));
    row.Number ??= last + 1;
    if (rows.some((one) => one.Number === row.Number))
      throw bad(`Версия с номером ${row.Number} уже существует.`);
    row.Created = row.Modified = store.now().toISOString();
    row.IsHidden ??= false;
    row.BodyAssociatedApplication = row.AssociatedApplication ?? null;
    owner.AssociatedApplication = row.AssociatedApplication ?? owner.AssociatedApplication ?? null;
    if (owner.ExchangeState) owner.ExternalApprovalState = owner.ExchangeState = null;
  }
  if (prop.target === 'ContractualDocumentMilestones') row.Performer ??= owner.ResponsibleEmployee ?? null;
  owner[prop.name] = [...rows, row];
  return row;
}

/** Puts read fields on an entity; rows are added to those already there (contract A.6). */
export function apply(store: Store, entity: Entity, fields: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(fields)) {
    const prop = store.typeOf(entity).props.get(name);
    if (prop?.kind !== 'rows') entity[name] = value;
    else for (const row of value as Record<string, unknown>[]) addRow(store, entity, prop, row);
  }
}

const blank = (value: unknown) => value === null || value === undefined || value === '';

export function checkRequired(store: Store, entity: Entity): void {
  for (const prop of store.typeOf(entity).props.values()) {
    if (prop.required && blank(entity[prop.name]))
      throw bad(`Не заполнено обязательное свойство "${prop.name}".`);
    if (prop.kind === 'rows') for (const row of entity[prop.name] ?? []) checkRequired(store, row);
  }
}
