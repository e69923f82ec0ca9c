import { toCode } from '../../lib/text.ts';
import { lostRights } from '../http/errors.ts';
import type { Bulk } from '../odata/bulk.ts';
import type { Metadata } from '../odata/metadata.ts';
import { idOf, textOf } from '../odata/rows.ts';
import { EMPLOYEES, KEEP_EMPLOYEE_MS } from './employees.ts';

const MOST_KEPT = 10_000;

/** E-mails of performers by id; a performer without one, or a role, is absent. */
export type EmailsOf = (ids: readonly number[]) => Promise<Map<number, string>>;

/**
 * A performer is shown as a recipient, which has no e-mail; employees do (directum.md B.3, F.1). So they are asked
 * for separately, through `bulk`, each once in five minutes.
 */
export function createEmails(metadata: Metadata): (bulk: Bulk) => EmailsOf {
  const kept = new Map<number, { email: string | null; until: number }>();

  async function learn(ids: number[], bulk: Bulk): Promise<void> {
    const can = await metadata.capabilities();
    const set = can.set('Employee');
    if (set === null || can.property('Employee', 'Email') === null) return;
    const rows = await bulk.byIds(set, ids, { select: ['Id', 'Email'] });
    // A role is no employee. With lost rights everybody would look like a role, and their tasks would be closed.
    if (rows.length === 0 && (await bulk.canReadAny(set)) === false) throw lostRights(EMPLOYEES);
    const found = new Map(rows.map((row) => [idOf(row), toCode(textOf(row, 'Email') ?? '') || null]));
    if (kept.size + ids.length > MOST_KEPT) kept.clear();
    for (const id of ids)
      kept.set(id, { email: found.get(id) ?? null, until: performance.now() + KEEP_EMPLOYEE_MS });
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
