import { expect, it } from 'vitest';
import { z } from 'zod';
import { defineRobot } from '../../../src/robot/robot.ts';
import { attemptRun } from '../../../src/runs/work/lost-attempts.ts';
import { Overtaken } from '../../../src/runs/work/overtaken.ts';
import type { StoredRun } from '../../../src/store/runs/runs.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * One attempt of a robot whose work throws `error`, or what it is surrounded by does; answers what was written as the run's
 * ending, or as lost.
 */
async function endingOf(
  error: unknown,
  deadlineAt = new Date(Date.now() + 3_600_000),
  around: Partial<StoredRun> & { surrounds?: false; text?: string } = {},
): Promise<string[]> {
  const { surrounds = true, text, ...more } = around;
  const endings: string[] = [];
  const robot = defineRobot({
    code: 'directum_test',
    name: { ru: 'Проба', en: 'Test' },
    description: { ru: 'Проба', en: 'Test' },
    items: ['deal'],
    inputs: z.object({}),
    outputs: z.object({}),
    run: () => Promise.reject(error),
  });
  const call = {
    documentId: ['crm', 'CCrmDocumentDeal', 'DEAL_1'],
    eventToken: 'e',
    workflowId: '',
    properties: {},
  };
  const run = {
    id: 'r',
    robot: robot.code,
    call: text ?? JSON.stringify(call),
    attempts: 0,
    lost: 0,
    abandoned: 0,
  } as StoredRun;
  const part = <T>(value: unknown) => value as T;
  type Ports = Parameters<typeof attemptRun>[1];
  await attemptRun(
    { ...run, wantsAnswer: true, receivedAt: new Date(), deadlineAt, ...more },
    {
      runs: part<Ports['runs']>({
        end: async (_id: string, attempt: { ending: string }) => endings.push(attempt.ending) > 0,
        postpone: async (_run: StoredRun, _attempt: object, _values: object, { lost = false }) =>
          endings.push(lost ? 'lost' : 'put off') > 0,
      }),
      waits: part<Ports['waits']>({}),
      waitMaxHours: 1,
      circuit: { isDown: () => false, admits: () => true },
      robots: new Map([[robot.code, robot]]),
      settings: { documentKinds: {}, businessUnit: null, responsible: null, timeZone: 'UTC' },
      seal: { encrypt: (text) => text, decrypt: (text) => text },
      contextOf: () => {
        if (!surrounds) throw error;
        return part<ReturnType<Ports['contextOf']>>({
          language: 'ru',
          item: { typeId: 2, id: 1, code: 'DEAL_1' },
          portal: {},
          directum: {},
          slots: {},
          locks: {},
          proof: { isAccepted: () => true, isForged: () => false, demand: async () => undefined },
        });
      },
      languageOf: () => 'ru',
      log,
      scope: () => log,
      now: () => new Date(),
      random: () => 0,
      onEnd: () => undefined,
      onWait: () => undefined,
      onAnswer: () => undefined,
    },
  );
  return endings;
}

it('a fault of our own ends the run', async () => {
  expect(await endingOf(new TypeError('x is not a function'))).toEqual(['internal_error']);
  expect(await endingOf(Object.assign(new Error('duplicate key'), { code: '23505' }))).toEqual([
    'internal_error',
  ]);
});

it.each([
  Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' }),
  Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  new Error('Connection terminated unexpectedly'),
  new Error('timeout exceeded when trying to connect'),
])('an attempt that our database broke off is lost, not ended: %s', async (error) => {
  await expect(endingOf(error)).rejects.toBe(error);
  expect(await endingOf(error, new Date())).toEqual(['internal_error']);
});

it.each([
  ['what surrounds it fails', { surrounds: false as const }],
  ['its call cannot be read', { text: '{"eventToken":"e' }],
])(
  'an attempt that comes to no outcome because %s is repeated twice, not past its limit, then the run ends',
  async (_, how) => {
    const fault = new TypeError('x is not a function');
    const later = new Date(Date.now() + 3_600_000);
    const endings = [0, 1, 2].map((lost) => endingOf(fault, later, { ...how, lost }));
    expect(await Promise.all(endings)).toEqual([['lost'], ['lost'], ['internal_error']]);
    expect(await endingOf(fault, new Date(), how)).toEqual(['internal_error']);
  },
);

it('a run whose process was gone again and again ends without another attempt; a few kills by chance do not end it', async () => {
  const later = new Date(Date.now() + 3_600_000);
  const fault = Object.assign(new Error('gone'), { code: '57P01' });
  await expect(endingOf(fault, later, { abandoned: 9 })).rejects.toBe(fault);
  expect(await endingOf(fault, later, { abandoned: 10 })).toEqual(['internal_error']);
});

it('an attempt whose run may be another’s by now writes nothing', async () => {
  const overtaken = new Overtaken();
  await expect(endingOf(overtaken)).rejects.toBe(overtaken);
  await expect(endingOf(overtaken, new Date())).rejects.toBe(overtaken);
});
