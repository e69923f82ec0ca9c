import { pauseMs } from '../../lib/work/backoff.ts';
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

/** Writes rows by one call; each row with its result. When the whole call fails, every row is tried again later. */
export async function sendAll<T>(
  rows: readonly T[],
  call: (rows: readonly T[]) => Promise<WriteResult[]>,
  onError: (error: unknown) => void,
): Promise<(readonly [T, WriteResult])[]> {
  let results: WriteResult[] = [];
  try {
    if (rows.length > 0) results = await call(rows);
  } catch (error) {
    onError(error);
  }
  return rows.map((row, at) => [row, results[at] ?? { ok: false, why: 'retry' }]);
}

interface SendingPorts {
  now: () => Date;
  log: Log;
}

/** The unsealed payload of a fact; null where its key is gone, so that the others are told all the same. */
export function openPayload<T>(
  { id, itemCode, payload }: DueFact,
  { seal, log }: { seal: { decrypt(text: string): string }; log: Log },
): T | null {
  try {
    // Of our own making, and only of kinds that have a payload.
    return JSON.parse(seal.decrypt(payload ?? '')) as T;
  } catch (error) {
    log.error('telling.not_opened', { error, id, item: itemCode });
    return null;
  }
}

/** What the outbox keeps of a fact after this result. */
export function settled(fact: DueFact, result: WriteResult, ports: SendingPorts): SettledFact {
  const now = ports.now();
  if (result.ok) {
    ports.log.info('telling.sent', factsOf(fact));
    return { id: fact.id, state: 'sent', dueAt: now, error: null };
  }
  if (result.why === 'gone') return over(fact, 'gone', ports);
  if (result.why === 'retry' && !isTooOld(fact.createdAt, now)) {
    const error = result.unsure ?? 'retry';
    return { id: fact.id, state: 'due', dueAt: toNextTry(fact.attempts, now), error };
  }
  ports.log.error('telling.refused', { ...factsOf(fact), why: result.why });
  return { id: fact.id, state: 'refused', dueAt: now, error: result.why };
}

/** The fact cannot be told: its item or person is not there. */
export function over(fact: DueFact, why: string, ports: SendingPorts): SettledFact {
  ports.log.info('telling.gone', { ...factsOf(fact), why });
  return { id: fact.id, state: 'gone', dueAt: ports.now(), error: why };
}

function factsOf({ itemCode, documentId, code }: DueFact) {
  return { item: itemCode, documentId, code };
}
