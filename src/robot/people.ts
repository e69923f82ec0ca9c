import { RobotFailure } from './failure.ts';
import type { DirectumPort, Employee, FieldLabel } from './ports/directum.ts';
import type { ItemSnapshot } from './ports/portal.ts';
import type { RobotSettings, Sourced } from './robot.ts';

/** The employee of a person named in an input. @throws RobotFailure employee_not_found */
export async function namedEmployee(
  userId: number,
  snapshot: Pick<ItemSnapshot, 'users'>,
  directum: Pick<DirectumPort, 'employees'>,
  label: FieldLabel,
): Promise<Employee> {
  const user = snapshot.users.get(userId);
  const employee = user?.email ? await directum.employees.byEmail(user.email) : null;
  if (!employee) throw notFound(user?.name ?? `user_${userId}`, user?.email ?? null, label);
  return employee;
}

/**
 * The responsible person of the item as an employee, else the one of DIRECTUM_RESPONSIBLE (interface.md §3 Values).
 * @throws RobotFailure employee_not_found
 */
export async function responsibleEmployee(
  snapshot: ItemSnapshot,
  directum: DirectumPort,
  settings: RobotSettings,
  label: FieldLabel,
): Promise<Sourced<Employee>> {
  const user =
    snapshot.responsibleUserId === null ? undefined : snapshot.users.get(snapshot.responsibleUserId);
  const own = user?.email ? await directum.employees.byEmail(user.email) : null;
  if (own) return { value: own, from: 'deal' };
  const fallback =
    settings.responsible === null ? null : await directum.employees.byReference(settings.responsible);
  if (!fallback) throw notFound(user?.name ?? '—', user?.email ?? null, label);
  return { value: fallback, from: 'setting' };
}

function notFound(name: string, email: string | null, label: FieldLabel): RobotFailure {
  return new RobotFailure('employee_not_found', {
    ru: `«${label.ru}»: для «${name}» (${email ?? 'без e-mail'}) в Directum нет одного действующего сотрудника с таким e-mail. Укажите этот e-mail в карточке сотрудника Directum.`,
    en: `«${label.en}»: for «${name}» (${email ?? 'no e-mail'}) Directum has no single active employee with that e-mail. Put this e-mail on the employee's card in Directum.`,
  });
}

/** The item has no company or contact to make a contract with. */
export function counterpartyMissing(): RobotFailure {
  return new RobotFailure('counterparty_missing', {
    ru: 'В сделке нет ни компании, ни контакта. Укажите клиента в карточке сделки.',
    en: 'The deal has neither a company nor a contact. Choose the customer in the deal.',
  });
}
