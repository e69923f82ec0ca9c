import { bad } from './refusal.ts';
import type { Entity, Store } from './store.ts';

/** System names of relation types (contract D.5). */
export const relationNames = [
  ...['Addendum', 'SupAgreement', 'FinancialDocuments', 'Correspondence', 'Response', 'Correction'],
  ...['Basis', 'Cancel', 'Simple relation'],
];

/** An incoming invoice has its contract in a property of its own (contract B.5). */
const leadingProperty = (entity: Entity) =>
  entity.$type === 'IncomingInvoice' ? 'Contract' : 'LeadingDocument';

function relationOf(store: Store, entity: Entity): string | null {
  if (store.model.isA(entity.$type, 'AccountingDocumentBase')) return 'FinancialDocuments';
  return entity.$type === 'SupAgreement' || entity.$type === 'Addendum' ? entity.$type : null;
}

/**
 * What the card does with its leading document (contract B.5): accounting documents take an empty counterparty and own
 * company from it, and a counterparty that became another one sends a foreign leading document away.
 */
export function followLeading(store: Store, entity: Entity, before: Entity | null): void {
  const name = leadingProperty(entity);
  const leading = store.find('OfficialDocument', entity[name]);
  if (!leading) return;
  if (leading.Id === entity.Id) throw bad('Документ не может быть ведущим для самого себя.');
  const accounting = store.model.isA(entity.$type, 'AccountingDocumentBase');
  if (accounting && before?.[name] !== leading.Id) {
    entity.Counterparty ??= leading.Counterparty ?? null;
    entity.BusinessUnit ??= leading.BusinessUnit ?? null;
  }
  const foreign = entity.Counterparty && leading.Counterparty !== entity.Counterparty;
  if (foreign && before?.Counterparty !== entity.Counterparty) entity[name] = null;
}

const dependents = ['LeadingDocument', 'Contract', 'Contact', 'CounterpartySignatory'];

/** A counterparty applied after them clears what the same body said about its people and documents (contract J.10). */
export function counterpartyLast(fields: Record<string, unknown>, before: Entity | null): void {
  if (!fields['Counterparty'] || fields['Counterparty'] === before?.Counterparty) return;
  for (const name of dependents) if (name in fields) fields[name] = null;
}

/** The relation that Directum makes by itself from the property; one that it made before goes with it. */
export function relateLeading(store: Store, entity: Entity): void {
  const name = relationOf(store, entity);
  const base = entity[leadingProperty(entity)] ?? null;
  if (name === null) return;
  store.relations = store.relations.filter((one) => !(one.byProperty && one.related === entity.Id));
  if (base !== null) store.relate({ name, base, related: entity.Id, byProperty: true });
}
