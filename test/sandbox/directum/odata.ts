import { type Ask, json, queryOf, type Reply, returned } from './ask.ts';
import { answerBody } from './bodies.ts';
import { newDocument } from './document-rules.ts';
import { bodyArgs, literalArgs, type World } from './function-args.ts';
import { available } from './functions.ts';
import { relateLeading } from './leading.ts';
import type { Prop, Type } from './model.ts';
import { type Query, Shaper } from './query.ts';
import { bad, missing, noRights, Refusal } from './refusal.ts';
import { checkRemoval, checkSave, saveChanged } from './saving.ts';
import type { Entity } from './store.ts';
import { addRow, apply, readBody } from './write.ts';

export interface Limits {
  base: string;
  sizeGuard: number;
  refuseCounterpartiesSet: boolean;
  forbidden(set: string): boolean;
  /** Lets the properties of a body vanish that another one of it clears. */
  order(fields: Record<string, unknown>, before: Entity | null): void;
  /** Throws, and counts it, while the stand refuses every write. */
  writing(): void;
}

const guarded = ['ElectronicDocument', 'Task', 'Assignment', 'Notice', 'Counterparty'];

/** Answers one request of the service; all it refuses, it throws. */
export class Service {
  private readonly world: World;
  private readonly limits: Limits;
  private readonly shaper: Shaper;
  private flip = false;

  constructor(world: World, limits: Limits) {
    this.world = world;
    this.limits = limits;
    this.shaper = new Shaper(world.store, world.offset);
  }

  answer(ask: Ask): Reply {
    const [first = '', ...rest] = ask.segments;
    const { model } = this.world.store;
    const fn = available(model.generation).find(
      (one) => one.module === first && one.name === /^\w+/.exec(rest[0] ?? '')?.[0],
    );
    if (ask.verb !== 'GET' || fn?.writes) this.limits.writing();
    if (first === '' && ask.verb === 'GET') return this.serviceDocument();
    const address = /^(\w+)(?:\((.*)\))?$/s.exec(first);
    const type = model.sets.get(address?.[1] ?? '');
    if (type) return this.set(ask, type, address?.[2], rest);
    if (!fn || fn.verb !== ask.verb || rest.length !== 1) throw missing();
    if (fn.verb === 'POST')
      return this.outcome(fn.run(this.world, bodyArgs(fn, ask.body.length ? json(ask) : {})), fn.returns);
    const call = /^\w+\((.*)\)$/s.exec(rest[0] ?? '');
    if (!call) throw missing();
    return this.outcome(fn.run(this.world, literalArgs(fn, call[1] ?? '')), fn.returns);
  }

  private serviceDocument(): Reply {
    const value = [...this.world.store.model.sets.keys()].map((name) => ({
      name,
      kind: 'EntitySet',
      url: name,
    }));
    return { status: 200, json: { '@odata.context': `${this.limits.base}$metadata`, value } };
  }

  private outcome(value: unknown, returns: string | null): Reply {
    if (returns === null) return { status: 204 };
    if (Array.isArray(value) && value.length === 0) {
      this.flip = !this.flip;
      if (this.flip) return { status: 204 };
    }
    const id = this.world.store.model.generation === '4.3' ? 'Edm.Int32' : 'Edm.Int64';
    const edm =
      returns === 'longs'
        ? `Collection(${id})`
        : { long: id, string: 'Edm.String', bool: 'Edm.Boolean' }[returns];
    return { status: 200, json: { '@odata.context': `${this.limits.base}$metadata#${edm}`, value } };
  }

  private set(ask: Ask, type: Type, key: string | undefined, rest: string[]): Reply {
    if (ask.verb !== 'GET' && this.limits.forbidden(type.set)) throw noRights();
    if (key === undefined) {
      if (rest.length === 1 && rest[0] === '$count' && ask.verb === 'GET') return this.countAll(ask, type);
      if (rest.length > 0) throw missing();
      if (ask.verb === 'GET') return this.list(ask, type);
      if (ask.verb === 'POST') return this.create(ask, type);
      throw new Refusal(405, 'Метод не поддерживается.');
    }
    if (!/^-?\d+$/.test(key)) throw bad(`Недопустимый ключ "${key}".`);
    const entity = this.world.store.find(type.name, Number(key));
    if (!entity || !this.world.store.readable(entity)) throw missing();
    if (ask.verb !== 'GET' && !this.world.changeable(entity)) throw noRights();
    if (rest.length > 0) return this.inside(ask, entity, rest);
    const query = queryOf(this.world.store, ask, type);
    if (ask.verb === 'GET') return this.one(type, entity, query);
    if (ask.verb === 'PATCH') return this.change(ask, type, entity, query);
    if (ask.verb === 'DELETE') return this.remove(entity);
    throw new Refusal(405, 'Метод не поддерживается.');
  }

  private one(type: Type, entity: Entity, query: Query, status = 200): Reply {
    const context = `${this.limits.base}$metadata#${type.set}/$entity`;
    return { status, json: { '@odata.context': context, ...this.shaper.shape(type, entity, query) } };
  }

  /** The size guard looks before $top: a big set needs a filter (contract A.5). */
  private candidates(type: Type, query: Query): Entity[] {
    if (type.name === 'Counterparty' && this.limits.refuseCounterpartiesSet)
      throw bad('Запрос к набору ICounterparties не поддерживается.');
    const { store } = this.world;
    const all = store.list(type.name).filter((entity) => store.readable(entity));
    if (query.filter === null && guarded.includes(type.root) && all.length > this.limits.sizeGuard)
      throw bad('Превышено максимальное количество сущностей в запросе. Используйте фильтрацию.');
    return all;
  }

  private list(ask: Ask, type: Type): Reply {
    const query = queryOf(this.world.store, ask, type);
    const { rows, total } = this.shaper.pick(type, this.candidates(type, query), query);
    if (rows.length === 0 && !query.count) return { status: 204 };
    const count = query.count ? { '@odata.count': total } : {};
    const value = rows.map((entity) => this.shaper.shape(type, entity, query));
    return {
      status: 200,
      json: { '@odata.context': `${this.limits.base}$metadata#${type.set}`, ...count, value },
    };
  }

  private countAll(ask: Ask, type: Type): Reply {
    const query = queryOf(this.world.store, ask, type);
    const { total } = this.shaper.pick(type, this.candidates(type, query), query);
    return total === 0 ? { status: 204 } : { status: 200, text: `\uFEFF${total}` };
  }

  private create(ask: Ask, type: Type): Reply {
    const { store, offset, caller } = this.world;
    const query = queryOf(this.world.store, ask, type);
    if (type.abstract || ['Task', 'Assignment', 'Notice'].includes(type.root))
      throw bad(`Создание сущностей "${type.name}" не поддерживается.`);
    const fields = readBody(store, type, json(ask), offset);
    const entity: Entity = { $type: type.name, Id: 0 };
    this.limits.order(fields, null);
    apply(store, entity, fields);
    if (type.props.has('Status')) entity.Status ??= 'Active';
    if (type.root === 'ElectronicDocument') newDocument(store, entity, caller);
    checkSave(this.world, entity, null);
    entity.Id = store.nextId(type.name);
    for (const prop of type.props.values())
      if (prop.kind === 'rows') for (const row of entity[prop.name] ?? []) row.$owner = entity.Id;
    store.put(entity);
    relateLeading(store, entity);
    return returned(ask) === 'minimal' && query.expand.size === 0
      ? { status: 204 }
      : this.one(type, entity, query, 201);
  }

  private change(ask: Ask, type: Type, entity: Entity, query: Query): Reply {
    const { store, offset } = this.world;
    const fields = readBody(store, type, json(ask), offset);
    const steps = ['Task', 'Assignment'].includes(type.root) && ('Status' in fields || 'Result' in fields);
    this.limits.order(fields, entity);
    if (steps) throw bad('Состояние задачи или задания нельзя изменить напрямую.');
    saveChanged(this.world, entity, (copy) => apply(store, copy, fields));
    return returned(ask) === 'representation' || query.expand.size > 0
      ? this.one(type, entity, query)
      : { status: 204 };
  }

  private remove(entity: Entity): Reply {
    const { store } = this.world;
    this.world.saving(entity);
    checkRemoval(store, entity);
    store.delete(entity.$type, entity.Id);
    return { status: 204 };
  }

  /** What stands below one entity: a reference, rows of a collection, a body. */
  private inside(ask: Ask, entity: Entity, path: string[]): Reply {
    const { store } = this.world;
    const [, name = '', key] = /^(\w+)(?:\((-?\d+)\))?$/.exec(path[0] ?? '') ?? [];
    const prop = store.typeOf(entity).props.get(name);
    if (prop?.kind === 'ref' && path.length === 1 && ask.verb === 'GET') {
      const target = store.find(prop.target, store.read(entity, prop));
      const type = store.model.type(prop.target);
      return target ? this.one(type, target, queryOf(this.world.store, ask, type)) : { status: 204 };
    }
    if (prop?.kind !== 'rows') throw missing();
    if (key === undefined) return this.rows(ask, entity, prop, path);
    const row = (entity[name] ?? []).find((one: Entity) => one.Id === Number(key));
    if (!row) throw missing();
    return path.length > 1
      ? answerBody(store, ask, row, path.slice(1), () => json(ask))
      : this.row(ask, entity, prop, row);
  }

  private rows(ask: Ask, entity: Entity, prop: Prop, path: string[]): Reply {
    const { store, offset } = this.world;
    const type = store.model.type(prop.target);
    if (path.length > 1) throw missing();
    if (ask.verb === 'GET') {
      const query = queryOf(this.world.store, ask, type);
      const { rows } = this.shaper.pick(type, store.read(entity, prop), query);
      if (rows.length === 0) return { status: 204 };
      return { status: 200, json: { value: rows.map((row) => this.shaper.shape(type, row, query)) } };
    }
    if (ask.verb === 'DELETE') {
      saveChanged(this.world, entity, (copy) => {
        copy[prop.name] = [];
      });
      return { status: 204 };
    }
    if (ask.verb !== 'POST') throw new Refusal(405, 'Метод не поддерживается.');
    const fields = readBody(store, type, json(ask), offset);
    let row: Entity;
    if (prop.name === 'Versions' && !entity.ExchangeState) {
      // A version goes in past a card lock, properties do not (contract A.10).
      row = addRow(store, entity, prop, { Author: this.world.caller.user, ...fields });
      entity.Modified = store.now().toISOString();
    } else
      saveChanged(this.world, entity, (copy) => {
        row = addRow(store, copy, prop, fields);
      });
    if (returned(ask) !== 'representation') return { status: 204 };
    return { status: 201, json: this.shaper.shape(type, row, queryOf(this.world.store, ask, type)) };
  }

  private row(ask: Ask, entity: Entity, prop: Prop, row: Entity): Reply {
    const { store, offset } = this.world;
    const type = store.model.type(prop.target);
    if (ask.verb === 'GET')
      return { status: 200, json: this.shaper.shape(type, row, queryOf(this.world.store, ask, type)) };
    if (ask.verb === 'DELETE')
      saveChanged(this.world, entity, (copy) => {
        copy[prop.name] = copy[prop.name].filter((one: Entity) => one !== row);
      });
    else if (ask.verb === 'PATCH') {
      const fields = readBody(store, type, json(ask), offset);
      saveChanged(this.world, entity, () => undefined);
      Object.assign(row, fields);
    } else throw new Refusal(405, 'Метод не поддерживается.');
    return { status: 204 };
  }
}
