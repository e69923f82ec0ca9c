import { toCode, toVisible } from '../../lib/text.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { DirectumPort, Employee } from '../../robot/ports/directum.ts';
import { lostRights } from '../http/errors.ts';
import { allOf, equals, type Filter, sameText } from '../odata/filter.ts';
import type { DirectumContext } from '../odata/lookup-cache.ts';
import type { Expand } from '../odata/query.ts';
import { idOf, isRow, type Row, refOf, textOf } from '../odata/rows.ts';
import { canReadAny } from '../odata/visibility.ts';
import { toId } from './records.ts';

/** Short, because people change departments and e-mails on a working day. */
export const KEEP_EMPLOYEE_MS = 5 * 60_000;

/** The service account itself is an employee (directum.md 0), so when none can be read the rights are lost. */
export const EMPLOYEES = { ru: 'сотрудников', en: 'employees' };

const WITH_UNIT = { Department: { select: ['Id'], expand: { BusinessUnit: { select: ['Id'] } } } };
const WITH_DEPARTMENT = { Department: { select: ['Id'] } };

/** Employees of Directum by e-mail, id or name (directum.md B.3): active ones, kept 5 minutes. */
export function createEmployees({ reader, metadata, lookups }: DirectumContext): DirectumPort['employees'] {
  async function rows(filter: Filter): Promise<Row[]> {
    const set = (await metadata.capabilities()).need('Employee');
    const ask = (expand: Expand) =>
      reader.all(set, {
        filter: allOf(filter, equals('Status', 'Active')),
        select: ['Id', 'Name', 'Email'],
        expand,
      });
    try {
      return await ask(WITH_UNIT);
    } catch (error) {
      // Not every installation takes an expand inside an expand (directum.md A.5): the own company is then asked separately.
      if (!(error instanceof RobotFailure) || error.code !== 'directum_refused') throw error;
      return ask(WITH_DEPARTMENT);
    }
  }

  async function toEmployee(row: Row): Promise<Employee> {
    const departmentId = refOf(row, 'Department');
    return {
      id: idOf(row),
      name: textOf(row, 'Name') ?? '',
      email: textOf(row, 'Email'),
      departmentId,
      businessUnitId: await unitOf(row['Department'], departmentId),
    };
  }

  async function unitOf(department: unknown, departmentId: number | null): Promise<number | null> {
    if (departmentId === null) return null;
    if (isRow(department) && 'BusinessUnit' in department) return refOf(department, 'BusinessUnit');
    const set = (await metadata.capabilities()).need('Department');
    const row = await reader.one(set, departmentId, {
      select: ['Id'],
      expand: { BusinessUnit: { select: ['Id'] } },
    });
    return row && refOf(row, 'BusinessUnit');
  }

  function find(key: string, filter: Filter, fits: (row: Row) => boolean): Promise<Employee | null> {
    return lookups.remember(`employee:${key}`, KEEP_EMPLOYEE_MS, async () => {
      const found = (await rows(filter)).filter(fits);
      const set = (await metadata.capabilities()).need('Employee');
      if (found.length === 0 && (await canReadAny(reader, set)) === false) throw lostRights(EMPLOYEES);
      const [only, ...others] = found;
      return only && others.length === 0 ? toEmployee(only) : null;
    });
  }

  function byEmail(email: string): Promise<Employee | null> {
    const wanted = toCode(email).toLowerCase();
    if (wanted === '') return Promise.resolve(null);
    return find(
      wanted,
      sameText('Email', wanted),
      (row) => toCode(textOf(row, 'Email') ?? '').toLowerCase() === wanted,
    );
  }

  return {
    byEmail,
    byReference(reference) {
      const wanted = toVisible(reference);
      const id = toId(wanted);
      if (id !== null) return find(String(id), equals('Id', id), () => true);
      if (wanted.includes('@')) return byEmail(wanted);
      const name = wanted.toLowerCase();
      return find(name, sameText('Name', wanted), (row) => textOf(row, 'Name')?.toLowerCase() === name);
    },
  };
}
