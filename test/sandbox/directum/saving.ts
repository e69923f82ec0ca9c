import { saveCounterparty } from './counterparty-rules.ts';
import { saveDocument } from './document-rules.ts';
import type { World } from './function-args.ts';
import { relateLeading } from './leading.ts';
import { bad } from './refusal.ts';
import type { Entity, Store } from './store.ts';
import { checkRequired } from './write.ts';

/** BeforeSave of any entity; `before` is what was saved last. */
export function checkSave({ store, caller }: World, entity: Entity, before: Entity | null): void {
  const { root } = store.typeOf(entity);
  if (root === 'Counterparty') saveCounterparty(entity, before);
  if (root === 'ElectronicDocument') saveDocument(store, entity, before, caller.user);
  if (entity.$type === 'Employee') entity.Name = store.find('Person', entity.Person)?.Name ?? entity.Name;
  checkRequired(store, entity);
}

/** Saves a changed copy, so a refused change leaves nothing behind. */
export function saveChanged(world: World, entity: Entity, change: (copy: Entity) => void): void {
  world.saving(entity);
  const { store } = world;
  const copy: Entity = { ...entity };
  change(copy);
  checkSave(world, copy, entity);
  if (store.typeOf(entity).props.has('Modified')) copy.Modified = store.now().toISOString();
  Object.assign(entity, copy);
  relateLeading(store, entity);
}

/** What others point at, and what an external link still names, stays (contract H.2). */
export function checkRemoval(store: Store, entity: Entity): void {
  const linked = store
    .list('ExternalEntityLink')
    .some((one) => one.EntityId === entity.Id && one.IsDeleted !== true);
  const user = store.pointsAt(entity);
  const kept = ['Counterparty', 'ElectronicDocument'].includes(store.typeOf(entity).root) && linked;
  if (kept || (user && user !== entity))
    throw bad('Сущность используется в других объектах, удаление невозможно.');
}
