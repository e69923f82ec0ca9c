import { instant } from './dates.ts';
import type { Caller } from './document-rules.ts';
import type { Generation } from './model.ts';
import { bad, missing, Refusal } from './refusal.ts';
import type { Entity, Store } from './store.ts';
import type { Tasks } from './tasks.ts';

export interface World {
  store: Store;
  tasks: Tasks;
  caller: Caller;
  offset: string;
  /** Throws when somebody keeps the card open. */
  saving(entity: Entity): void;
  /** Whether the service account may change it. */
  changeable(entity: Entity): boolean;
}

export function officialDocument({ store }: World, id: number, where: string): Entity {
  const found = store.find('OfficialDocument', id);
  if (!found || !store.readable(found)) throw bad(`${where}. Document with ID (${id}) not found.`);
  return found;
}

type Kind = 'long' | 'string' | 'guid' | 'bool' | 'time' | 'longs';
type Args = Entity;

export interface Fn {
  module: string;
  name: string;
  verb: 'GET' | 'POST';
  params: [name: string, kind: Kind, nullable?: boolean][];
  returns: 'long' | 'string' | 'bool' | 'longs' | null;
  since: Generation;
  /** A GET that changes something all the same. */
  writes?: boolean;
  run(world: World, args: Args): unknown;
}

/** JSON parameters of an action: a lost key is 404, a null list ends in an unhandled error (contract D.2). */
export function bodyArgs(fn: Fn, body: unknown): Args {
  const given = (body ?? {}) as Args;
  if (typeof given !== 'object' || Array.isArray(given)) throw bad('Тело запроса не является объектом.');
  for (const [name] of fn.params) if (!(name in given)) throw missing();
  const extra = Object.keys(given).find((key) => !fn.params.some(([name]) => name === key));
  if (extra) throw bad(`The parameter '${extra}' is not a parameter of '${fn.name}'.`);
  return Object.fromEntries(fn.params.map((param) => [param[0], checked(param, given[param[0]])]));
}

function checked([name, kind, nullable]: Fn['params'][number], value: unknown): unknown {
  const wrong = bad(`Не удалось преобразовать значение параметра "${name}".`);
  if (value === null && kind === 'longs')
    throw new Refusal(500, 'Object reference not set to an instance of an object.');
  if (value === null) {
    if (nullable) return null;
    throw wrong;
  }
  if (kind === 'longs') {
    if (!Array.isArray(value) || !value.every(Number.isInteger)) throw wrong;
    return value;
  }
  if (
    kind === 'long'
      ? !Number.isInteger(value)
      : kind === 'bool'
        ? typeof value !== 'boolean'
        : typeof value !== 'string'
  )
    throw wrong;
  if (kind === 'time' && instant(value as string) === null) throw wrong;
  return value;
}

const literal =
  /^\s*(\w+)\s*=\s*(null|true|false|-?\d+|'(?:[^']|'')*'|[0-9a-fA-F-]{36}|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d))\s*(?:,|$)/;

/** `tin='77',name='ООО ''Ромашка'''`: every parameter once, text quoted, GUID and dates bare. */
export function literalArgs(fn: Fn, text: string): Args {
  const given: Args = {};
  let rest = text;
  while (rest.trim() !== '') {
    const found = literal.exec(rest);
    if (!found) throw bad(`Синтаксическая ошибка в параметрах функции "${fn.name}".`);
    given[found[1] ?? ''] = found[2];
    rest = rest.slice(found[0].length);
  }
  if (Object.keys(given).length !== fn.params.length || fn.params.some(([name]) => !(name in given)))
    throw missing();
  return Object.fromEntries(
    fn.params.map((param) => [param[0], checked(param, readLiteral(param[1], given[param[0]]))]),
  );
}

function readLiteral(kind: Kind, text: string): unknown {
  if (text === 'null') return null;
  const quoted = text.startsWith("'");
  if (quoted !== (kind === 'string')) throw bad(`Литерал ${text} не подходит по типу.`);
  if (quoted) return text.slice(1, -1).replaceAll("''", "'");
  if (kind === 'guid') return text.toLowerCase();
  return kind === 'long' ? Number(text) : kind === 'bool' ? text === 'true' : text;
}
