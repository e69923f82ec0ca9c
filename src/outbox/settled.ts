import { pauseMs } from '../lib/work/backoff.ts';
import type { Log } from '../robot/ports/log.ts';
import type { DueRow, SettledRow } from '../store/outbox/outbox.ts';
import type { Handler, Outcome } from './handler.ts';

/** What was put aside is tried again so much later. */
const ASIDE_MS = 86_400_000;

/** What the outbox keeps of a row after this outcome, and what the log says of it. */
export function toSettled(
  row: DueRow,
  outcome: NonNullable<Outcome>,
  handler: Handler,
  now: Date,
  log: Log,
): SettledRow {
  const { id, takes } = row;
  const end = (state: 'sent' | 'gone' | 'refused', error: string | null) => ({
    ...{ id, takes, state, error },
    dueAt: now,
  });
  const again = (ms: number, error: string | null) => ({
    ...{ id, takes, state: 'due' as const, error },
    dueAt: new Date(now.getTime() + ms),
  });
  const isTooOld =
    handler.giveUpMs !== undefined && now.getTime() - row.createdAt.getTime() > handler.giveUpMs;
  const facts = factsOf(row);
  if (outcome.ok) {
    // Each run has its lines already.
    log[row.kind === 'answer' ? 'debug' : 'info']('outbox.sent', facts);
    return end('sent', null);
  }
  if (outcome.why === 'blocked') return again(outcome.blockedMs, null);
  if (outcome.why === 'aside') return again(ASIDE_MS, 'put aside');
  if (outcome.why === 'gone') {
    const error = outcome.reason ?? 'gone';
    log[row.kind === 'answer' ? 'debug' : 'info']('outbox.gone', { ...facts, why: error });
    return end('gone', error);
  }
  if (outcome.why === 'retry' && !isTooOld)
    return again(pauseMs(row.attempts, handler.ladder), outcome.unsure ?? 'retry');
  const error = outcome.why === 'refused' ? (outcome.reason ?? 'refused') : outcome.why;
  log.error('outbox.refused', { ...facts, why: error });
  if (outcome.why === 'refused' && handler.refusedAgainMs !== undefined && !isTooOld)
    return again(handler.refusedAgainMs, 'refused');
  return end('refused', error);
}

function factsOf({ kind, lane, itemCode, documentId, code, runId }: DueRow) {
  return runId === null ? { kind, item: itemCode, documentId, code } : { kind, lane, item: itemCode, runId };
}
