import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { robots } from '../../robots/index.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.stop());
beforeEach(() => {
  stand.directum.misbehave.reset();
  stand.directum.misbehave.refuseWrites = true;
});

const CREATE = 'directum_create_contract';
const DOCUMENT = 'directum_create_document';

/** Codes of the problems of a check, and their lines. */
async function check(deal: number, code: string, properties: Record<string, unknown>) {
  const found = await runStep(stand, deal, code, { check_only: 'Y', ...properties });
  expect(stand.directum.misbehave.refusedWrites).toBe(0);
  const lines = String(found['problems']).split('\n').filter(Boolean);
  return { found, lines, codes: lines.map((line) => line.split(':')[0]) };
}

it('tells an input that cannot be read once, and nothing that would only follow from it', async () => {
  const { deal } = addDeal(stand, { email: 'nobody@acme.example', deal: { opportunity: 0 } });
  const { found, codes, lines } = await check(deal, CREATE, {
    subject: 'Поставка',
    document_kind: '{{Вид}}',
    responsible: 'group_d3',
    slot: 'плохой слот',
    if_exists: 'может быть',
    vat_rate: 'сорок',
  });
  expect(codes, lines.join('\n')).toEqual([
    'input_invalid',
    'input_invalid',
    'input_invalid',
    'input_invalid',
    'reference_not_found',
  ]);
  expect(lines.join('\n')).toMatch(/«Вид документа».*\n.*«Ответственный».*\n.*«Слот документа».*\n/);
  expect(found).toMatchObject({ ok: 'N', error_code: 'input_invalid', created: 'N' });
  const invoice = await check(deal, DOCUMENT, {
    document_type: 'outgoing_invoice',
    amount: 'много',
    leading_slot: 'плохой слот',
    date: 'завтра',
    number: '7',
  });
  expect(invoice.codes).toEqual(['input_invalid', 'input_invalid', 'input_invalid', 'employee_not_found']);
  const agreement = await check(deal, DOCUMENT, {
    document_type: 'supplementary_agreement',
    subject: 'по {{Название}}',
  });
  expect(agreement.codes).toEqual(['input_invalid', 'document_not_found', 'employee_not_found']);
  expect(agreement.lines[0]).toContain('«Содержание»');
});

it('goes on after an id that is none, and names every line of further properties', async () => {
  const { deal } = addDeal(stand);
  const { codes, lines } = await check(deal, CREATE, {
    subject: 'Поставка',
    document_kind: 'Договор',
    link_document_id: 999_999,
    if_exists: 'update',
    template: 'Нет такого',
    extra_fields: 'Нечто\nNoSuch=1\nTotalAmount=5\nNoSuch=2',
    vat_rate: 'сорок',
  });
  expect(codes).toEqual([
    'document_not_found',
    'reference_not_found',
    'reference_not_found',
    'input_invalid',
    'input_invalid',
    'input_invalid',
    'input_invalid',
  ]);
  expect(lines.filter((line) => line.includes('NoSuch'))).toHaveLength(2);
});

it('waits for a system that is away although a problem was found before', async () => {
  const { deal } = addDeal(stand);
  stand.directum.misbehave.next({ verb: 'GET', path: 'IVatRates', status: 503 });
  const { codes } = await check(deal, CREATE, { document_kind: 'Нет такого', vat_rate: 'сорок' });
  expect(codes).toEqual(['input_missing', 'reference_not_found', 'reference_not_found']);
});

it('does not ask for what a table would fill that is not there', async () => {
  const { deal } = addDeal(stand);
  const { codes } = await check(deal, CREATE, { rules: 'нет такой', vat_rate: 'сорок' });
  expect(codes).toEqual(['rule_not_found', 'reference_not_found']);
});

const ODD = [
  '',
  '  ',
  '{{Поле}}',
  '0',
  '-1',
  '7',
  '999999',
  'Y',
  'нет такого',
  'user_1',
  'user_999',
  '1|USD',
  '\u0000',
  '2026-13-45',
  'a=b\nc',
];
const GOOD: Record<string, string[]> = {
  document_type: [
    'act',
    'outgoing_invoice',
    'incoming_invoice',
    'supplementary_agreement',
    'addendum',
    'simple',
  ],
  document_kind: ['Договор'],
  date: ['2026-02-03'],
  valid_till: ['01.02.2026'],
  require_signed: ['no', 'both'],
  if_exists: ['keep', 'update'],
  update_mode: ['fill', 'none'],
  template: ['Типовой договор'],
};

it('whatever the inputs hold is answered by problems, and nothing is written', async () => {
  const checkable = robots.filter(({ inputs }) => Object.hasOwn(inputs.shape, 'check_only'));
  const steps = checkable.map(({ code, inputs }) => {
    const codes = Object.keys(inputs.shape).filter((input) => input !== 'check_only');
    const texts = codes.map((input) => [input, fc.constantFrom(...(GOOD[input] ?? []), ...ODD)] as const);
    const given = fc.record(Object.fromEntries(texts), { requiredKeys: [] });
    return given.map((properties) => ({ code, properties }));
  });
  const { deal } = addDeal(stand);
  stand.directum.misbehave.reset();
  await runStep(stand, deal, CREATE, { subject: 'Поставка' });
  stand.directum.misbehave.refuseWrites = true;
  await fc.assert(
    fc.asyncProperty(fc.oneof(...steps), async ({ code, properties }) => {
      const { found, lines, codes } = await check(deal, code, properties);
      expect(found['error_code']).not.toBe('internal_error');
      expect(found['error_code']).toBe(codes[0] ?? '');
      expect(found['ok']).toBe(lines.length === 0 ? 'Y' : 'N');
      expect(new Set(lines).size).toBe(lines.length);
    }),
    { numRuns: 80 },
  );
}, 60_000);

it('makes nothing where it cannot be read whether it is a check', async () => {
  const { deal } = addDeal(stand);
  const found = await runStep(stand, deal, CREATE, { subject: 'Поставка', check_only: 'может быть' });
  expect(found).toMatchObject({ ok: 'N', error_code: 'input_invalid', document_id: '' });
  expect((await check(deal, CREATE, { check_only: 'да', document_kind: 'Нет' })).found).toMatchObject({
    created: 'N',
  });
  expect(stand.directum.misbehave.refusedWrites).toBe(0);
});
