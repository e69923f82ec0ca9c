import { russianDay } from './dates.ts';
import { bad, invented } from './refusal.ts';
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
    HasRelations: false,
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
  entity.DocumentKind ??= kindsOf(store, entity.$type).find((kind) => kind.IsDefault)?.Id ?? null;
  // Creation logic has the last word on the state (contract J.8); PATCH it afterwards.
  entity.LifeCycleState = 'Draft';
  entity.RegistrationState ??= 'NotRegistered';
}

const kindTypes: Record<string, string> = {
  Contract: 'f37c7e63-b134-4446-9b5b-f8811f6c9666',
  SupAgreement: '265f2c57-6a8a-4a15-833b-ca00e8047fa5',
  ContractStatement: 'f2f5774d-5ca3-4725-b31d-ac618f6b8850',
  SimpleDocument: '09584896-81e2-4c83-8f6c-70eb8321e1d0',
};

export function kindsOf(store: Store, typeName: string): Entity[] {
  return store.list('DocumentKind').filter((kind) => {
    const type = store.find('DocumentType', kind.DocumentType);
    return kind.Status === 'Active' && type?.DocumentTypeGuid === kindTypes[typeName];
  });
}

function generatedName(store: Store, entity: Entity, kind: Entity): string {
  const party = store.find('Counterparty', entity.Counterparty);
  const parts = [kind.ShortName || kind.Name];
  if (entity.RegistrationNumber) parts.push(`№${entity.RegistrationNumber}`);
  if (entity.RegistrationDate) parts.push(`от ${russianDay(entity.RegistrationDate)}`);
  if (party) parts.push(`с ${party.Name}`);
  if (entity.Subject) parts.push(`"${entity.Subject}"`);
  return parts.join(' ').slice(0, 250);
}

function autoNumber(store: Store, entity: Entity, kind: Entity): void {
  const setting = store
    .list('RegistrationSetting')
    .find((one) => one.SettingType === 'Numeration' && one.Status === 'Active' && links(one, kind.Id));
  if (!setting)
    throw bad('Для автоматической нумерации документа необходима подходящая настройка нумерации.');
  entity.DocumentRegister = setting.DocumentRegister;
  entity.RegistrationDate ??= store.now().toISOString().slice(0, 10);
  entity.RegistrationNumber ??= nextNumber(store, setting.DocumentRegister);
  entity.RegistrationState = 'Registered';
}

const links = (owner: Entity, kindId: number) =>
  (owner.DocumentKinds ?? []).some((row: Entity) => row.DocumentKind === kindId);

export function nextNumber(store: Store, registerId: number): string {
  const used = store.list('OfficialDocument').filter((one) => one.DocumentRegister === registerId);
  return String(Math.max(0, ...used.map((one) => Number.parseInt(one.RegistrationNumber, 10) || 0)) + 1);
}

export function checkRegistration(store: Store, entity: Entity): void {
  if (entity.RegistrationState !== 'Registered' && entity.RegistrationState !== 'Reserved') return;
  if (!entity.RegistrationDate || !entity.DocumentRegister)
    throw invented('Укажите дату регистрации и журнал регистрации.');
  entity.RegistrationNumber ||= nextNumber(store, entity.DocumentRegister);
  const twin = store
    .list('OfficialDocument')
    .find(
      (one) =>
        one.Id !== entity.Id &&
        one.DocumentRegister === entity.DocumentRegister &&
        one.RegistrationNumber === entity.RegistrationNumber,
    );
  if (twin) throw bad(`В выбранном журнале уже есть документ с номером ${entity.RegistrationNumber}.`);
}

/** BeforeSave and the property handlers of official documents (contract B.4, B.5, J). */
export function saveDocument(store: Store, entity: Entity, before: Entity | null): void {
  const { model } = store;
  if (!model.isA(entity.$type, 'OfficialDocument')) {
    if (!entity.Name) throw invented('Не заполнено обязательное свойство "Имя".');
    return;
  }
  const kind = store.find('DocumentKind', entity.DocumentKind);
  if (!kind) throw invented('Не заполнено обязательное свойство "Вид документа".');
  if (
    kindTypes[entity.$type] &&
    !kindsOf(store, entity.$type).includes(kind) &&
    before?.DocumentKind !== kind.Id
  )
    throw invented(`Вид документа "${kind.Name}" не подходит для этого типа документа.`);
  const registered = before?.RegistrationState === 'Registered';
  if (registered && (before.Department !== entity.Department || before.BusinessUnit !== entity.BusinessUnit))
    throw invented('Нельзя изменить подразделение и нашу организацию зарегистрированного документа.');
  if (!before && kind.AutoNumbering === true) autoNumber(store, entity, kind);
  if (!before && (kind.AutoNumbering === true || kind.NumberingType === 'NotNumerable'))
    entity.LifeCycleState = 'Active';
  checkRegistration(store, entity);
  if (model.type(entity.$type).props.has('TotalAmount')) saveMoney(store, entity, before);
  if (before && before.Counterparty !== entity.Counterparty) clearForeign(store, entity);
  if (model.isA(entity.$type, 'ContractualDocument')) saveContract(store, entity);
  if (kind.GenerateDocumentName === true) entity.Name = generatedName(store, entity, kind);
  else if (!entity.Name) throw invented('Не заполнено обязательное свойство "Имя".');
  entity.DocumentDate = entity.RegistrationDate ?? entity.Date ?? entity.Created.slice(0, 10);
  settle(entity);
}

/** A contract comes into force by itself once registered and signed by both sides. */
export function settle(entity: Entity): void {
  const done = entity.InternalApprovalState === 'Signed' && entity.ExternalApprovalState === 'Signed';
  if (done && entity.RegistrationState === 'Registered' && entity.LifeCycleState === 'Draft')
    entity.LifeCycleState = 'Active';
}

function saveMoney(store: Store, entity: Entity, before: Entity | null): void {
  const amount = entity.TotalAmount ?? null;
  if (amount !== null && (before?.TotalAmount ?? null) !== amount)
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
  const leading = store.find('OfficialDocument', entity.LeadingDocument);
  if (leading && leading.Counterparty !== entity.Counterparty) entity.LeadingDocument = null;
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
        ((one.DocumentKinds ?? []).length === 0 || links(one, entity.DocumentKind)),
    );
  if (fitting.length === 1) entity.DocumentGroup = fitting[0].Id;
}
