import type { Fn } from './function-args.ts';
import { available } from './functions.ts';
import { dtoName, type Model, type Prop, type Type } from './model.ts';

const generated = 'Sungero.IntegrationService.Models.Generated';

/** `$metadata` of one generation, written from the very model the service answers with. */
export function metadata(model: Model): string {
  const id = model.generation === '4.3' ? 'Edm.Int32' : 'Edm.Int64';
  const modules = new Map<string, Type[]>();
  for (const type of model.types.values())
    modules.set(type.module, [...(modules.get(type.module) ?? []), type]);
  const byModule = new Map<string, Fn[]>();
  for (const fn of available(model.generation))
    byModule.set(fn.module, [...(byModule.get(fn.module) ?? []), fn]);
  const schemas = [...modules].map(
    ([module, types]) =>
      `<Schema Namespace="${generated}.${module}" xmlns="http://docs.oasis-open.org/odata/ns/edm">${types.map((type) => entityType(model, type, id)).join('')}</Schema>`,
  );
  const controllers = [...byModule.keys()].map(
    (name) =>
      `<EntityType Name="${name}"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="${id}" Nullable="false"/></EntityType>`,
  );
  schemas.push(
    `<Schema Namespace="Sungero.IntegrationService.Controllers.Generated" xmlns="http://docs.oasis-open.org/odata/ns/edm">${controllers.join('')}</Schema>`,
  );
  for (const [name, fns] of byModule)
    schemas.push(
      `<Schema Namespace="${name}" xmlns="http://docs.oasis-open.org/odata/ns/edm">${fns.map((fn) => operation(fn, id)).join('')}</Schema>`,
    );
  const sets = [...model.sets].map(
    ([name, type]) => `<EntitySet Name="${name}" EntityType="${dtoName(type)}"/>`,
  );
  for (const name of byModule.keys())
    sets.push(
      `<EntitySet Name="${name}" EntityType="Sungero.IntegrationService.Controllers.Generated.${name}"/>`,
    );
  schemas.push(
    `<Schema Namespace="Sungero.IntegrationService" xmlns="http://docs.oasis-open.org/odata/ns/edm"><EntityContainer Name="Container">${sets.join('')}</EntityContainer></Schema>`,
  );
  return `<?xml version="1.0" encoding="utf-8"?><edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>${schemas.join('')}</edmx:DataServices></edmx:Edmx>`;
}

const edm: Partial<Record<Prop['kind'], string>> = {
  string: 'Edm.String',
  enum: 'Edm.String',
  int: 'Edm.Int32',
  double: 'Edm.Double',
  bool: 'Edm.Boolean',
  time: 'Edm.DateTimeOffset',
  date: 'Edm.DateTimeOffset',
  guid: 'Edm.Guid',
};

function entityType(model: Model, type: Type, id: string): string {
  if (type.name === 'BinaryData')
    return `<EntityType Name="IBinaryDataDto"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Guid" Nullable="false"/><Property Name="Value" Type="Edm.Binary"/></EntityType>`;
  const inherited = type.base ? model.type(type.base).props : new Map<string, Prop>();
  const own = [...type.props.values()].filter((prop) => !inherited.has(prop.name));
  const base = type.base ? ` BaseType="${dtoName(model.type(type.base))}"` : '';
  const key = type.base ? '' : '<Key><PropertyRef Name="Id"/></Key>';
  return `<EntityType Name="I${type.name}Dto"${base}>${key}${own.map((prop) => property(model, prop, id)).join('')}</EntityType>`;
}

function property(model: Model, prop: Prop, id: string): string {
  const to = prop.target ? dtoName(model.type(prop.target)) : '';
  if (prop.kind === 'ref') return `<NavigationProperty Name="${prop.name}" Type="${to}"/>`;
  if (prop.kind === 'rows') return `<NavigationProperty Name="${prop.name}" Type="Collection(${to})"/>`;
  if (prop.kind === 'body')
    return `<NavigationProperty Name="${prop.name}" Type="${dtoName(model.type('BinaryData'))}"/>`;
  // Only Id says it is required; what a save demands cannot be read here (contract A.8).
  return `<Property Name="${prop.name}" Type="${edm[prop.kind] ?? id}"${prop.name === 'Id' ? ' Nullable="false"' : ''}/>`;
}

function operation(fn: Fn, id: string): string {
  const types: Record<string, string> = {
    ...{ long: id, longs: `Collection(${id})`, string: 'Edm.String', guid: 'Edm.Guid' },
    ...{ bool: 'Edm.Boolean', time: 'Edm.DateTimeOffset' },
  };
  const tag = fn.verb === 'GET' ? 'Function' : 'Action';
  const bound = `<Parameter Name="bindingParameter" Type="Collection(Sungero.IntegrationService.Controllers.Generated.${fn.module})"/>`;
  const params = fn.params.map(
    ([name, kind, nullable]) =>
      `<Parameter Name="${name}" Type="${types[kind]}"${nullable || kind === 'string' || kind === 'longs' ? '' : ' Nullable="false"'}/>`,
  );
  const returns = fn.returns ? `<ReturnType Type="${types[fn.returns]}"/>` : '';
  return `<${tag} Name="${fn.name}" IsBound="true">${bound}${params.join('')}${returns}</${tag}>`;
}
