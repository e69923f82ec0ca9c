import { bad, invented } from './refusal.ts';
import type { Entity, Store } from './store.ts';

type SettingType = 'Registration' | 'Reservation' | 'Numeration';

/** Empty rows of a setting are no condition. */
function meets(setting: Entity, rows: string, name: string, id: number | null): boolean {
  const given: Entity[] = setting[rows] ?? [];
  return given.length === 0 || given.some((row) => row[name] === id);
}

/** Settings for this kind, own company and department (contract B.6), the one with the highest priority first. */
function fittingSettings(store: Store, type: SettingType, document: Entity): Entity[] {
  const fits = (one: Entity) =>
    one.SettingType === type &&
    one.Status === 'Active' &&
    meets(one, 'DocumentKinds', 'DocumentKind', document.DocumentKind) &&
    meets(one, 'BusinessUnits', 'BusinessUnit', document.BusinessUnit ?? null) &&
    meets(one, 'Departments', 'Department', document.Department ?? null);
  const flow = store.find('DocumentKind', document.DocumentKind)?.DocumentFlow ?? null;
  return store
    .list('RegistrationSetting')
    .filter((one) => fits(one) && (!one.DocumentFlow || !flow || one.DocumentFlow === flow))
    .sort((a, b) => (b.Priority ?? 0) - (a.Priority ?? 0) || a.Id - b.Id);
}

/** Which settings speak for a kind: numerable kinds are numbered, registrable ones registered, the rest neither. */
function settingType(kind: Entity | undefined, reserving = false): SettingType | null {
  if (kind?.NumberingType === 'Numerable') return 'Numeration';
  if (kind?.NumberingType !== 'Registrable') return null;
  return reserving ? 'Reservation' : 'Registration';
}

/**
 * Whether a register is usable for a kind, own company and department: its flow and type fit, and where settings fit, it is
 * the register of one of them.
 */
export function registerFits(store: Store, register: Entity, document: Entity, reserving = false): boolean {
  const kind = store.find('DocumentKind', document.DocumentKind);
  const type = settingType(kind, reserving);
  if (type === null || register.Status !== 'Active') return false;
  if ((register.RegisterType ?? 'Registration') !== (type === 'Numeration' ? 'Numbering' : 'Registration'))
    return false;
  if (kind?.DocumentFlow && register.DocumentFlow && kind.DocumentFlow !== register.DocumentFlow)
    return false;
  const settings = fittingSettings(store, type, document);
  return settings.length === 0 || settings.some((one) => one.DocumentRegister === register.Id);
}

/** The register of the setting that comes first, for who names none. */
export function defaultRegister(store: Store, document: Entity): Entity | undefined {
  const type = settingType(store.find('DocumentKind', document.DocumentKind));
  const [setting] = type === null ? [] : fittingSettings(store, type, document);
  return store.find('DocumentRegister', setting?.DocumentRegister);
}

/** Registers of a registration group are for its members (contract D.5: registration rights of the account). */
function mayRegister(store: Store, register: Entity, user: number): boolean {
  const members = registrars(store, register);
  return members === null || members.includes(user);
}

/** Who may register in it; null = everybody. */
export function registrars(store: Store, register: Entity): number[] | null {
  const group = store.find('RegistrationGroup', register.RegistrationGroup);
  return group ? (group.RecipientLinks ?? []).map((row: Entity) => row.Member) : null;
}

const periodLengths: Record<string, number> = { Year: 4, Month: 7, Day: 10 };

/** Numbers are counted anew in every period and section of a register. */
function series(register: Entity, document: Entity): string {
  const day = String(document.RegistrationDate ?? '').slice(0, 10);
  const quarter = `${day.slice(0, 4)}-Q${Math.ceil(Number(day.slice(5, 7)) / 3)}`;
  const period =
    register.NumberingPeriod === 'Quarter'
      ? quarter
      : day.slice(0, periodLengths[register.NumberingPeriod] ?? 0);
  const section = register.NumberingSection ?? 'NoSection';
  return `${period}/${section === 'NoSection' ? '' : (document[section] ?? '')}`;
}

function inSeries(store: Store, register: Entity, document: Entity): Entity[] {
  const own = series(register, document);
  return store
    .list('OfficialDocument')
    .filter(
      (one) =>
        one.Id !== document.Id && one.DocumentRegister === register.Id && series(register, one) === own,
    );
}

function nextNumber(store: Store, register: Entity, document: Entity): string {
  const used = inSeries(store, register, document).map(
    (one) => one.Index ?? (Number.parseInt(one.RegistrationNumber, 10) || 0),
  );
  document.Index = Math.max(0, ...used) + 1;
  return `${register.Index ?? ''}${String(document.Index).padStart(register.NumberOfDigitsInNumber ?? 1, '0')}`;
}

/** A kind that numbers itself gets its number at the first save (contract D.5). */
export function autoNumber(store: Store, entity: Entity): void {
  const register = defaultRegister(store, entity);
  if (!register)
    throw bad('Для автоматической нумерации документа необходима подходящая настройка нумерации.');
  entity.DocumentRegister = register.Id;
  entity.RegistrationDate ??= store.now().toISOString().slice(0, 10);
  entity.RegistrationNumber ||= nextNumber(store, register, entity);
  entity.RegistrationState = 'Registered';
}

const facts = ['RegistrationState', 'RegistrationNumber', 'RegistrationDate', 'DocumentRegister'];

/** BeforeSave of registration fields, written as properties or by a function alike (contract J.17). */
export function checkRegistration(store: Store, entity: Entity, before: Entity | null, user: number): void {
  if (entity.RegistrationState !== 'Registered' && entity.RegistrationState !== 'Reserved') return;
  if (before && facts.every((name) => (before[name] ?? null) === (entity[name] ?? null))) return;
  const register = store.find('DocumentRegister', entity.DocumentRegister);
  if (!entity.RegistrationDate || !register) throw invented('Укажите дату регистрации и журнал регистрации.');
  if (!registerFits(store, register, entity, entity.RegistrationState === 'Reserved'))
    throw invented(`Журнал «${register.Name}» не подходит для регистрации этого документа.`);
  if (!mayRegister(store, register, user))
    throw invented(`Нет прав на регистрацию документов в журнале «${register.Name}».`);
  entity.RegistrationNumber ||= nextNumber(store, register, entity);
  // Test data may give a register the format of its numbers.
  if (register.$format && !register.$format.test(entity.RegistrationNumber))
    throw invented('Регистрационный номер не соответствует формату номера журнала.');
  const twin = inSeries(store, register, entity).some(
    (one) => one.RegistrationNumber === entity.RegistrationNumber,
  );
  if (twin) throw bad(`В выбранном журнале уже есть документ с номером ${entity.RegistrationNumber}.`);
}
