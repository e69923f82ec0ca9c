import { expect, it } from 'vitest';
import { type ErrorCode, RobotFailure } from '../../src/robot/failure.ts';
import { Problems } from '../../src/robot/problems.ts';

const failure = (code: ErrorCode, text: string) => new RobotFailure(code, { ru: text, en: text });
const fails = (error: unknown) => async () => {
  throw error;
};

it('gives the values that could be resolved, and lets pass when there is no problem', async () => {
  const problems = new Problems();
  const value = await problems.of(async () => 7);
  expect(value()).toBe(7);
  expect(() => problems.demandNone()).not.toThrow();
});

it('goes on after a problem and tells the first of them', async () => {
  const problems = new Problems();
  const kind = await problems.of(fails(failure('reference_not_found', 'no kind')));
  await problems.of(fails(failure('reference_ambiguous', 'two units')));
  expect(() => problems.demandNone()).toThrow('no kind');
  expect(kind).toThrow('no kind');
});

it('what needs a value that is missing is the same problem', async () => {
  const problems = new Problems();
  const amount = await problems.of<number>(fails(failure('input_invalid', 'no amount')));
  await problems.of(fails(failure('input_missing', 'no rate')));
  const currency = await problems.of(() => (amount() > 0 ? 'RUB' : null));
  expect(currency).toThrow('no amount');
  expect(() => problems.demandNone()).toThrow('no amount');
});

it('what may pass by itself ends the work, unless a problem is known already', async () => {
  const problems = new Problems();
  const away = failure('directum_unavailable', 'away');
  await expect(problems.of(fails(away))).rejects.toBe(away);
  const odd = new Error('a fault of ours');
  await expect(problems.of(fails(odd))).rejects.toBe(odd);
  await problems.of(fails(failure('employee_not_found', 'nobody')));
  await expect(problems.of(fails(away))).rejects.toThrow('nobody');
});
