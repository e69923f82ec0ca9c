import { PROMPT_SECONDS, pauseMs } from '../../lib/work/backoff.ts';
import { LEASE_MS } from '../../lib/work/leases.ts';
import { createLoop } from '../../lib/work/loop.ts';
import type { Log } from '../../robot/ports/log.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { AnswerStore, DueAnswer } from '../../store/runs/answers.ts';

/** A result for a waiting step, opened from its seal. */
export interface StepResult {
  eventToken: string;
  values: Record<string, unknown>;
  log?: string;
}

/** `blockedMs`: the portal takes no answers at all for so long. */
export type Delivery = 'sent' | 'gone' | 'retry' | { blockedMs: number } | { refused: string };

export interface DeliveryPorts {
  answers: AnswerStore;
  send(memberId: string, answers: StepResult[], priority: 'answer' | 'repeat'): Promise<Delivery[]>;
  /** Portals that can be reached now: paused and removed ones are not. */
  members(): string[];
  decrypt(text: string): string;
  batch: number;
  now: () => Date;
  log: Log;
}

/** Two sendings of one result stand at least 30 s apart (interface.md §3). */
const SECOND_AFTER_MS = 31_000;
/** First and second sendings, with the priority of their REST hits. */
const SENDINGS = [
  [1, 'answer'],
  [2, 'repeat'],
] as const;

/**
 * Sends what is due. Each portal has a line of its own, and one for second sendings: a portal that is slow, or over its
 * rate limit, delays no other portal, and second sendings delay no first ones.
 */
export function createDelivery(ports: DeliveryPorts) {
  const underWay = new Map<string, Promise<void>>();
  /** Until when a portal said that it takes no answers, by `performance.now()`. */
  const blocked = new Map<string, number>();
  const isOpen = (memberId: string) => (blocked.get(memberId) ?? 0) <= performance.now();
  const block = (memberId: string, ms: number) => {
    blocked.set(memberId, performance.now() + ms);
    ports.log.warn('answers.blocked', { memberId, ms });
  };

  const taking = createLoop(async () => {
    const lines = ports
      .members()
      .filter(isOpen)
      .flatMap((memberId) => SENDINGS.map(([number]) => ({ memberId, number })))
      .filter(({ memberId, number }) => !underWay.has(`${number}:${memberId}`));
    if (lines.length === 0) return false;
    const due = await ports.answers.take(ports.now(), LEASE_MS.answers, ports.batch, lines);
    const groups = Map.groupBy(due, (answer) => `${answer.number}:${answer.memberId}`);
    for (const [line, answers] of groups) {
      const sending = deliver(answers, ports, block)
        .catch((error) => ports.log.warn('answers.failed', { error, count: answers.length }))
        .finally(() => {
          underWay.delete(line);
          taking.wake();
        });
      underWay.set(line, sending);
    }
    return false;
  }, ports.log);

  return {
    wake: taking.wake,
    async stop(): Promise<void> {
      await taking.stop();
      await Promise.all(underWay.values());
    },
  };
}

async function deliver(
  results: DueAnswer[],
  ports: DeliveryPorts,
  block: (memberId: string, ms: number) => void,
): Promise<void> {
  for (let from = 0; from < results.length; from += ports.batch) {
    const group = results.slice(from, from + ports.batch);
    const deliveries = await sendResults(group, ports);
    await settle(group, deliveries, ports);
    const ms = Math.max(0, ...deliveries.map(toBlock));
    if (ms === 0) continue;
    block(group[0]?.memberId ?? '', ms);
    const rest = results.slice(from + ports.batch);
    const unsent = rest.map(() => ({ blockedMs: ms }));
    return settle(rest, unsent, ports);
  }
}

const toBlock = (delivery: Delivery) =>
  typeof delivery === 'object' && 'blockedMs' in delivery ? delivery.blockedMs : 0;

async function sendResults(group: DueAnswer[], ports: DeliveryPorts): Promise<Delivery[]> {
  const opened = group.map((answer) => openResult(answer, ports));
  const sendable = opened.filter((result) => result !== null);
  const [, priority] = SENDINGS.find(([number]) => number === group[0]?.number) ?? SENDINGS[0];
  let sent: Delivery[];
  try {
    sent = sendable.length === 0 ? [] : await ports.send(group[0]?.memberId ?? '', sendable, priority);
  } catch (error) {
    ports.log.warn('answers.failed', { error, count: sendable.length });
    sent = [];
  }
  let next = 0;
  return opened.map((result) =>
    result === null ? { refused: 'its key is not in SECRET_KEYS any more' } : (sent[next++] ?? 'retry'),
  );
}

/** An answer that cannot be opened must not stop the others of its batch. */
function openResult(answer: DueAnswer, ports: DeliveryPorts): StepResult | null {
  try {
    // Written by attempt.ts.
    return JSON.parse(ports.decrypt(answer.payload)) as StepResult;
  } catch (error) {
    ports.log.error('answer.not_opened', { error, runId: answer.runId });
    return null;
  }
}

/** What becomes of the answer's row. */
function toState(delivery: Delivery): 'sent' | 'gone' | 'due' | 'refused' {
  if (typeof delivery === 'object') return 'refused' in delivery ? 'refused' : 'due';
  return delivery === 'retry' ? 'due' : delivery;
}

async function settle(answers: DueAnswer[], deliveries: Delivery[], ports: DeliveryPorts): Promise<void> {
  const now = ports.now();
  const settled = answers.map((answer, index) => {
    const delivery = deliveries[index] ?? 'retry';
    const wait = pauseMs(answer.attempts, PROMPT_SECONDS);
    const error = typeof delivery === 'object' && 'refused' in delivery ? delivery.refused : null;
    if (error !== null) ports.log.error('answer.refused', { runId: answer.runId, reason: error });
    else ports.log.debug('answer.settled', { runId: answer.runId, number: answer.number, delivery });
    return {
      id: answer.id,
      runId: answer.runId,
      state: toState(delivery),
      dueAt: toState(delivery) === 'due' ? new Date(now.getTime() + (toBlock(delivery) || wait)) : now,
      error,
    };
  });
  await withoutBadRows(
    settled,
    (some) => ports.answers.settle(some, new Date(now.getTime() + SECOND_AFTER_MS), now),
    ({ runId }, error) => ports.log.error('answer.not_settled', { error, runId }),
  );
}
