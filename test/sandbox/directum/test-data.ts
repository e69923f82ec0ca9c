import { relateLeading } from './leading.ts';
import type { Prop } from './model.ts';
import type { Entity, Store } from './store.ts';
import { addRow, newBody } from './write.ts';

export interface VersionView {
  id: number;
  number: number;
  size: number;
  extension: string | null;
  bytes: Buffer | null;
  publicBody: Buffer | null;
}

export interface Builders {
  /** Puts an entity past all checks. References as ids or `{ Id }`, bodies as buffers; names starting with `$` stay inside. */
  add(set: string, entity: Record<string, unknown>): number;
  /** A copy: references as `{ Id, Name }`, rows as arrays. */
  get(set: string, id: number): Entity;
  all(set: string): Entity[];
  remove(set: string, id: number): void;
  /**
   * Somebody in Directum changes a card: a contract's dates, stages or life cycle, an assignment's deadline. A normal
   * save, so `Modified` moves unless it is given; rows of a collection are replaced and keep an `Id` they are given.
   */
  patch(set: string, id: number, fields: Record<string, unknown>): void;
  versions(documentId: number): VersionView[];
  /** Relations a document stands in, as base or as the related one. */
  relations(documentId: number): { name: string; base: number; related: number }[];
}

export function builders(store: Store): Builders {
  const typeOf = (set: string) => {
    const type = store.model.sets.get(set);
    if (!type) throw new Error(`sandbox: no set ${set}`);
    return type;
  };
  const must = (set: string, id: number): Entity => {
    const found = store.find(typeOf(set).name, id);
    if (!found) throw new Error(`sandbox: no ${set}(${id})`);
    return found;
  };
  const plain = (prop: Prop, value: Entity): unknown => {
    if (prop.kind === 'ref') return typeof value === 'object' && value !== null ? value.Id : value;
    if (prop.kind === 'body') return Buffer.isBuffer(value) ? newBody(value) : value;
    if (value instanceof Date) return value.toISOString();
    return prop.kind === 'date' && typeof value === 'string' ? value.slice(0, 10) : value;
  };
  const put = (entity: Entity, typeName: string, fields: Record<string, unknown>) => {
    const { props } = store.model.type(typeName);
    for (const [name, value] of Object.entries(fields)) {
      const prop = props.get(name);
      if (!prop && !name.startsWith('$')) throw new Error(`sandbox: ${typeName} has no ${name}`);
      if (prop?.kind !== 'rows') entity[name] = prop ? plain(prop, value) : value;
      else {
        entity[name] = [];
        for (const given of value as Record<string, unknown>[]) {
          const row: Record<string, unknown> = {};
          put(row, prop.target, given);
          addRow(store, entity, prop, row);
        }
      }
    }
  };
  const view = (entity: Entity, deep: boolean): Entity => {
    const out: Entity = {};
    for (const prop of store.typeOf(entity).props.values()) {
      const value = store.read(entity, prop);
      if (prop.kind === 'rows') out[prop.name] = deep ? value.map((row: Entity) => view(row, false)) : [];
      else if (prop.kind === 'ref' && value !== null)
        out[prop.name] = { Id: value, Name: store.find(prop.target, value)?.Name ?? null };
      else if (prop.kind === 'body') out[prop.name] = value?.bytes ?? null;
      else out[prop.name] = value;
    }
    return out;
  };
  return {
    add(set, fields) {
      const type = typeOf(set);
      const now = store.now().toISOString();
      const entity: Entity = { $type: type.name, Id: fields['Id'] ?? store.nextId(type.name) };
      if (type.props.has('Status') && !['Task', 'Assignment'].includes(type.root)) entity.Status = 'Active';
      if (type.props.has('Modified')) Object.assign(entity, { Created: now, Modified: now });
      if (store.model.isA(type.name, 'OfficialDocument'))
        Object.assign(entity, { LifeCycleState: 'Draft', RegistrationState: 'NotRegistered' });
      put(entity, type.name, fields);
      relateLeading(store, store.put(entity));
      return entity.Id;
    },
    get(set, id) {
      const found = store.find(typeOf(set).name, id);
      return found && view(found, true);
    },
    all: (set) => store.list(typeOf(set).name).map((one) => view(one, true)),
    remove: (set, id) => store.delete(typeOf(set).name, must(set, id).Id),
    patch(set, id, fields) {
      const entity = must(set, id);
      put(entity, entity.$type, fields);
      relateLeading(store, entity);
      if (store.typeOf(entity).props.has('Modified') && !('Modified' in fields))
        entity.Modified = store.now().toISOString();
    },
    relations: (documentId) =>
      store.relations
        .filter((one) => one.base === documentId || one.related === documentId)
        .map(({ name, base, related }) => ({ name, base, related })),
    versions: (documentId) =>
      must('IElectronicDocuments', documentId).Versions?.map((one: Entity) => ({
        id: one.Id,
        number: one.Number,
        size: one.Body?.bytes.length ?? 0,
        extension: store.find('AssociatedApplication', one.AssociatedApplication)?.Extension ?? null,
        bytes: one.Body?.bytes ?? null,
        publicBody: one.PublicBody?.bytes ?? null,
      })) ?? [],
  };
}
