import type { CachePort, Employee } from '../robot/ports.ts';
import { toReference } from './catalogue.ts';
import { sameText, toQuery } from './query.ts';
import { isRecord } from './refusal.ts';
import type { Transport } from './transport.ts';

const TTL_MS = 10 * 60 * 1000;

/** Employees by what a portal knows of a person (directum.md B.3: e-mail is the join key). */
export function createEmployees(transport: Transport, cache: CachePort, baseUrl: string) {
  async function one(match: string): Promise<Employee | null> {
    const filter = `${match} and Status eq 'Active'`;
    const key = `employee:${baseUrl}:${filter}`;
    const kept = await cache.get(key);
    if (isRecord(kept)) return kept as unknown as Employee;
    const rows = await transport.rows(
      `IEmployees${toQuery({ filter, select: ['Id', 'Name', 'Email'], expand: 'Department($select=Id;$expand=BusinessUnit($select=Id))', top: 2 })}`,
    );
    if (rows.length !== 1) return null;
    const employee = toEmployee(rows[0] as Record<string, unknown>);
    await cache.set(key, employee, TTL_MS);
    return employee;
  }

  const byEmail = (email: string) => one(sameText('Email', email.trim()));
  return {
    byEmail,
    async byReference(given: string): Promise<Employee | null> {
      if (/^\d{1,15}$/.test(given)) return one(`Id eq ${given}`);
      return given.includes('@') ? byEmail(given) : one(sameText('Name', given));
    },
  };
}

function toEmployee(row: Record<string, unknown>): Employee {
  const department = isRecord(row['Department']) ? row['Department'] : null;
  const unit = isRecord(department?.['BusinessUnit']) ? department['BusinessUnit'] : null;
  return {
    ...toReference(row),
    email: typeof row['Email'] === 'string' ? row['Email'] : null,
    departmentId: department ? Number(department['Id']) : null,
    businessUnitId: unit ? Number(unit['Id']) : null,
  };
}
