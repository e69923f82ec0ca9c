import { PROMPT_SECONDS } from '../../lib/work/backoff.ts';
import { LEASE_MS } from '../../lib/work/leases.ts';
import type { Handler, OpenRow, Outcome } from '../../outbox/handler.ts';
import type { Outbox } from '../../store/outbox/outbox.ts';

/** A result for a waiting step. */
export interface StepResult {
  eventToken: string;
  values: Record<string, unknown>;
  log?: string;
}

/** `blockedMs`: the portal takes no answers at all for so long. */
export type Delivery = 'sent' | 'gone' | 'retry' | { blockedMs: number } | { refused: string };

export interface AnswerPorts {
  /** One whose commits are not waited for: an answer that is sent once more is harmless (bitrix24.md D1). */
  queue: Pick<Outbox, 'take' | 'settle'>;
  send(memberId: string, answers: StepResult[], priority: 'answer' | 'repeat'): Promise<Delivery[]>;
  /** Portals that can be reached now: paused and removed ones are not. */
  members(): string[];
  /** BITRIX24_ANSWER_BATCH. */
  batch: number;
}

/** First and second sendings of answers, with the priority of their REST hits: second ones delay no first ones. */
const SENDINGS = [
  ['first', 'answer'],
  ['second', 'repeat'],
] as const;

/** How answers leave: one batch is taken at a time, so that those that come meanwhile fill the next one. */
export function answerHandlers({ queue, send, members, batch }: AnswerPorts): Handler[] {
  return SENDINGS.map(([lane, priority]) => ({
    lane,
    queue,
    recipients: members,
    most: batch,
    leaseMs: LEASE_MS.answers,
    // A deal stands still for it.
    ladder: PROMPT_SECONDS,
    send: async (memberId, rows) => (await send(memberId, rows.map(toResult), priority)).map(toOutcome),
  }));
}

/** Written by attempt.ts. */
const toResult = ({ content }: OpenRow) => content as StepResult;

function toOutcome(delivery: Delivery): Outcome {
  if (delivery === 'sent') return { ok: true };
  if (delivery === 'gone' || delivery === 'retry') return { ok: false, why: delivery };
  if ('blockedMs' in delivery) return { ok: false, why: 'blocked', blockedMs: delivery.blockedMs };
  return { ok: false, why: 'refused', reason: delivery.refused };
}
