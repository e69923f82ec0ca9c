import { expect, it, vi } from 'vitest';
import { createDelivery, type Delivery, type StepResult } from '../../src/runs/deliver.ts';
import type { DueAnswer, RunStore } from '../../src/store/runs.ts';
import { quietLog } from '../directum/stand.ts';

const answer = (memberId: string, number: number, name: string): DueAnswer => ({
  id: name,
  runId: name,
  memberId,
  kind: 'result',
  number,
  payload: JSON.stringify({ eventToken: name, values: {} }),
  dueAt: new Date(0),
  attempts: 1,
});

/** Delivery over answers in memory; `send` decides what becomes of them. */
function deliveryOf(
  due: DueAnswer[],
  send: (memberId: string, answers: StepResult[]) => Promise<Delivery[]>,
) {
  const settled: Record<string, string> = {};
  const runs = {
    async takeAnswers(_now, _lease, limit, lines) {
      return lines.flatMap(({ memberId, number }) => {
        const own = due.filter((one) => one.memberId === memberId && one.number === number).slice(0, limit);
        for (const one of own) due.splice(due.indexOf(one), 1);
        return own;
      });
    },
    async settleAnswers(fates) {
      for (const { id, state } of fates) settled[id] = state;
    },
  } as Partial<RunStore> as RunStore;
  const delivery = createDelivery({
    runs,
    send,
    comment: async () => undefined,
    parseItem: () => null,
    members: () => ['slow', 'quick'],
    decrypt: (text) => {
      if (text.includes('lost key')) throw new Error('no key');
      return text;
    },
    batch: 2,
    now: () => new Date(0),
    log: quietLog,
  });
  return { delivery, settled };
}

it('a portal that does not answer holds up no other, and second sendings hold up no first', async () => {
  const due = [answer('slow', 1, 's1'), answer('quick', 2, 'q-repeat'), answer('quick', 1, 'q1')];
  const stuck = Promise.withResolvers<Delivery[]>();
  const { delivery, settled } = deliveryOf(due, (memberId, answers) =>
    memberId === 'slow' || answers[0]?.eventToken === 'q-repeat'
      ? stuck.promise
      : Promise.resolve(answers.map(() => 'sent' as const)),
  );
  delivery.wake();
  await vi.waitFor(() => expect(settled).toEqual({ q1: 'sent' }));
  due.push(answer('quick', 1, 'q2'), answer('slow', 1, 's2'));
  delivery.wake();
  await vi.waitFor(() => expect(settled).toEqual({ q1: 'sent', q2: 'sent' }));
  expect(due.map(({ id }) => id)).toEqual(['s2']);
  stuck.resolve(['sent']);
  await vi.waitFor(() => expect(settled).toMatchObject({ s1: 'sent', s2: 'sent', 'q-repeat': 'sent' }));
  await delivery.stop();
});

it('an answer whose key is gone takes no other with it', async () => {
  const lost = { ...answer('quick', 1, 'lost'), payload: 'lost key' };
  const { delivery, settled } = deliveryOf([lost, answer('quick', 1, 'q1')], async (_memberId, answers) =>
    answers.map(() => 'sent'),
  );
  delivery.wake();
  await vi.waitFor(() => expect(settled).toEqual({ lost: 'refused', q1: 'sent' }));
  await delivery.stop();
});

it('what could not be sent is due again', async () => {
  const { delivery, settled } = deliveryOf([answer('quick', 1, 'q1')], () =>
    Promise.reject(new Error('cut')),
  );
  delivery.wake();
  await vi.waitFor(() => expect(settled).toEqual({ q1: 'due' }));
  await delivery.stop();
});
