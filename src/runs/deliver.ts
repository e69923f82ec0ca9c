import type { ItemRef, Log } from '../robot/ports.ts';
import type { DueAnswer, RunStore } from '../store/runs.ts';
import { createLoop } from './loop.ts';

/** A result for a waiting step, opened from its seal. */
export interface StepResult {
  eventToken: string;
  values: Record<string, unknown>;
  log?: string;
}

export type Delivery = 'sent' | 'gone' | 'retry' | { refused: string };

export interface DeliveryPorts {
  runs: RunStore;
  send(memberId: string, answers: StepResult[], priority: 'answer' | 'repeat'): Promise<Delivery[]>;
  comment(memberId: string, item: ItemRef, text: string): Promise<void>;
  parseItem(documentId: readonly [string, string, string]): ItemRef | null;
  /** Portals that can be reached now: paused and removed ones are not. */
  members(): string[];
  decrypt(text: string): string;
  batch: number;
  now: () => Date;
  log: Log;
}

/** Two sendings of one result stand at least 30 s apart (interface.md §3). */
const SECOND_AFTER_MS = 31_000;
/** How long a taken answer is left to its process; a second sending by another is harmless (bitrix24.md D1). */
const LEASE_MS = 30_000;
const RETRY_MS = [5_000, 15_000, 60_000, 300_000];
/** What a portal is told first, and what it is told once more when nothing else is to be told. */
const NUMBERS = [
  [1, 'answer'],
  [2, 'repeat'],
] as const;

/**
 * Sends what is due. Each portal has a line of its own, and one for second sendings: a portal that is slow, or over
 * its budget, holds up no other, and second sendings hold up no first.
 */
export function createDelivery(ports: DeliveryPorts) {
  const flights = new Map<string, Promise<void>>();

  const taking = createLoop(async () => {
    const lines = ports
      .members()
      .flatMap((memberId) => NUMBERS.map(([number]) => ({ memberId, number: number as number })))
      .filter(({ memberId, number }) => !flights.has(`${number}:${memberId}`));
    if (lines.length === 0) return false;
    const due = await ports.runs.takeAnswers(ports.now(), LEASE_MS, ports.batch * 2, lines);
    const groups = Map.groupBy(due, (answer) => `${answer.number}:${answer.memberId}`);
    for (const [line, answers] of groups) {
      const flight = deliver(answers, ports)
        .catch((error) => ports.log.warn('answers.failed', { error, count: answers.length }))
        .finally(() => {
          flights.delete(line);
          taking.wake();
        });
      flights.set(line, flight);
    }
    return false;
  }, ports.log);

  return {
    wake: taking.wake,
    async stop(): Promise<void> {
      await taking.stop();
      await Promise.all(flights.values());
    },
  };
}

async function deliver(answers: DueAnswer[], ports: DeliveryPorts): Promise<void> {
  for (const comment of answers.filter((answer) => answer.kind === 'comment'))
    await settle([comment], [await sendComment(comment, ports)], ports);
  const results = answers.filter((answer) => answer.kind === 'result');
  for (let from = 0; from < results.length; from += ports.batch) {
    const group = results.slice(from, from + ports.batch);
    await settle(group, await sendResults(group, ports), ports);
  }
}

async function sendResults(group: DueAnswer[], ports: DeliveryPorts): Promise<Delivery[]> {
  const opened = group.map((answer) => openResult(answer, ports));
  const sendable = opened.filter((result) => result !== null);
  const [, priority] = NUMBERS.find(([number]) => number === group[0]?.number) ?? NUMBERS[0];
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

/** One that cannot be opened must not hold up the others of its batch. */
function openResult(answer: DueAnswer, ports: DeliveryPorts): StepResult | null {
  try {
    return JSON.parse(ports.decrypt(answer.payload)) as StepResult;
  } catch (error) {
    ports.log.error('answer.not_opened', { error, runId: answer.runId });
    return null;
  }
}

async function sendComment(answer: DueAnswer, ports: DeliveryPorts): Promise<Delivery> {
  const { documentId, text } = JSON.parse(ports.decrypt(answer.payload)) as {
    documentId: [string, string, string];
    text: string;
  };
  const item = ports.parseItem(documentId);
  if (!item) return { refused: 'no such item type' };
  try {
    await ports.comment(answer.memberId, item, text);
    return 'sent';
  } catch (error) {
    ports.log.warn('comment.failed', { error, runId: answer.runId });
    // A comment is a courtesy: after a few tries it is let go.
    return answer.attempts < RETRY_MS.length ? 'retry' : { refused: 'the portal does not take the comment' };
  }
}

async function settle(answers: DueAnswer[], deliveries: Delivery[], ports: DeliveryPorts): Promise<void> {
  const now = ports.now();
  const settled = answers.map((answer, index) => {
    const delivery = deliveries[index] ?? 'retry';
    const wait = RETRY_MS[Math.min(answer.attempts - 1, RETRY_MS.length - 1)] as number;
    if (typeof delivery === 'object')
      ports.log.error('answer.refused', { runId: answer.runId, reason: delivery.refused });
    else ports.log.debug(`answer.${delivery}`, { runId: answer.runId, number: answer.number });
    return {
      id: answer.id,
      state:
        typeof delivery === 'object'
          ? ('refused' as const)
          : delivery === 'retry'
            ? ('due' as const)
            : delivery,
      dueAt: delivery === 'retry' ? new Date(now.getTime() + wait) : now,
      error: typeof delivery === 'object' ? delivery.refused : null,
    };
  });
  await ports.runs.settleAnswers(settled, new Date(now.getTime() + SECOND_AFTER_MS), now);
}
