import { toCode } from '../../lib/text.ts';
import { lostRights } from '../http/errors.ts';
import type { Bulk } from '../odata/bulk.ts';
import type { Metadata } from '../odata/metadata.ts';
import { idOf, textOf } from '../odata/rows.ts';
import { EMPLOYEES } from './employees.ts';

/** As long as other facts about people are kept. */
const KEEP_MS = 5 * 60_000;
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
    if (rows.length === 0 && (await bulk.anyShown(set)) === false) throw lostRights(EMPLOYEES);
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
