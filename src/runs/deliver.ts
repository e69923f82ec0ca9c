import type { ItemRef, Log } from '../robot/ports.ts';
import type { DueAnswer, RunStore } from '../store/runs.ts';

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
const LEASE_MS = 20_000;
const RETRY_MS = [5_000, 15_000, 60_000, 300_000];

/** Sends what is due, once. Answers how many rows it took, so that the caller goes on while there is more. */
export async function deliverDue(ports: DeliveryPorts): Promise<number> {
  const due = await ports.runs.takeAnswers(ports.now(), LEASE_MS, 200, ports.members());
  const byPortal = Map.groupBy(due, (answer) => answer.memberId);
  await Promise.all([...byPortal].map(([memberId, answers]) => deliverTo(memberId, answers, ports)));
  return due.length;
}

async function deliverTo(memberId: string, answers: DueAnswer[], ports: DeliveryPorts): Promise<void> {
  const comments = answers.filter((answer) => answer.kind === 'comment');
  for (const comment of comments) await settle([comment], [await sendComment(comment, ports)], ports);
  for (const [priority, number] of [
    ['answer', 1],
    ['repeat', 2],
  ] as const) {
    const results = answers.filter((answer) => answer.kind === 'result' && answer.number === number);
    for (let from = 0; from < results.length; from += ports.batch) {
      const group = results.slice(from, from + ports.batch);
      const opened = group.map((answer) => JSON.parse(ports.decrypt(answer.payload)) as StepResult);
      let deliveries: Delivery[];
      try {
        deliveries = await ports.send(memberId, opened, priority);
      } catch (error) {
        ports.log.warn('answers.failed', { error, count: group.length });
        deliveries = group.map(() => 'retry' as const);
      }
      await settle(group, deliveries, ports);
    }
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
