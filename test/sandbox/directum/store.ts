import type { Model, Prop, Type } from './model.ts';

// Entities are whatever the schema says; naming each shape would repeat it.
// biome-ignore lint/suspicious/noExplicitAny: shapes live in schema.ts
export type Entity = any;

const firstIds: Record<string, number> = {
  ElectronicDocument: 5001,
  Task: 7001,
  Assignment: 9001,
  Counterparty: 42,
  ElectronicDocumentVersions: 801,
  Recipient: 30,
};

/** One relation of two documents; `byProperty` was made from a leading document and goes with it. */
interface Relation {
  name: string;
  base: number;
  related: number;
  byProperty: boolean;
}

/** Everything Directum remembers. A reference is kept as an id, rows as arrays, `$type` names the final type. */
export class Store {
  readonly model: Model;
  readonly now: () => Date;
  /** Whether the service account may read an entity; the stand puts its rights here. */
  readable: (entity: Entity) => boolean = () => true;
  relations: Relation[] = [];
  private readonly tables = new Map<string, Map<number, Entity>>();
  private readonly counters = new Map<string, number>();

  constructor(model: Model, now: () => Date) {
    this.model = model;
    this.now = now;
  }

  /** Different families count on their own, so a document and a task may well share an id. */
  nextId(typeName: string): number {
    const { root } = this.model.type(typeName);
    let id = this.counters.get(root) ?? firstIds[root] ?? 1;
    while (this.tables.get(root)?.has(id)) id += 1;
    this.counters.set(root, id + 1);
    return id;
  }

  private table(typeName: string): Map<number, Entity> {
    const { root } = this.model.type(typeName);
    let table = this.tables.get(root);
    if (!table) {
      table = new Map();
      this.tables.set(root, table);
    }
    return table;
  }

  put(entity: Entity): Entity {
    this.table(entity.$type).set(entity.Id, entity);
    return entity;
  }

  find(typeName: string, id: number | null | undefined): Entity | undefined {
    if (id === null || id === undefined) return undefined;
    const found = this.table(typeName).get(id);
    return found && this.model.isA(found.$type, typeName) ? found : undefined;
  }

  list(typeName: string): Entity[] {
    return [...this.table(typeName).values()].filter((one) => this.model.isA(one.$type, typeName));
  }

  delete(typeName: string, id: number): void {
    this.table(typeName).delete(id);
    if (this.model.type(typeName).root === 'ElectronicDocument')
      this.relations = this.relations.filter((one) => one.base !== id && one.related !== id);
  }

  relate(relation: Relation): void {
    const same = (one: Relation) =>
      one.name === relation.name && one.base === relation.base && one.related === relation.related;
    if (!this.relations.some(same)) this.relations.push(relation);
  }

  /** The value as the outside sees it; a few properties are computed and never stored. */
  read(entity: Entity, prop: Prop): Entity {
    if (prop.kind === 'rows') return entity[prop.name] ?? [];
    const versions: Entity[] = entity.Versions ?? [];
    const last = lastVersion(entity);
    if (prop.name === 'LastVersionApproved') return last?.$signed === true;
    if (prop.name === 'LastVersionSignatureType') return last?.$signed ? 1 : null;
    if (prop.name === 'HasRelations')
      return this.relations.some((one) => one.base === entity.Id || one.related === entity.Id);
    if (prop.name === 'HasVersions') return versions.length > 0;
    if (prop.name === 'HasPublicBody') return Boolean(last?.PublicBody);
    if (prop.name === 'ElectronicDocument') return entity.$owner ?? null;
    return entity[prop.name] ?? null;
  }

  typeOf(entity: Entity): Type {
    return this.model.type(entity.$type);
  }

  /** Who points at this entity, for refusing its deletion. */
  pointsAt(target: Entity): Entity | undefined {
    const root = this.typeOf(target).root;
    for (const table of this.tables.values())
      for (const entity of table.values())
        for (const prop of this.typeOf(entity).props.values())
          if (
            prop.kind === 'ref' &&
            entity[prop.name] === target.Id &&
            this.model.type(prop.target).root === root
          )
            return entity;
    return undefined;
  }
}

export function lastVersion(document: Entity): Entity | undefined {
  const versions: Entity[] = (document.Versions ?? []).filter((one: Entity) => one.IsHidden !== true);
  return versions.reduce((best: Entity, one) => (!best || one.Number > best.Number ? one : best), undefined);
}
