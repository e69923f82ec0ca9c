import { toCode, toVisible } from '../../lib/text.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { DirectumPort, Employee } from '../../robot/ports/directum.ts';
import { lostRights } from '../http/errors.ts';
import type { Bulk } from '../odata/bulk.ts';
import type { DirectumContext } from '../odata/directum-context.ts';
import { allOf, equals, type Filter, sameText } from '../odata/filter.ts';
import type { Metadata } from '../odata/metadata.ts';
import type { Expand } from '../odata/query.ts';
import { idOf, isRow, type Row, refOf, textOf } from '../odata/rows.ts';
import { canReadAny } from '../odata/visibility.ts';
import { toId } from './catalogue.ts';

/** People change departments and e-mails while runs of a day go on. */
const KEEP_MS = 5 * 60_000;

/** The service account itself is one (directum.md 0), so that nobody at all means lost rights. */
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
      // Not every stand takes an expand inside an expand (directum.md A.5): the own company is then asked apart.
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
    return lookups.remember(`employee:${key}`, KEEP_MS, async () => {
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

const MOST = 10_000;

/** E-mails of performers by id; whoever has none, or is a role, is absent. */
export type EmailsOf = (ids: readonly number[]) => Promise<Map<number, string>>;

/**
 * A performer is shown as a recipient, which has no e-mail; employees do (directum.md B.3, F.1). So they are asked
 * for apart, by `bulk`, each once in five minutes.
 */
export function createEmails(ports: { metadata: Metadata }): (bulk: Bulk) => EmailsOf {
  const { metadata } = ports;
  const kept = new Map<number, { email: string | null; until: number }>();

  async function learn(ids: number[], bulk: Bulk): Promise<void> {
    const can = await metadata.capabilities();
    const set = can.set('Employee');
    if (set === null || can.property('Employee', 'Email') === null) return;
    const rows = await bulk.byIds(set, ids, { select: ['Id', 'Email'] });
    // A role is nobody's card, but without the rights everybody would seem to be one, and their tasks would be closed.
    if (rows.length === 0 && (await bulk.canReadAny(set)) === false) throw lostRights(EMPLOYEES);
    const found = new Map(rows.map((row) => [idOf(row), toCode(textOf(row, 'Email') ?? '') || null]));
    if (kept.size + ids.length > MOST) kept.clear();
    for (const id of ids) kept.set(id, { email: found.get(id) ?? null, until: performance.now() + KEEP_MS });
  }

  return (bulk) => async (ids) => {
    const wanted = [...new Set(ids)];
    const stale = wanted.filter((id) => (kept.get(id)?.until ?? 0) <= performance.now());
    if (stale.length > 0) await learn(stale, bulk);
    const emails = new Map<number, string>();
    for (const id of wanted) {
      const email = kept.get(id)?.email;
      if (email) emails.set(id, email);
    }
    return emails;
  };
}
