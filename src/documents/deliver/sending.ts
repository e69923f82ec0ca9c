import { pauseMs } from '../../lib/backoff.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { DueFact, SettledFact } from '../../store/outbox/outbox.ts';
import type { WriteResult } from '../ports/deal.ts';

/**
 * A portal may be away for weeks (an unpaid plan, a dismissed administrator) and come back: its deals then still wait for
 * their triggers. After a month people have moved them by hand, and a late trigger would only disturb.
 */
const GIVE_UP_MS = 30 * 86_400_000;

/**
 * A trigger is refused for what an administrator can mend: the access of whoever installed the application, the plan, a
 * trigger not registered. It waits for that too, asking seldom.
 */
export const REFUSED_TRIGGER_MS = 3_600_000;

/** When the next try is due; `attempts` counts those made. */
export function toNextTry(attempts: number, now: Date): Date {
  return new Date(now.getTime() + pauseMs(attempts));
}

export function isTooOld(createdAt: Date, now: Date): boolean {
  return now.getTime() - createdAt.getTime() > GIVE_UP_MS;
}

/**
 * Results of one call, as many as were asked for. A portal that cannot be reached as a whole costs every one of them a
 * later try.
 */
export async function resultsOf(
  count: number,
  call: () => Promise<WriteResult[]>,
  onError: (error: unknown) => void,
): Promise<WriteResult[]> {
  let results: WriteResult[] = [];
  try {
    results = await call();
  } catch (error) {
    onError(error);
  }
  return Array.from({ length: count }, (_, at) => results[at] ?? { ok: false, why: 'retry' });
}

interface Teller {
  now: () => Date;
  log: Log;
}

/** What is sealed of a telling; null for one whose key is gone: it is told to nobody and takes no other with it. */
export function openPayload<T>(
  { id, itemCode, payload }: DueFact,
  { seal, log }: { seal: { decrypt(text: string): string }; log: Log },
): T | null {
  try {
    return JSON.parse(seal.decrypt(payload as string)) as T;
  } catch (error) {
    log.error('telling.not_opened', { error, id, item: itemCode });
    return null;
  }
}

/** What the ledger keeps of a telling after this result. */
export function settled(telling: DueFact, result: WriteResult, ports: Teller): SettledFact {
  const now = ports.now();
  if (result.ok) {
    ports.log.info('telling.sent', factsOf(telling));
    return { id: telling.id, state: 'sent', dueAt: now, error: null };
  }
  if (result.why === 'gone') return over(telling, 'gone', ports);
  if (result.why === 'retry' && !isTooOld(telling.createdAt, now)) {
    const error = result.unsure ?? 'retry';
    return { id: telling.id, state: 'due', dueAt: toNextTry(telling.attempts, now), error };
  }
  ports.log.error('telling.refused', { ...factsOf(telling), why: result.why });
  return { id: telling.id, state: 'refused', dueAt: now, error: result.why };
}

/** There is nobody or nothing to tell. */
export function over(telling: DueFact, why: string, ports: Teller): SettledFact {
  ports.log.info('telling.gone', { ...factsOf(telling), why });
  return { id: telling.id, state: 'gone', dueAt: ports.now(), error: why };
}

function factsOf({ itemCode, documentId, code }: DueFact) {
  return { item: itemCode, documentId, code };
}
