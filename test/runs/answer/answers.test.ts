import { expect, it, vi } from 'vitest';
import { createOutboxLoop } from '../../../src/outbox/outbox-loop.ts';
import { answerHandlers, type Delivery, type StepResult } from '../../../src/runs/answer/answers.ts';
import type { DueRow, Outbox } from '../../../src/store/outbox/outbox.ts';
import { quietLog } from '../../directum/stand.ts';
import { passingTime } from '../../passing-time.ts';

const answer = (recipient: string, lane: 'first' | 'second', name: string): DueRow => ({
  id: name,
  takes: 1,
  recipient,
  portal: recipient,
  kind: 'answer',
  lane,
  itemCode: 'DEAL_1',
  documentId: null,
  runId: name,
  code: '',
  key: '',
  payload: JSON.stringify({ eventToken: name, values: {} }),
  createdAt: new Date(0),
  attempts: 1,
  unsure: null,
  userId: null,
  message: null,
});

/** Delivery over answers in memory; `send` decides what becomes of them. */
function deliveryOf(
  due: DueRow[],
  send: (memberId: string, answers: StepResult[]) => Promise<Delivery[]>,
  given: { batch?: number; now?: () => Date } = {},
) {
  const now = given.now ?? (() => new Date(0));
  const settled: Record<string, string> = {};
  const dueAt: Record<string, number> = {};
  const queue: Outbox = {
    async take(wanted) {
      return wanted.flatMap(({ recipient, lane, most }) => {
        const own = due.filter((one) => one.recipient === recipient && one.lane === lane).slice(0, most);
        for (const one of own) due.splice(due.indexOf(one), 1);
        return own;
      });
    },
    async settle(fates) {
      if (fates.some(({ error }) => error?.includes('\0')))
        throw Object.assign(new Error('unsupported Unicode escape sequence'), { code: '22P05' });
      for (const { id, state, dueAt: at } of fates) {
        settled[id] = state;
        dueAt[id] = at.getTime() - now().getTime();
      }
    },
  };
  const delivery = createOutboxLoop({
    handlers: answerHandlers({ queue, send, members: () => ['slow', 'quick'], batch: given.batch ?? 2 }),
    quarantine: { put: async () => undefined, release: async () => undefined },
    seal: {
      decrypt: (text) => {
        if (text.includes('lost key')) throw new Error('no key');
        return text;
      },
    },
    now,
    log: quietLog,
  });
  return { delivery, settled, dueAt };
}

it('a portal that does not answer holds up no other, and second sendings hold up no first', async () => {
  const due = [
    answer('slow', 'first', 's1'),
    answer('quick', 'second', 'q-repeat'),
    answer('quick', 'first', 'q1'),
  ];
  const stuck = Promise.withResolvers<Delivery[]>();
  const { delivery, settled } = deliveryOf(due, (memberId, answers) =>
    memberId === 'slow' || answers[0]?.eventToken === 'q-repeat'
      ? stuck.promise
      : Promise.resolve(answers.map(() => 'sent' as const)),
  );
  delivery.wake();
  await vi.waitFor(() => expect(settled).toEqual({ q1: 'sent' }));
  due.push(answer('quick', 'first', 'q2'), answer('slow', 'first', 's2'));
  delivery.wake();
  await vi.waitFor(() => expect(settled).toEqual({ q1: 'sent', q2: 'sent' }));
  expect(due.map(({ id }) => id)).toEqual(['s2']);
  stuck.resolve(['sent']);
  await vi.waitFor(() => expect(settled).toMatchObject({ s1: 'sent', s2: 'sent', 'q-repeat': 'sent' }));
  await delivery.stop();
});

it('an answer whose key is gone takes no other with it', async () => {
  const lost = { ...answer('quick', 'first', 'lost'), payload: 'lost key' };
  const { delivery, settled } = deliveryOf(
    [lost, answer('quick', 'first', 'q1')],
    async (_memberId, answers) => answers.map(() => 'sent'),
  );
  delivery.wake();
  await vi.waitFor(() => expect(settled).toEqual({ lost: 'refused', q1: 'sent' }));
  await delivery.stop();
});

it('an answer whose refusal the database cannot keep takes no other with it, and is over', async () => {
  const due = ['q1', 'q2', 'q3'].map((name) => answer('quick', 'first', name));
  const { delivery, settled } = deliveryOf(
    due,
    async (_memberId, answers) =>
      answers.map(({ eventToken }) => (eventToken === 'q2' ? { refused: 'bad \0' } : 'sent')),
    { batch: 3 },
  );
  delivery.wake();
  await vi.waitFor(() => expect(settled).toEqual({ q1: 'sent', q2: 'refused', q3: 'sent' }));
  await delivery.stop();
});

it('what could not be sent is due again', async () => {
  const { delivery, settled } = deliveryOf([answer('quick', 'first', 'q1')], () =>
    Promise.reject(new Error('cut')),
  );
  delivery.wake();
  await vi.waitFor(() => expect(settled).toEqual({ q1: 'due' }));
  await delivery.stop();
});

it.each([
  [1, Array(60).fill(1)],
  [25, [25, 25, 10]],
  [50, [50, 10]],
])('answers leave %i to a batch, and each has its own fate', async (batch, sizes) => {
  const due = Array.from({ length: 60 }, (_, index) => answer('quick', 'first', `q${index}`));
  const sent: number[] = [];
  const { delivery, settled } = deliveryOf(
    due,
    async (_memberId, answers) => {
      sent.push(answers.length);
      return answers.map(({ eventToken }) =>
        eventToken === 'q3' ? 'gone' : eventToken === 'q7' ? { refused: 'ACCESS_DENIED' } : 'sent',
      );
    },
    { batch },
  );
  delivery.wake();
  await vi.waitFor(() => expect(Object.keys(settled)).toHaveLength(60));
  expect(sent).toEqual(sizes);
  const { q3, q7, ...others } = settled;
  expect([q3, q7, new Set(Object.values(others))]).toEqual(['gone', 'refused', new Set(['sent'])]);
  await delivery.stop();
});

it('a portal that takes no answers for a time is left alone until then, and the others are not', async () => {
  let time = 0;
  let healed = false;
  const passing = passingTime();
  const due = ['s1', 's2', 's3', 's4', 's5', 's6'].map((name) => answer('slow', 'first', name));
  due.push(answer('slow', 'second', 's-repeat'), answer('quick', 'first', 'q1'));
  const asked: string[] = [];
  const { delivery, settled, dueAt } = deliveryOf(
    due,
    async (memberId, answers) => {
      asked.push(...answers.map(({ eventToken }) => eventToken));
      return answers.map((_, index) =>
        memberId === 'quick' || index === 0 || healed ? 'sent' : { blockedMs: 180_000 },
      );
    },
    { now: () => new Date(time) },
  );
  delivery.wake();
  await vi.waitFor(() => expect(settled).toMatchObject({ q1: 'sent', s1: 'sent', s2: 'due' }));
  expect(dueAt['s2']).toBe(180_000);
  expect(asked).not.toContain('s3');
  // By a wall clock that is set back meanwhile.
  time = -3 * 3_600_000;
  passing.pass(179_000);
  due.push(answer('quick', 'first', 'q2'));
  delivery.wake();
  await vi.waitFor(() => expect(settled).toMatchObject({ q2: 'sent' }));
  expect(due.map(({ id }) => id)).toEqual(['s3', 's4', 's5', 's6']);
  healed = true;
  passing.pass(1_000);
  delivery.wake();
  await vi.waitFor(() => expect(settled).toMatchObject({ s5: 'sent', s6: 'sent' }));
  await delivery.stop();
});
