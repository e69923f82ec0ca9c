import { russianDay } from './dates.ts';
import { checkedKind, defaultKind } from './document-kinds.ts';
import { followLeading } from './leading.ts';
import { invented } from './refusal.ts';
import { autoNumber, checkRegistration } from './registration.ts';
import type { Entity, Store } from './store.ts';

export interface Caller {
  /** The login's user; an Employee unless the stand was told otherwise. */
  user: number;
  employee: number | null;
}

/** What creation logic fills in before the body is looked at twice. */
export function newDocument(store: Store, entity: Entity, caller: Caller): void {
  const { model } = store;
  const now = store.now().toISOString();
  Object.assign(entity, {
    Created: now,
    Modified: now,
    Author: caller.user,
    VersionsLocked: false,
  });
  if (!model.isA(entity.$type, 'OfficialDocument')) return;
  const employee = store.find('Employee', caller.employee);
  const department = store.find('Department', employee?.Department);
  entity.Department ??= department?.Id ?? null;
  entity.BusinessUnit ??= department?.BusinessUnit ?? null;
  entity.PreparedBy ??= employee?.Id ?? null;
  if (model.type(entity.$type).props.has('ResponsibleEmployee'))
    entity.ResponsibleEmployee ??= employee?.Id ?? null;
  entity.DocumentKind ??= defaultKind(store, entity.$type)?.Id ?? null;
  // Creation logic has the last word on the state (contract J.8); PATCH it afterwards.
  entity.LifeCycleState = 'Draft';
  entity.RegistrationState ??= 'NotRegistered';
}

function generatedName(store: Store, entity: Entity, kind: Entity): string {
  const party = store.find('Counterparty', entity.Counterparty);
  const parts = [kind.ShortName || kind.Name];
  // An incoming invoice is known by the number on its paper, the others by the one they were registered under (B.5).
  const paper = entity.$type === 'IncomingInvoice';
  const number = paper ? entity.Number : entity.RegistrationNumber;
  const day = paper ? entity.Date : entity.RegistrationDate;
  if (number) parts.push(`№${number}`);
  if (day) parts.push(`от ${russianDay(day)}`);
  if (party) parts.push(`с ${party.Name}`);
  if (entity.Subject) parts.push(`"${entity.Subject}"`);
  return parts.join(' ').slice(0, 250);
}

/** BeforeSave and the property handlers of official documents (contract B.4, B.5, J). */
export function saveDocument(store: Store, entity: Entity, before: Entity | null, user: number): void {
  const { model } = store;
  if (!model.isA(entity.$type, 'OfficialDocument')) {
    if (!entity.Name) throw invented('Не заполнено обязательное свойство "Имя".');
    return;
  }
  const kind = checkedKind(store, entity, before);
  const registered = before?.RegistrationState === 'Registered';
  if (registered && (before.Department !== entity.Department || before.BusinessUnit !== entity.BusinessUnit))
    throw invented('Нельзя изменить подразделение и нашу организацию зарегистрированного документа.');
  followLeading(store, entity, before);
  if (!before && kind.AutoNumbering === true) autoNumber(store, entity);
  if (!before && (kind.AutoNumbering === true || kind.NumberingType === 'NotNumerable'))
    entity.LifeCycleState = 'Active';
  checkRegistration(store, entity, before, user);
  if (model.type(entity.$type).props.has('TotalAmount')) saveMoney(store, entity, before);
  if (before && before.Counterparty !== entity.Counterparty) clearForeign(store, entity);
  if (model.isA(entity.$type, 'ContractualDocument')) saveContract(store, entity);
  if (entity.Date && entity.PaymentDueDate && entity.PaymentDueDate < entity.Date)
    throw invented('Срок оплаты не может быть раньше даты счёта.');
  if (kind.GenerateDocumentName === true) entity.Name = generatedName(store, entity, kind);
  else if (!entity.Name) throw invented('Не заполнено обязательное свойство "Имя".');
  entity.DocumentDate = entity.RegistrationDate ?? entity.Date ?? entity.Created.slice(0, 10);
  settle(entity);
}

/** Registers, reserves or takes a registration back: the fields are saved as `user` with the checks of any other save. */
export function saveRegistration(store: Store, document: Entity, fields: Entity, user: number): void {
  const next = { ...document, ...fields };
  saveDocument(store, next, document, user);
  Object.assign(document, next, { Modified: store.now().toISOString() });
}

/** A contract comes into force by itself once registered and signed by both sides. */
export function settle(entity: Entity): void {
  const done = entity.InternalApprovalState === 'Signed' && entity.ExternalApprovalState === 'Signed';
  if (done && entity.RegistrationState === 'Registered' && entity.LifeCycleState === 'Draft')
    entity.LifeCycleState = 'Active';
}

function saveMoney(store: Store, entity: Entity, before: Entity | null): void {
  const amount = entity.TotalAmount ?? null;
  // Only a contract's card puts the usual currency beside an amount (contract B.5).
  const contractual = store.model.isA(entity.$type, 'ContractualDocument');
  if (contractual && amount !== null && (before?.TotalAmount ?? null) !== amount)
    entity.Currency ??=
      store.list('Currency').find((one) => one.IsDefault && one.Status === 'Active')?.Id ?? null;
  const rate = store.find('VatRate', entity.VatRate);
  const changed = before?.TotalAmount !== entity.TotalAmount || before?.VatRate !== entity.VatRate;
  if (amount !== null && rate && changed)
    entity.VatAmount = Math.round(((amount * (rate.Rate ?? 0)) / (100 + (rate.Rate ?? 0))) * 100) / 100;
  entity.NetAmount = amount === null ? null : Math.round((amount - (entity.VatAmount ?? 0)) * 100) / 100;
}

function clearForeign(store: Store, entity: Entity): void {
  for (const name of ['Contact', 'CounterpartySignatory'])
    if (store.find('Contact', entity[name])?.Company !== entity.Counterparty) entity[name] = null;
}

function saveContract(store: Store, entity: Entity): void {
  if (entity.ValidFrom && entity.ValidTill && entity.ValidFrom > entity.ValidTill)
    throw invented('Дата «Действует с» не может быть больше даты «Действует по».');
  if ((entity.DaysToFinishWorks ?? 0) < 0)
    throw invented('Количество дней для завершения работ не может быть отрицательным.');
  if (entity.$type !== 'Contract' || (entity.DocumentGroup ?? null) !== null) return;
  const fitting = store
    .list('ContractCategory')
    .filter(
      (one) =>
        one.Status === 'Active' &&
        ((one.DocumentKinds ?? []).length === 0 ||
          one.DocumentKinds.some((row: Entity) => row.DocumentKind === entity.DocumentKind)),
    );
  if (fitting.length === 1) entity.DocumentGroup = fitting[0].Id;
}
