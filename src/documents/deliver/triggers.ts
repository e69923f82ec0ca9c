import { LEASE_MS } from '../../lib/work/leases.ts';
import type { Handler, Outcome } from '../../outbox/handler.ts';
import type { TriggerCode } from '../ports/facts.ts';
import { type DeliverPorts, GIVE_UP_MS, toOutcome } from './sending.ts';

/** A trigger runs inside its request, up to a dozen seconds each (bitrix24.md F9): few go together. */
const TRIGGERS = 8;
/**
 * A trigger is refused for what an administrator can mend: the access of whoever installed the application, the plan, a
 * trigger not registered. It waits for that too, asking seldom.
 */
const REFUSED_MS = 3_600_000;

/** How triggers leave: each item's own one after the other. */
export function triggerHandler({ queue, portals, toItem }: DeliverPorts): Handler {
  return {
    lane: 'trigger',
    queue,
    recipients: portals.keys,
    most: TRIGGERS,
    leaseMs: LEASE_MS.portal,
    giveUpMs: GIVE_UP_MS,
    refusedAgainMs: REFUSED_MS,
    async send(portal, rows) {
      const known = rows.flatMap((row) => {
        const item = toItem(row.itemCode);
        return item ? [{ row, trigger: { code: row.code as TriggerCode, item } }] : [];
      });
      const results = await portals.deals(portal).fireTriggers(known.map(({ trigger }) => trigger));
      const outcomes = new Map(known.map(({ row }, at) => [row, toOutcome(results[at])]));
      return rows.map((row): Outcome => outcomes.get(row) ?? { ok: false, why: 'gone', reason: 'no item' });
    },
  };
}
