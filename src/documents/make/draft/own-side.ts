import { type ErrorCode, RobotFailure } from '../../../robot/failure.ts';
import { namedEmployee, responsibleEmployee } from '../../../robot/people.ts';
import type { Employee, FieldLabel, LeadingDocument, Reference } from '../../../robot/ports/directum.ts';
import type { ItemSnapshot } from '../../../robot/ports/portal.ts';
import type { RobotContext, Sourced } from '../../../robot/robot.ts';
import type { DocumentInputs, Making } from '../inputs-outputs.ts';
import type { Has } from '../type-inputs.ts';

/** The responsible employee; null where a card that holds no such person can do without. @throws RobotFailure employee_not_found */
export async function findResponsible(
  { label }: Making,
  { responsible }: DocumentInputs,
  snapshot: ItemSnapshot,
  { directum, settings }: RobotContext,
  has: Has,
): Promise<Sourced<Employee> | null> {
  if (responsible !== undefined)
    return { value: await namedEmployee(responsible, snapshot, directum, label.responsible), from: 'input' };
  const found = responsibleEmployee(snapshot, directum, settings, label.responsible);
  // Directum takes own company and department of its account then.
  return has('ResponsibleEmployee') ? found : orNone(found, 'employee_not_found');
}

/**
 * The input, else that of the leading document, else the own company chosen on the deal by its TIN or, when it has none, by
 * its name, else the setting; null leaves the responsible's.
 */
export async function findOwnCompany(
  { label: { businessUnit: label } }: Making,
  { business_unit: given }: DocumentInputs,
  { snapshot, leading }: { snapshot(): ItemSnapshot; leading(): LeadingDocument | null },
  { directum, settings }: RobotContext,
): Promise<Sourced<Reference> | null> {
  const { catalogue } = directum;
  if (given !== undefined) return { value: await catalogue.businessUnit(given, label), from: 'input' };
  const ofLeading = leading()?.businessUnit;
  if (ofLeading) return { value: ofLeading, from: 'leading' };
  const ofDeal = await chosenCompany(snapshot(), catalogue, label);
  if (ofDeal) return { value: ofDeal, from: 'deal' };
  if (settings.businessUnit === null) return null;
  return { value: await catalogue.businessUnit(settings.businessUnit, label), from: 'setting' };
}

/** The own company chosen on the deal. @throws RobotFailure reference_not_found for a TIN that Directum has not */
async function chosenCompany(
  { ownCompany: own }: ItemSnapshot,
  catalogue: RobotContext['directum']['catalogue'],
  label: FieldLabel,
): Promise<Reference | null> {
  const foreign = own?.foreignId ? await catalogue.businessUnitByTin(own.foreignId, null) : null;
  if (foreign) return foreign;
  if (own?.inn) {
    const found = await catalogue.businessUnitByTin(own.inn, own.kpp);
    if (found) return found;
    const kpp =
      own.kpp === null ? { ru: '', en: '' } : { ru: ` и КПП ${own.kpp}`, en: ` and TRRC ${own.kpp}` };
    throw new RobotFailure('reference_not_found', {
      ru: `«${label.ru}»: в Directum нет действующей организации с ИНН ${own.inn}${kpp.ru} («${own.name ?? '—'}» из сделки). Заведите её в Directum или укажите другую в роботе.`,
      en: `«${label.en}»: Directum has no active own company with TIN ${own.inn}${kpp.en} («${own.name ?? '—'}» of the deal). Make it in Directum or give another in the robot.`,
    });
  }
  return own?.name ? orNone(catalogue.businessUnit(own.name, label), 'reference_not_found') : null;
}

async function orNone<T>(search: Promise<T>, none: ErrorCode): Promise<T | null> {
  try {
    return await search;
  } catch (error) {
    if (error instanceof RobotFailure && error.code === none) return null;
    throw error;
  }
}
