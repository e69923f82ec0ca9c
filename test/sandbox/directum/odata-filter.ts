import { instant, midnight } from './dates.ts';
import type { Prop, Type } from './model.ts';
import { bad } from './refusal.ts';
import type { Entity, Store } from './store.ts';

type Kind = 'string' | 'number' | 'bool' | 'time' | 'guid' | 'null' | 'ref';
type Env = Record<string, Entity>;
interface Value {
  kind: Kind;
  get(env: Env): Entity;
}
interface Token {
  kind: 'text' | 'guid' | 'time' | 'number' | 'word' | 'mark' | 'end';
  text: string;
}
type Scope = Record<string, Type>;

const shapes: [Token['kind'] | 'space', RegExp][] = [
  ['space', /^\s+/],
  ['text', /^'(?:[^']|'')*'/],
  ['guid', /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/],
  ['time', /^\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?/],
  ['number', /^-?\d+(?:\.\d+)?/],
  ['word', /^[A-Za-z_$][\w]*/],
  ['mark', /^[()/,:]/],
];

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let rest = text;
  while (rest !== '') {
    const hit = shapes
      .map(([kind, shape]) => ({ kind, found: shape.exec(rest)?.[0] }))
      .find((one) => one.found);
    if (!hit?.found)
      throw bad(`Синтаксическая ошибка в позиции ${text.length - rest.length} выражения "${text}".`);
    if (hit.kind !== 'space') tokens.push({ kind: hit.kind, text: hit.found });
    rest = rest.slice(hit.found.length);
  }
  return [...tokens, { kind: 'end', text: '' }];
}

const kindOf = (prop: Prop): Kind => {
  if (prop.kind === 'string' || prop.kind === 'enum') return 'string';
  if (prop.kind === 'time' || prop.kind === 'date') return 'time';
  if (prop.kind === 'bool' || prop.kind === 'guid' || prop.kind === 'ref') return prop.kind;
  return 'number';
};

/** How many syntax nodes a filter may have; more is 400 (contract A.5). */
const nodeLimit = 100;

class Parser {
  private at = 0;
  private nodes = 0;
  private readonly tokens: Token[];
  private readonly store: Store;
  private readonly offset: string;

  constructor(store: Store, offset: string, text: string) {
    this.tokens = tokenize(text);
    this.store = store;
    this.offset = offset;
  }

  /** Typed conversions count too, which is why about eleven `Id eq n` already fill the limit. */
  private count(n: number) {
    this.nodes += n;
    if (this.nodes > nodeLimit)
      throw bad(`The node count limit of '${nodeLimit}' has been exceeded. Упростите выражение $filter.`);
  }
  private get head(): Token {
    return this.tokens[this.at] as Token;
  }
  private is(text: string): boolean {
    return this.head.kind !== 'text' && this.head.text === text;
  }
  private take(text: string): void {
    if (!this.is(text)) throw bad(`Ожидалось "${text}", получено "${this.head.text}" в $filter.`);
    this.at += 1;
  }

  whole(scope: Scope): Value {
    const value = this.or(scope);
    if (this.head.kind !== 'end') throw bad(`Лишнее "${this.head.text}" в $filter.`);
    this.mustBe(value, 'bool');
    return value;
  }
  private mustBe(value: Value, kind: Kind) {
    if (value.kind !== kind)
      throw bad(`Несовместимые типы в $filter: ожидался ${kind}, получен ${value.kind}.`);
  }
  private logical(
    scope: Scope,
    word: string,
    next: (scope: Scope) => Value,
    join: (a: boolean, b: () => boolean) => boolean,
  ): Value {
    let left = next(scope);
    while (this.is(word)) {
      this.at += 1;
      this.count(2);
      const [a, b] = [left, next(scope)];
      this.mustBe(a, 'bool');
      this.mustBe(b, 'bool');
      left = { kind: 'bool', get: (env) => join(a.get(env) === true, () => b.get(env) === true) };
    }
    return left;
  }
  private or(scope: Scope): Value {
    return this.logical(
      scope,
      'or',
      (s) => this.and(s),
      (a, b) => a || b(),
    );
  }
  private and(scope: Scope): Value {
    return this.logical(
      scope,
      'and',
      (s) => this.not(s),
      (a, b) => a && b(),
    );
  }
  private not(scope: Scope): Value {
    if (!this.is('not')) return this.comparison(scope);
    this.at += 1;
    this.count(1);
    const inner = this.not(scope);
    this.mustBe(inner, 'bool');
    return { kind: 'bool', get: (env) => inner.get(env) !== true };
  }
  private comparison(scope: Scope): Value {
    const left = this.operand(scope);
    const word = this.head.kind === 'word' ? this.head.text : '';
    if (word === 'in') throw bad('Оператор in не поддерживается.');
    const compare = operators[word];
    if (!compare) return left;
    this.at += 1;
    this.count(2);
    const right = this.operand(scope);
    if (left.kind !== right.kind && left.kind !== 'null' && right.kind !== 'null')
      throw bad(`Оператор ${word} несовместим с типами ${left.kind} и ${right.kind}.`);
    if (left.kind === 'ref' && right.kind !== 'null') throw bad('Ссылку можно сравнить только с null.');
    return { kind: 'bool', get: (env) => compare(left.get(env), right.get(env)) };
  }
  private operand(scope: Scope): Value {
    const token = this.head;
    this.at += 1;
    if (token.text === '(' && token.kind === 'mark') {
      const inner = this.or(scope);
      this.take(')');
      return inner;
    }
    if (token.kind !== 'word') this.count(2);
    if (token.kind === 'text') return constant('string', token.text.slice(1, -1).replaceAll("''", "'"));
    if (token.kind === 'guid') return constant('guid', token.text.toLowerCase());
    if (token.kind === 'number') return constant('number', Number(token.text));
    if (token.kind === 'time') {
      const ms = instant(token.text);
      if (ms === null) throw bad(`Литерал "${token.text}" не является Edm.DateTimeOffset: укажите смещение.`);
      return constant('time', ms);
    }
    if (token.kind !== 'word') throw bad(`Неожиданное "${token.text || 'конец'}" в $filter.`);
    if (token.text === 'null') return constant('null', null);
    if (token.text === 'true' || token.text === 'false') return constant('bool', token.text === 'true');
    if (this.is('(')) return this.call(scope, token.text);
    return this.path(scope, token.text);
  }
  private call(scope: Scope, name: string): Value {
    this.take('(');
    const args = [this.or(scope)];
    while (this.is(',')) {
      this.at += 1;
      args.push(this.or(scope));
    }
    this.take(')');
    this.count(2);
    const [first, second] = args as [Value, Value];
    for (const arg of args) if (arg.kind !== 'null') this.mustBe(arg, 'string');
    const text = (value: Value, env: Env) => (value.get(env) ?? null) as string | null;
    if (name === 'tolower' && args.length === 1)
      return { kind: 'string', get: (env) => text(first, env)?.toLowerCase() ?? null };
    if (args.length === 2 && (name === 'contains' || name === 'startswith' || name === 'endswith'))
      return {
        kind: 'bool',
        get: (env) => {
          const [whole, part] = [text(first, env), text(second, env)];
          if (whole === null || part === null) return false;
          return name === 'contains'
            ? whole.includes(part)
            : name === 'startswith'
              ? whole.startsWith(part)
              : whole.endsWith(part);
        },
      };
    throw bad(`Неизвестная функция "${name}" в $filter.`);
  }
  private path(scope: Scope, first: string): Value {
    const variable = scope[first] && this.is('/') ? first : '$it';
    let type = scope[variable] as Type;
    let word = first;
    if (variable !== '$it') {
      this.take('/');
      word = this.head.text;
      this.at += 1;
    }
    let get = (env: Env): Entity => env[variable];
    this.count(1);
    for (;;) {
      this.count(2);
      const prop = type.props.get(word);
      if (!prop) throw bad(`Could not find a property named '${word}' on type '${type.name}'.`);
      const owner = get;
      if (prop.kind === 'rows') return this.any(scope, prop, (env) => this.rowsOf(owner(env), prop));
      if (prop.kind === 'body') throw bad(`Свойство "${word}" нельзя использовать в $filter.`);
      if (!this.is('/') || prop.kind !== 'ref')
        return { kind: kindOf(prop), get: (env) => this.plain(owner(env), prop) };
      this.at += 1;
      word = this.head.text;
      this.at += 1;
      type = this.store.model.type(prop.target);
      get = (env) => {
        const from = owner(env);
        return from ? this.store.find(prop.target, this.store.read(from, prop)) : undefined;
      };
    }
  }
  private rowsOf(entity: Entity, prop: Prop): Entity[] {
    return entity ? this.store.read(entity, prop) : [];
  }
  private plain(entity: Entity, prop: Prop): Entity {
    const value = entity ? this.store.read(entity, prop) : null;
    if (value === null || value === undefined) return null;
    if (prop.kind === 'date') return Date.parse(midnight(value, this.offset));
    if (prop.kind === 'time') return Date.parse(value);
    return prop.kind === 'guid' ? String(value).toLowerCase() : value;
  }
  private any(scope: Scope, prop: Prop, rows: (env: Env) => Entity[]): Value {
    this.take('/');
    this.take('any');
    this.take('(');
    this.count(2);
    if (this.is(')')) {
      this.at += 1;
      return { kind: 'bool', get: (env) => rows(env).length > 0 };
    }
    const name = this.head.text;
    this.at += 1;
    this.take(':');
    const inner = this.or({ ...scope, [name]: this.store.model.type(prop.target) });
    this.take(')');
    return {
      kind: 'bool',
      get: (env) => rows(env).some((row) => inner.get({ ...env, [name]: row }) === true),
    };
  }
}

const constant = (kind: Kind, value: unknown): Value => ({ kind, get: () => value });
const ordered = (test: (a: Entity, b: Entity) => boolean) => (a: Entity, b: Entity) =>
  a !== null && b !== null && test(a, b);
const operators: Record<string, (a: Entity, b: Entity) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  gt: ordered((a, b) => a > b),
  ge: ordered((a, b) => a >= b),
  lt: ordered((a, b) => a < b),
  le: ordered((a, b) => a <= b),
};

export function compileFilter(
  store: Store,
  offset: string,
  type: Type,
  text: string,
): (entity: Entity) => boolean {
  const value = new Parser(store, offset, text).whole({ $it: type });
  return (entity) => value.get({ $it: entity }) === true;
}
