import { expect, it } from 'vitest';
import { z } from 'zod';
import { defineRobot } from '../../src/robot/robot.ts';
import { attemptRun } from '../../src/runs/lost-attempts.ts';
import type { StoredRun } from '../../src/store/runs.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

/** One attempt of a robot whose work throws `error`; answers what was written as the run's ending. */
async function endingOf(error: unknown, deadlineAt = new Date(Date.now() + 3_600_000)): Promise<string[]> {
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
  const run = { id: 'r', robot: robot.code, call: JSON.stringify(call), attempts: 0 } as StoredRun;
  const part = <T>(value: unknown) => value as T;
  type Ports = Parameters<typeof attemptRun>[1];
  await attemptRun(
    { ...run, wantsAnswer: true, receivedAt: new Date(), deadlineAt },
    {
      runs: part<Ports['runs']>({
        end: async (_id: string, attempt: { ending: string }) => endings.push(attempt.ending) > 0,
      }),
      waits: part<Ports['waits']>({}),
      waitMaxHours: 1,
      circuit: { isDown: () => false, admits: () => true },
      robots: new Map([[robot.code, robot]]),
      settings: { contractKind: null, businessUnit: null, responsible: null, timeZone: 'UTC' },
      seal: { encrypt: (text) => text, decrypt: (text) => text },
      surround: () =>
        part<ReturnType<Ports['surround']>>({ language: 'ru', item: { typeId: 2, id: 1, code: 'DEAL_1' } }),
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
