import { schema } from './schema.ts';

export type Generation = '4.3' | '4.8' | '4.11';
const order: Generation[] = ['4.3', '4.8', '4.11'];
export const reaches = (has: Generation, since: Generation) => order.indexOf(has) >= order.indexOf(since);

export type Kind =
  | 'string'
  | 'int'
  | 'long'
  | 'double'
  | 'bool'
  | 'time'
  | 'date'
  | 'guid'
  | 'enum'
  | 'ref'
  | 'rows'
  | 'body';

export interface Prop {
  name: string;
  kind: Kind;
  target: string;
  values: string[];
  max: number;
  required: boolean;
  since: Generation;
}

export interface Type {
  name: string;
  module: string;
  /** Empty for rows of collections. */
  set: string;
  base: string | null;
  root: string;
  since: Generation;
  abstract: boolean;
  props: Map<string, Prop>;
}

export interface Model {
  generation: Generation;
  types: Map<string, Type>;
  sets: Map<string, Type>;
  /** The type itself or one of its descendants. */
  isA(name: string, ancestor: string): boolean;
  polymorphic(type: Type): boolean;
  type(name: string): Type;
}

const letters: Record<string, Kind> = {
  s: 'string',
  i: 'int',
  l: 'long',
  d: 'double',
  b: 'bool',
  t: 'time',
  D: 'date',
  g: 'guid',
  e: 'enum',
  '>': 'ref',
  '*': 'rows',
  B: 'body',
};

/** `Name:s!250@4.8`: name, kind, required, length (strings) or target/values, first generation. */
function readProp(text: string): Prop {
  const colon = text.indexOf(':');
  const [rest = '', since = '4.3'] = text.slice(colon + 1).split('@');
  const kind = letters[rest[0] ?? ''];
  if (!kind) throw new Error(`schema: ${text}`);
  const required = rest.includes('!');
  const tail = rest.slice(1).replace('!', '').replace('=', '');
  return {
    name: text.slice(0, colon),
    kind,
    target: kind === 'ref' || kind === 'rows' ? tail : '',
    values: kind === 'enum' ? tail.split('|') : [],
    max: kind === 'string' ? (tail === '' ? 250 : tail === 'x' ? Infinity : Number(tail)) : Infinity,
    required,
    since: since as Generation,
  };
}

/** How one installation differs from the base solution of its version (contract A.2, K.16). */
export interface Installation {
  /** Types that a customer layer moved to its own module; their sets keep their names. */
  layer?: { module: string; types: string[] };
  /** Other names of sets, by type: `{ AccountingDocumentBase: 'IAccountingDocumentBases' }`. */
  setNames?: Record<string, string>;
  /** `Waybill`: not used in the integration service, so without a set; `Waybill.ExternalId`: a property less. */
  without?: string[];
}

export function buildModel(generation: Generation, installation: Installation = {}): Model {
  const { layer, setNames = {}, without = [] } = installation;
  const types = new Map<string, Type>();
  const sets = new Map<string, Type>();
  for (const line of schema.trim().split('\n')) {
    const [head = '', ...words] = line.trim().split(/\s+/);
    if (!head || head.startsWith('#')) continue;
    // head: Module.Name<Base/Set@since, a leading ~ marks a type nobody creates directly
    const match = /^(~?)(\w+)\.(\w+)(?:<(\w+))?(?:\/(\w+))?(?:@([\d.]+))?$/.exec(head);
    if (!match) throw new Error(`schema: ${line}`);
    const [, mark, module = '', name = '', base, set = '', since = '4.3'] = match;
    if (!reaches(generation, since as Generation)) continue;
    const parent = base ? types.get(base) : undefined;
    if (base && !parent) throw new Error(`schema: no base of ${name}`);
    const props = new Map<string, Prop>(parent?.props ?? [['Id', readProp('Id:l')]]);
    for (const word of words) {
      const prop = readProp(word);
      if (reaches(generation, prop.since)) props.set(prop.name, prop);
    }
    for (const less of without) if (less.startsWith(`${name}.`)) props.delete(less.slice(name.length + 1));
    const shown = without.includes(name) ? '' : set && (setNames[name] ?? set);
    const type: Type = {
      name,
      module: layer?.types.includes(name) ? layer.module : module,
      set: shown,
      base: base ?? null,
      root: parent?.root ?? name,
      since: since as Generation,
      abstract: mark === '~',
      props,
    };
    types.set(name, type);
    if (shown) sets.set(shown, type);
  }
  const model: Model = {
    generation,
    types,
    sets,
    isA(name, ancestor) {
      for (let at: string | null = name; at; at = types.get(at)?.base ?? null)
        if (at === ancestor) return true;
      return false;
    },
    polymorphic: (type) => [...types.values()].some((other) => other.base === type.name),
    type(name) {
      const type = types.get(name);
      if (!type) throw new Error(`no type ${name}`);
      return type;
    },
  };
  for (const type of types.values())
    for (const prop of [...type.props.values()])
      if (prop.target && !types.has(prop.target))
        throw new Error(`schema: ${type.name}.${prop.name} to ${prop.target}`);
  return model;
}

export const dtoName = (type: Type) =>
  `Sungero.IntegrationService.Models.Generated.${type.module}.I${type.name}Dto`;
