import { XMLParser } from 'fast-xml-parser';
import type { CachePort } from '../robot/ports.ts';
import { isRecord } from './refusal.ts';
import type { Transport } from './transport.ts';

/** What this installation can do, read from `$metadata` (directum.md A.1). */
export interface Capabilities {
  idType: 'Int32' | 'Int64';
  /** Entity set by leaf name of its type (`Contract` → `IContracts`). */
  sets: Record<string, string>;
  /** Properties by leaf name of the type, inherited ones included: simple type or `→Leaf` or `[]`. */
  types: Record<string, Record<string, string>>;
  /** `Module/Function`. */
  functions: string[];
}

const TTL_MS = 24 * 3600 * 1000;
const KEY = 'metadata';

/** `#Sungero…Contracts.IContractDto` → `Contract` (directum.md A.2). */
export function leafOf(typeName: string): string {
  const last = typeName.split('.').pop() ?? '';
  // Module sets have types without the frame (`…Generated.Company`), which are no entities.
  return /^I.+Dto$/.test(last) ? last.slice(1, -3) : typeName;
}

/** Reads CSDL into the few facts that are used. */
export function parseMetadata(xml: string): Capabilities {
  const list = [
    'Schema',
    'EntityType',
    'ComplexType',
    'Property',
    'NavigationProperty',
    'EntitySet',
    'EntityContainer',
    'Action',
    'Function',
    'Parameter',
  ];
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '',
    removeNSPrefix: true,
    isArray: (name) => list.includes(name),
  });
  const edmx = parser.parse(xml)?.Edmx;
  const schemas: Record<string, unknown>[] = edmx?.DataServices?.Schema ?? [];
  if (schemas.length === 0) throw new Error('$metadata holds no schema');

  const own = new Map<string, { base: string | null; properties: Record<string, string> }>();
  const sets: Record<string, string> = {};
  const typeOfSet: Record<string, string> = {};
  const functions = new Set<string>();
  for (const schema of schemas) {
    const namespace = String(schema['Namespace'] ?? '');
    for (const type of rows(schema['EntityType'])) {
      const properties: Record<string, string> = Object.create(null);
      for (const property of rows(type['Property'])) {
        properties[String(property['Name'])] = String(property['Type']).replace(/^Edm\./, '');
      }
      for (const property of rows(type['NavigationProperty'])) {
        const target = String(property['Type']);
        properties[String(property['Name'])] = target.startsWith('Collection(') ? '[]' : `→${leafOf(target)}`;
      }
      const base = type['BaseType'] === undefined ? null : String(type['BaseType']);
      own.set(`${namespace}.${type['Name']}`, { base, properties });
    }
    for (const container of rows(schema['EntityContainer'])) {
      for (const set of rows(container['EntitySet'])) {
        const leaf = leafOf(String(set['EntityType']));
        sets[leaf] ??= String(set['Name']);
        typeOfSet[leaf] ??= String(set['EntityType']);
      }
    }
    for (const kind of ['Action', 'Function']) {
      for (const operation of rows(schema[kind]))
        functions.add(`${namespace.split('.').pop()}/${operation['Name']}`);
    }
  }

  const types: Record<string, Record<string, string>> = {};
  for (const name of own.keys()) {
    const leaf = leafOf(name);
    // A customer's layer repeats a leaf name in its own namespace: the type its set answers with counts.
    if (leaf in types && typeOfSet[leaf] !== name) continue;
    const properties: Record<string, string> = {};
    const seen = new Set<string>();
    for (let at: string | null = name; at !== null && !seen.has(at); at = own.get(at)?.base ?? null) {
      seen.add(at);
      for (const [key, type] of Object.entries(own.get(at)?.properties ?? {})) properties[key] ??= type;
    }
    types[leaf] = properties;
  }
  const id = types['Contract']?.['Id'] ?? types['OfficialDocument']?.['Id'];
  return { idType: id === 'Int32' ? 'Int32' : 'Int64', sets, types, functions: [...functions] };
}

function rows(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : isRecord(value) ? [value] : [];
}

/** Capabilities, read once a day and shared between processes; parsing megabytes blocks, so it is rare. */
export function createMetadata(transport: Transport, cache: CachePort, baseUrl: string) {
  let known: Promise<Capabilities> | null = null;
  let until = 0;
  async function load(): Promise<Capabilities> {
    const key = `${KEY}:${baseUrl}`;
    const kept = await cache.get(key).catch(() => undefined);
    if (isRecord(kept) && isRecord(kept['types'])) return kept as unknown as Capabilities;
    const read = parseMetadata(await transport.text('$metadata', 'application/xml'));
    await cache.set(key, read, TTL_MS).catch(() => undefined);
    return read;
  }
  return {
    get(now: Date): Promise<Capabilities> {
      if (!known || now.getTime() > until) {
        until = now.getTime() + TTL_MS;
        known = load().catch((error) => {
          known = null;
          throw error;
        });
      }
      return known;
    },
  };
}
