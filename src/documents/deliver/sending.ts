import { type Outcome, RETRY } from '../../outbox/handler.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import type { Failures } from '../../store/outbox/kept-failures.ts';
import type { Notices } from '../../store/outbox/notices.ts';
import type { Outbox } from '../../store/outbox/outbox.ts';
import type { ReachablePortals, WriteResult } from '../ports/deal.ts';

/** What the handlers of this room send by. */
export interface DeliverPorts {
  queue: Outbox;
  notices: Notices;
  failures: Failures;
  portals: ReachablePortals;
  /** The item of a code such as `DEAL_915`; null for a code that is none. */
  toItem(code: string): ItemRef | null;
  seal: { encrypt(text: string): string; decrypt(text: string): string };
  now: () => Date;
  log: Log;
}

/**
 * A portal may be away for weeks (an unpaid plan, a dismissed administrator) and come back: its deals then still wait for
 * their triggers. After a month people have moved them by hand, and a late trigger would only disturb.
 */
export const GIVE_UP_MS = 30 * 86_400_000;

/** What a write to a portal comes to in the outbox. */
export function toOutcome(result: WriteResult | undefined): Outcome {
  if (result === undefined) return RETRY;
  if (result.ok) return { ok: true };
  const { why, unsure } = result;
  return why === 'retry' ? { ok: false, why, ...(unsure && { unsure }) } : { ok: false, why };
}
