import { localTime, midnight } from './dates.ts';
import { dtoName, type Prop, type Type } from './model.ts';
import { compileFilter } from './odata-filter.ts';
import { bad, Refusal } from './refusal.ts';
import type { Entity, Store } from './store.ts';

export interface Query {
  select: string[] | null;
  expand: Map<string, Query>;
  filter: string | null;
  orderby: string | null;
  top: number | null;
  skip: number;
  count: boolean;
}

const known = ['$select', '$expand', '$filter', '$orderby', '$top', '$skip', '$count'];

/** Splits at the separator outside parentheses and quotes. */
export function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [];
  let [depth, quoted, from] = [0, false, 0];
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === "'") quoted = !quoted;
    else if (quoted) continue;
    else if (letter === '(') depth += 1;
    else if (letter === ')') depth -= 1;
    else if (letter === separator && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}

function number(name: string, text: string): number {
  if (!/^\d+$/.test(text)) throw bad(`Недопустимое значение "${text}" параметра ${name}.`);
  return Number(text);
}

function readOptions(pairs: [string, string][]): Query {
  const query: Query = {
    select: null,
    expand: new Map(),
    filter: null,
    orderby: null,
    top: null,
    skip: 0,
    count: false,
  };
  for (const [name, value] of pairs) {
    if (!known.includes(name)) throw bad(`Параметр запроса "${name}" не поддерживается.`);
    if (name === '$select') query.select = value.split(',').map((one) => one.trim());
    else if (name === '$filter') query.filter = value;
    else if (name === '$orderby') query.orderby = value;
    else if (name === '$top') query.top = number(name, value);
    else if (name === '$skip') query.skip = number(name, value);
    else if (name === '$count') {
      if (value !== 'true' && value !== 'false')
        throw bad(`Недопустимое значение "${value}" параметра $count.`);
      query.count = value === 'true';
    } else for (const [key, nested] of readExpand(value)) query.expand.set(key, nested);
  }
  return query;
}

function readExpand(text: string): [string, Query][] {
  return splitOutside(text, ',').map((part) => {
    const match = /^\s*(\w+)\s*(?:\((.*)\))?\s*$/s.exec(part);
    if (!match) throw bad(`Синтаксическая ошибка в $expand: "${part}".`);
    const options = match[2] === undefined ? [] : splitOutside(match[2], ';');
    return [match[1] ?? '', readOptions(options.map((one) => pair(one.trim())))];
  });
}

function pair(text: string): [string, string] {
  const equals = text.indexOf('=');
  return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
}

/** A query string as it came: percent-encoded, plus means space. */
export function parseQuery(raw: string): Query {
  const plain = (text: string) => {
    try {
      return decodeURIComponent(text.replaceAll('+', ' '));
    } catch {
      throw bad('Недопустимая кодировка адреса.');
    }
  };
  const parts = raw.split('&').filter((one) => one !== '');
  return readOptions(
    parts.map((one) => pair(one).map(plain) as [string, string]).filter(([name]) => name.startsWith('$')),
  );
}

/** Checks names against the declared type of the set: a base set knows base properties only. */
export function checkQuery(store: Store, type: Type, query: Query): void {
  const prop = (name: string): Prop => {
    const found = type.props.get(name);
    if (!found) throw bad(`Could not find a property named '${name}' on type '${dtoName(type)}'.`);
    return found;
  };
  for (const name of query.select ?? []) if (name !== '*') prop(name);
  for (const [name, nested] of query.expand) {
    const { kind, target } = prop(name);
    if (kind === 'ref' || kind === 'rows') checkQuery(store, store.model.type(target), nested);
    else if (kind !== 'body')
      throw bad(`Property '${name}' on type '${dtoName(type)}' is not a navigation property.`);
  }
}

export class Shaper {
  private readonly store: Store;
  private readonly offset: string;

  constructor(store: Store, offset: string) {
    this.store = store;
    this.offset = offset;
  }

  filter(type: Type, text: string): (entity: Entity) => boolean {
    return compileFilter(this.store, this.offset, type, text);
  }

  /** Filter, order and page; the caller checked the names. */
  pick(type: Type, entities: Entity[], query: Query): { rows: Entity[]; total: number } {
    const kept = query.filter === null ? entities : entities.filter(this.filter(type, query.filter));
    const rows = query.orderby === null ? kept : this.sort(type, kept, query.orderby);
    return {
      rows: rows.slice(query.skip, query.top === null ? undefined : query.skip + query.top),
      total: kept.length,
    };
  }

  private sort(type: Type, entities: Entity[], orderby: string): Entity[] {
    const keys = orderby.split(',').map((part) => {
      const match = /^\s*([\w/]+)(?:\s+(asc|desc))?\s*$/.exec(part);
      if (!match) throw bad(`Синтаксическая ошибка в $orderby: "${part}".`);
      return { get: this.follow(type, (match[1] ?? '').split('/')), sign: match[2] === 'desc' ? -1 : 1 };
    });
    return [...entities].sort((a, b) => {
      for (const { get, sign } of keys) {
        const [x, y] = [get(a), get(b)];
        if (x === y) continue;
        if (x === null) return -sign;
        if (y === null) return sign;
        return x < y ? -sign : sign;
      }
      return 0;
    });
  }

  private follow(type: Type, names: string[]): (entity: Entity) => Entity {
    const [name = '', ...rest] = names;
    const prop = type.props.get(name);
    if (!prop || prop.kind === 'rows' || prop.kind === 'body')
      throw bad(`Could not find a property named '${name}' on type '${type.name}'.`);
    if (rest.length === 0) return (entity) => this.store.read(entity, prop);
    if (prop.kind !== 'ref') throw bad(`Property '${name}' has no members.`);
    const further = this.follow(this.store.model.type(prop.target), rest);
    return (entity) => {
      const target = this.store.find(prop.target, this.store.read(entity, prop));
      return target ? further(target) : null;
    };
  }

  /** One entity as JSON: simple properties, and nothing nested that was not expanded. */
  shape(declared: Type, entity: Entity, query: Query): Record<string, unknown> {
    const type = this.store.typeOf(entity);
    const out: Record<string, unknown> = {};
    if (this.store.model.polymorphic(declared)) out['@odata.type'] = `#${dtoName(type)}`;
    const all = query.select === null || query.select.includes('*');
    for (const prop of type.props.values()) {
      if (prop.kind === 'ref' || prop.kind === 'rows' || prop.kind === 'body') continue;
      if (all || query.select?.includes(prop.name)) out[prop.name] = this.plain(prop, entity);
    }
    for (const [name, nested] of query.expand) {
      const prop = type.props.get(name);
      if (prop) out[name] = this.nested(prop, entity, nested);
    }
    return out;
  }

  private plain(prop: Prop, entity: Entity): unknown {
    const value = this.store.read(entity, prop);
    if (value === null) return null;
    if (prop.kind === 'date') return midnight(value, this.offset);
    return prop.kind === 'time' ? localTime(value, this.offset) : value;
  }

  private nested(prop: Prop, entity: Entity, query: Query): unknown {
    const value = this.store.read(entity, prop);
    if (prop.kind === 'body' && value?.lost) throw new Refusal(500, 'Произошла непредвиденная ошибка');
    if (prop.kind === 'body') return value ? { Id: value.guid, Value: value.bytes.toString('base64') } : null;
    const target = this.store.model.type(prop.target);
    if (prop.kind === 'rows')
      return this.pick(target, value, query).rows.map((row) => this.shape(target, row, query));
    const found = this.store.find(prop.target, value);
    return found ? this.shape(target, found, query) : null;
  }
}
