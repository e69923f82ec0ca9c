import { invented } from './refusal.ts';
import type { Entity, Store } from './store.ts';

/** Type GUIDs of contract chapter I: how a document kind says whose kind it is. */
export const typeGuids = {
  Contract: 'f37c7e63-b134-4446-9b5b-f8811f6c9666',
  SupAgreement: '265f2c57-6a8a-4a15-833b-ca00e8047fa5',
  ContractStatement: 'f2f5774d-5ca3-4725-b31d-ac618f6b8850',
  IncomingInvoice: 'a523a263-bc00-40f9-810d-f582bae2205d',
  OutgoingInvoice: '58ad01fb-6805-426b-9152-4de16d83b258',
  UniversalTransferDocument: '58986e23-2b0a-4082-af37-bd1991bc6f7e',
  Waybill: '4e81f9ca-b95a-4fd4-bf76-ea7176c215a7',
  SimpleDocument: '09584896-81e2-4c83-8f6c-70eb8321e1d0',
  Addendum: '58b9ed35-9c84-46cd-aa79-9b5ef5a82f5d',
};

const guidOf = (typeName: string) => (typeGuids as Record<string, string>)[typeName];

function kindsOf(store: Store, typeName: string): Entity[] {
  return store.list('DocumentKind').filter((kind) => {
    const type = store.find('DocumentType', kind.DocumentType);
    return kind.Status === 'Active' && type?.DocumentTypeGuid.toLowerCase() === guidOf(typeName);
  });
}

/** The kind a new document gets when none was sent: one flagged so and available to the account (contract J.1). */
export function defaultKind(store: Store, typeName: string): Entity | undefined {
  return kindsOf(store, typeName).find((kind) => kind.IsDefault && store.readable(kind));
}

/** The document's kind, which must be an active one of its type unless it was there before. */
export function checkedKind(store: Store, entity: Entity, before: Entity | null): Entity {
  const kind = store.find('DocumentKind', entity.DocumentKind);
  if (!kind) throw invented('Не заполнено обязательное свойство "Вид документа".');
  const foreign = guidOf(entity.$type) && !kindsOf(store, entity.$type).includes(kind);
  if (foreign && before?.DocumentKind !== kind.Id)
    throw invented(`Вид документа "${kind.Name}" не подходит для этого типа документа.`);
  return kind;
}
