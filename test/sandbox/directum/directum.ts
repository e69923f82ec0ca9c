import type { AddressInfo } from 'node:net';
import { Auth } from './auth.ts';
import type { World } from './function-args.ts';
import { type JournalEntry, listen } from './http.ts';
import { counterpartyLast } from './leading.ts';
import { metadata } from './metadata.ts';
import { type Misbehave, Trouble } from './misbehave.ts';
import { buildModel, type Generation, type Installation } from './model.ts';
import { Service } from './odata.ts';
import { Page } from './page.ts';
import { type People, people } from './people.ts';
import { Refusal } from './refusal.ts';
import { seed } from './seed.ts';
import { type Entity, Store } from './store.ts';
import { tasksOf } from './task-documents.ts';
import { Tasks } from './tasks.ts';
import { type Builders, builders } from './test-data.ts';

export type { JournalEntry } from './http.ts';
export type { Rule } from './misbehave.ts';

export interface DirectumOptions {
  port?: number;
  host?: string;
  now?: () => Date;
  login?: string;
  password?: string;
  generation?: Generation;
  installation?: Installation;
  /** Local midnight offset of date-only answers. */
  offset?: string;
  /** Rows above which an unfiltered query of a big set is refused. */
  sizeGuard?: number;
  refuseCounterpartiesSet?: boolean;
  /** The service account is a bare user without an employee. */
  employeeless?: boolean;
  tokenLifetimeMs?: number;
}

export interface Directum extends Builders, People {
  /** http://127.0.0.1:PORT/Integration/odata/ */
  url: string;
  /** http://127.0.0.1:PORT/Client */
  webUrl: string;
  journal: JournalEntry[];
  /** Who the service account is; employee is null when employeeless. */
  caller: { user: number; employee: number | null };
  misbehave: Misbehave;
  stop(): Promise<void>;
}

/** A Directum RX stand in memory, as strict as contract/directum.md says the real one is. */
export async function startDirectum(options: DirectumOptions = {}): Promise<Directum> {
  const now = options.now ?? (() => new Date());
  const login = options.login ?? 'bitrix24';
  const host = options.host ?? '127.0.0.1';
  const offset = options.offset ?? '+03:00';
  const model = buildModel(options.generation ?? '4.11', options.installation);
  const store = new Store(model, now);
  const trouble = new Trouble();
  const cards = new Set<number>();
  const changeable = (entity: Entity) => !trouble.forbid.has(store.typeOf(entity).set);
  const tasks = new Tasks(store, (id) => cards.has(id), changeable);
  const data = builders(store);
  const caller = seed(data.add, data.patch, model, { login, employeeless: options.employeeless ?? false });

  const saving = (entity: Entity) => {
    const open = cards.has(entity.Id) && store.typeOf(entity).root === 'ElectronicDocument';
    if (!open && trouble.locks <= 0) return;
    if (!open) trouble.locks -= 1;
    throw new Refusal(
      400,
      `Карточка «${entity.Name ?? entity.Id}» заблокирована пользователем Петрова Анна. Объект заблокирован.`,
    );
  };
  store.readable = (entity) =>
    ![...trouble.hidden].some(
      ([set, ids]) =>
        model.isA(entity.$type, model.sets.get(set)?.name ?? set) && (ids === null || ids.has(entity.Id)),
    );
  const world: World = { store, tasks, caller, offset, saving, changeable };
  const acting = people(world, cards);
  const journal: JournalEntry[] = [];
  const limits = {
    base: '',
    sizeGuard: options.sizeGuard ?? 20,
    refuseCounterpartiesSet: options.refuseCounterpartiesSet ?? false,
    forbidden: (set: string) => trouble.forbid.has(set),
    writing: () => trouble.refuseWrite(),
    order: (fields: Record<string, unknown>, before: Entity | null) => {
      if (trouble.counterpartyLast) counterpartyLast(fields, before);
    },
  };
  const service = new Service(world, limits);
  const server = await listen(
    {
      auth: new Auth(login, options.password ?? 'secret', now, options.tokenLifetimeMs ?? 3_600_000),
      trouble,
      journal,
      now,
      answer: (ask) => service.answer(ask),
      metadata: () => metadata(model),
      page: new Page(store, { ...acting, tasksOf: (id) => tasksOf(store, id) }),
    },
    host,
    options.port ?? 0,
  );
  const origin = `http://${host}:${(server.address() as AddressInfo).port}`;
  limits.base = `${origin}/Integration/odata/`;
  return {
    ...data,
    ...acting,
    url: limits.base,
    webUrl: `${origin}/Client`,
    journal,
    caller,
    misbehave: trouble,
    stop: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}
