import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { robots } from '../../robots/index.ts';
import { readField, toDescriptor } from '../../src/robot/descriptor.ts';
import { RobotFailure } from '../../src/robot/failure.ts';
import { field } from '../../src/robot/fields.ts';
import { defineRobot } from '../../src/robot/robot.ts';
import { readInputs } from '../../src/robot/run/inputs.ts';
import { runRobot, toAnswer } from '../../src/robot/run-robot.ts';

const probe = defineRobot({
  code: 'directum_probe',
  name: { ru: 'Проба', en: 'Probe' },
  description: { ru: 'Проба', en: 'Probe' },
  items: ['deal'],
  inputs: z.object({
    subject: field.string({ ru: 'Содержание', en: 'Subject' }),
    people: z.array(field.user({ ru: 'Люди', en: 'People' })).optional(),
    mode: field
      .select({ ru: 'Режим', en: 'Mode' }, { a: { ru: 'А', en: 'A' }, b: { ru: 'Б', en: 'B' } })
      .default('a'),
  }),
  outputs: z.object({
    number: field.int({ ru: 'Номер', en: 'Number' }),
    made: field.bool({ ru: 'Создан', en: 'Made' }),
  }),
  run: async (inputs) => {
    if (inputs.subject === 'fail')
      throw new RobotFailure('directum_locked', { ru: 'занято', en: 'locked' }, { known: { number: 7 } });
    if (inputs.subject === 'break') throw new Error('secret of the inside');
    return { number: 5, made: inputs.mode === 'b' };
  },
});

const around = { item: { typeId: 2, id: 1, code: 'DEAL_1' }, documentType: 'DEAL_1' } as never;
const run = (properties: Record<string, string | string[]>) => runRobot(probe, properties, around);

describe('inputs', () => {
  it('drops blanks, trims, takes a list of one for a single value and lists for multiple ones', () => {
    expect(
      readInputs(probe, { subject: [' Поставка '], people: ['user_5', '', 'user_7'], mode: ' ' }),
    ).toEqual({
      subject: 'Поставка',
      people: [5, 7],
      mode: 'a',
    });
  });

  it.each([
    [{}, 'input_missing', 'Содержание'],
    [{ subject: '  ' }, 'input_missing', 'Содержание'],
    [{ subject: '{=Document:TITLE}' }, 'input_invalid', 'Содержание'],
    [{ subject: 'по сделке {{Название}}' }, 'input_invalid', 'Содержание'],
    [{ subject: 'x', people: ['user_5', 'group_d3'] }, 'input_invalid', 'group_d3'],
    [{ subject: 'x', mode: 'Режим А' }, 'input_invalid', 'Режим'],
    [{ subject: 'x', mode: 'toString' }, 'input_invalid', 'Режим'],
  ])('%j is %s and names %s', async (properties, code, word) => {
    const outcome = await run(properties);
    expect(outcome).toMatchObject({ kind: 'failed', code });
    expect(outcome.kind === 'failed' && outcome.text.ru).toContain(word);
  });
});

describe('an outcome', () => {
  it('encodes outputs for the wire', async () => {
    expect(await run({ subject: 'x', mode: 'b' })).toEqual({
      kind: 'done',
      values: { number: 5, made: 'Y' },
    });
  });

  it('keeps known outputs of a failure and empties the others', async () => {
    const outcome = await run({ subject: 'fail' });
    expect(outcome).toMatchObject({ kind: 'failed', heals: true, values: { number: 7, made: '' } });
    expect(toAnswer(outcome, 'r1', 'ru')).toEqual({
      number: 7,
      made: '',
      ok: 'N',
      error_code: 'directum_locked',
      error_text: 'занято',
      run_id: 'r1',
    });
  });

  it('says nothing of an unexpected error to the deal', async () => {
    const outcome = await run({ subject: 'break' });
    expect(outcome).toMatchObject({ kind: 'failed', code: 'internal_error', heals: false });
    expect(JSON.stringify(toAnswer(outcome, 'r1', 'en'))).not.toContain('secret of the inside');
  });

  it('refuses an item it does not know, naming it', async () => {
    const outcome = await runRobot(probe, { subject: 'x' }, {
      ...(around as object),
      item: null,
      documentType: 'ORDER_3',
    } as never);
    expect(outcome).toMatchObject({ code: 'item_unsupported' });
    expect(outcome.kind === 'failed' && outcome.text.ru).toContain('ORDER_3');
  });

  it('cuts a long text at 500 characters', () => {
    const text = 'я'.repeat(900);
    const answer = toAnswer(
      { kind: 'failed', code: 'directum_refused', text: { ru: text, en: text }, heals: false, values: {} },
      'r',
      'ru',
    );
    expect([...String(answer['error_text'])]).toHaveLength(500);
  });
});

describe('the declaration of every robot', () => {
  const reserved = [
    'title',
    'usesubscription',
    'istimeout',
    'authuserid',
    'setstatusmessage',
    'statusmessage',
    'timeoutduration',
    'timeoutdurationtype',
  ];

  it.each(robots.map((robot) => [robot.code, robot] as const))('%s obeys the portal', (_code, robot) => {
    const { fields } = toDescriptor(robot, 'ru');
    const inputs = Object.keys(fields['PROPERTIES'] as object);
    const outputs = Object.keys(fields['RETURN_PROPERTIES'] as object);
    const all = [...inputs, ...outputs].map((code) => code.toLowerCase());
    expect(robot.code).toMatch(/^directum_[a-z_]+$/);
    expect(new Set(all).size).toBe(all.length);
    for (const code of all) {
      expect(code).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(reserved).not.toContain(code);
    }
    expect(outputs).toEqual(expect.arrayContaining(['ok', 'error_code', 'error_text', 'run_id']));
    expect(fields['USE_SUBSCRIPTION']).toBe('Y');
    for (const rule of (fields['FILTER'] as { INCLUDE: string[][] }).INCLUDE) expect(rule).toHaveLength(2);
    expect(JSON.stringify(fields).length).toBeLessThan(65_535);
  });

  it.each(robots.map((robot) => [robot.code, robot] as const))(
    '%s is registered as reviewed',
    async (code, robot) => {
      await expect(`${JSON.stringify(toDescriptor(robot, 'ru').fields, null, 2)}\n`).toMatchFileSnapshot(
        `../fixtures/descriptors/${code}.json`,
      );
    },
  );

  it('refuses a schema that is not a field', () => {
    expect(() => readField('plain', z.string())).toThrow('plain');
  });
});
