import { XMLParser } from 'fast-xml-parser';
import type { Log } from '../../robot/ports/log.ts';
import { badAnswer, notExposed } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import type { CachePort } from './lookup-cache.ts';

const DAY_MS = 24 * 3_600_000;

/** Own properties of a type: simple ones by EDM type (`String`), references as `>Leaf`, collections as `*Leaf`. */
interface TypeModel {
  base: string | null;
  properties: Record<string, string>;
}

/** What is kept of `$metadata`: small, and nothing that JSON cannot hold. */
interface MetadataModel {
  /** Entity type (`Contracts.IContractDto` shortened to its leaf `Contract`) by set. */
  sets: Record<string, string>;
  types: Record<string, TypeModel>;
  /** Module functions and actions: `Docflow/StartTask`. */
  operations: string[];
}

/** What this installation can do, asked of `$metadata` once a day (directum.md A.1). */
export interface Capabilities {
  /** Set of an entity by its leaf name (`Contract` → `IContracts`); null when not exposed. */
  set(leaf: string): string | null;
  /** @throws RobotFailure directum_refused when the installation does not expose the type */
  need(leaf: string): string;
  /** EDM type of a property (`String`, `>Counterparty`, `*ContractMilestones`), inherited ones too. */
  property(leaf: string, name: string): string | null;
  /** Those of `names` the type has. */
  having(leaf: string, names: readonly string[]): string[];
  /** Module functions and actions: `Docflow/CreateVersionFromTemplate`. */
  has(operation: string): boolean;
  /** Whether ids are Int64 (since 4.7) rather than Int32. */
  wideIds: boolean;
  /** Whether a number can be an id here: a greater one than the installation's type of ids is refused, not looked for. */
  isId(id: number): boolean;
}

export interface Metadata {
  /** One reading in process at a time; `notOlderThanMs` asks again when what is known is older. */
  capabilities(notOlderThanMs?: number): Promise<Capabilities>;
}

/** Reads and keeps `$metadata` (1 to 2 MB, so parsed once and kept compact for 24 h). */
export function createMetadata(options: {
  transport: Transport;
  cache: CachePort;
  cacheKey: string;
  now: () => Date;
  log: Log;
}): Metadata {
  const { transport, cache, cacheKey, now, log } = options;
  let known: { at: number; capabilities: Capabilities } | null = null;
  let pending: Promise<Capabilities> | null = null;

  async function load(notOlderThanMs: number): Promise<Capabilities> {
    // Only this function writes under the key.
    const kept = (await cache.get(cacheKey)) as { at: number; model: MetadataModel } | undefined;
    const ageMs = now().getTime() - Number(kept?.at);
    // A negative age: it was kept before the wall clock was set back.
    if (kept?.model?.sets && ageMs >= 0 && ageMs < notOlderThanMs) return remember(ageMs, kept.model);
    const model = parseMetadata(await transport.getText('$metadata', 'application/xml'));
    await cache.set(cacheKey, { at: now().getTime(), model }, DAY_MS);
    log.info('metadata.read', { sets: Object.keys(model.sets).length });
    return remember(0, model);
  }

  function remember(ageMs: number, model: MetadataModel): Capabilities {
    known = { at: performance.now() - ageMs, capabilities: toCapabilities(model) };
    return known.capabilities;
  }

  return {
    async capabilities(notOlderThanMs = DAY_MS) {
      if (known && performance.now() - known.at < notOlderThanMs) return known.capabilities;
      pending ??= load(notOlderThanMs).finally(() => {
        pending = null;
      });
      return pending;
    },
  };
}

/** Elements that the parser always gives as lists. */
const LISTS = new Set([
  'Schema',
  'EntityType',
  'ComplexType',
  'Property',
  'NavigationProperty',
  'EntitySet',
  'Action',
  'Function',
]);

type Xml = Record<string, unknown>;

/** CSDL to the compact model. @throws RobotFailure directum_unavailable when it is not CSDL */
export function parseMetadata(xml: string): MetadataModel {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '',
    removeNSPrefix: true,
    processEntities: false,
    parseTagValue: false,
    isArray: (name) => LISTS.has(name),
  });
  let root: unknown;
  try {
    root = parser.parse(xml);
  } catch {
    throw badAnswer('no CSDL');
  }
  const services = child(child(root, 'Edmx'), 'DataServices');
  const model: MetadataModel = { sets: bare(), types: bare(), operations: [] };
  for (const schema of children(services, 'Schema')) {
    for (const type of [...children(schema, 'EntityType'), ...children(schema, 'ComplexType')])
      addType(model, type);
    for (const kind of ['Action', 'Function']) {
      for (const operation of children(schema, kind))
        model.operations.push(`${schema['Namespace']}/${operation['Name']}`);
    }
    for (const set of children(child(schema, 'EntityContainer'), 'EntitySet')) {
      model.sets[String(set['Name'])] = leafOf(String(set['EntityType']));
    }
  }
  if (Object.keys(model.sets).length === 0) throw badAnswer('no entity sets');
  return model;
}

function addType(model: MetadataModel, type: Xml): void {
  const leaf = leafOf(String(type['Name']));
  const base = type['BaseType'] === undefined ? null : leafOf(String(type['BaseType']));
  const properties = bare<string>();
  for (const one of children(type, 'Property')) {
    properties[String(one['Name'])] = String(one['Type']).replace(/^Edm\./, '');
  }
  for (const one of children(type, 'NavigationProperty')) {
    const of = String(one['Type']);
    const inner = /^Collection\((.*)\)$/.exec(of)?.[1];
    properties[String(one['Name'])] = inner === undefined ? `>${leafOf(of)}` : `*${leafOf(inner)}`;
  }
  const other = model.types[leaf];
  // Layers and modules may repeat a leaf name: the card has what any of them has.
  model.types[leaf] = other
    ? {
        base: other.base ?? (base === leaf ? null : base),
        properties: Object.assign(other.properties, properties),
      }
    : { base: base === leaf ? null : base, properties };
}

/** `Sungero.…Contracts.IContractDto` → `Contract` (directum.md A.2: customers' layers move the namespace). */
export function leafOf(type: string): string {
  return (type.split('.').at(-1) ?? type).replace(/^I(?=[A-Z])/, '').replace(/Dto$/, '');
}

function isXml(value: unknown): value is Xml {
  return typeof value === 'object' && value !== null;
}

/** The element of this name; an empty one where there is none. */
function child(parent: unknown, name: string): Xml {
  const found = isXml(parent) ? parent[name] : undefined;
  return isXml(found) ? found : {};
}

/** Elements of one of the names in `LISTS`. */
function children(parent: Xml, name: string): Xml[] {
  const found = parent[name];
  return Array.isArray(found) ? found.filter(isXml) : [];
}

/** A record without inherited names: a type or property may be called `constructor`. */
function bare<T>(): Record<string, T> {
  const record: Record<string, T> = Object.create(null);
  return record;
}

const USUAL_SET: Record<string, string> = {
  Company: 'ICompanies',
  Person: 'IPersons',
  ContractCategory: 'IContractCategories',
};

function toCapabilities(model: MetadataModel): Capabilities {
  const own = <T>(record: Record<string, T>, key: string): T | undefined =>
    Object.hasOwn(record, key) ? record[key] : undefined;
  const byLeaf = new Map<string, string>();
  for (const [set, leaf] of Object.entries(model.sets)) {
    const usual = USUAL_SET[leaf] ?? `I${leaf}s`;
    if (!byLeaf.has(leaf) || set === usual) byLeaf.set(leaf, set);
  }
  function property(leaf: string, name: string): string | null {
    const seen = new Set<string>();
    for (let at: string | null = leaf; at !== null && !seen.has(at); ) {
      seen.add(at);
      const type: TypeModel | undefined = own(model.types, at);
      const found = type && own(type.properties, name);
      if (found !== undefined) return found;
      at = type?.base ?? null;
    }
    return null;
  }
  const operations = new Set(model.operations);
  const wideIds = property('Contract', 'Id') !== 'Int32';
  return {
    set: (leaf) => byLeaf.get(leaf) ?? null,
    need(leaf) {
      const set = byLeaf.get(leaf);
      if (set === undefined) throw notExposed(USUAL_SET[leaf] ?? `I${leaf}s`);
      return set;
    },
    property,
    having: (leaf, names) => names.filter((name) => property(leaf, name) !== null),
    has: (operation) => operations.has(operation),
    wideIds,
    isId: (id) => wideIds || id < 2 ** 31,
  };
}
