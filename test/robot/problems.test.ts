import { expect, it } from 'vitest';
import { type ErrorCode, RobotFailure } from '../../src/robot/failure.ts';
import { Problems } from '../../src/robot/problems.ts';

const failure = (code: ErrorCode, text: string) => new RobotFailure(code, { ru: text, en: text });
const fails = (error: unknown) => async () => {
  throw error;
};
const codes = (problems: Problems) => problems.all.map(({ code }) => code);

it('gives the values that could be resolved', async () => {
  const problems = new Problems({ collects: true });
  const value = await problems.of(async () => 7);
  expect(value()).toBe(7);
  expect(await problems.or(() => 8, 9)).toBe(8);
  expect(problems.all).toEqual([]);
});

it('of a check: goes on after a problem and keeps all, in the order of looking', async () => {
  const problems = new Problems({ collects: true });
  const kind = await problems.of(fails(failure('reference_not_found', 'no kind')));
  expect(
    await problems.or<string | null>(fails(failure('reference_ambiguous', 'two units')), null),
  ).toBeNull();
  expect(codes(problems)).toEqual(['reference_not_found', 'reference_ambiguous']);
  expect(kind).toThrow('no kind');
});

it('of work: ends at the first problem', async () => {
  const problems = new Problems({ collects: false });
  const none = failure('reference_not_found', 'no kind');
  await expect(problems.of(fails(none))).rejects.toBe(none);
  await expect(problems.or(fails(none), undefined)).rejects.toBe(none);
});

it('what needs a value that is missing is the same problem', async () => {
  const problems = new Problems({ collects: true });
  const amount = await problems.of<number>(fails(failure('input_invalid', 'no amount')));
  await problems.of(fails(failure('input_missing', 'no rate')));
  const currency = await problems.of(() => (amount() > 0 ? 'RUB' : null));
  expect(currency).toThrow('no amount');
  expect(codes(problems)).toEqual(['input_invalid', 'input_missing']);
});

it('what may pass by itself ends a check too, whatever was found before', async () => {
  const problems = new Problems({ collects: true });
  await problems.of(fails(failure('employee_not_found', 'nobody')));
  const away = failure('directum_unavailable', 'away');
  await expect(problems.of(fails(away))).rejects.toBe(away);
  const odd = new Error('a fault of ours');
  await expect(problems.of(fails(odd))).rejects.toBe(odd);
});
