import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFault, toFailure } from '../../../src/directum/http/errors.ts';
import { sentTexts, withoutData } from '../../../src/directum/http/refusal-text.ts';
import { toApprovalFailure } from '../../../src/directum/tasks/approval-refusals.ts';

const PAIRS = [
  ['«', '»'],
  ['“', '”'],
  ['„', '“'],
  ['"', '"'],
  ["'", "'"],
] as const;
const QUOTES = /[«»“”„"'‘’‹›]/gu;

/** Names that hold words of refusals, besides any text at all. */
const name = fc.oneof(
  fc.constantFrom(
    'Fort Lock',
    'Locked Doors Ltd',
    'is locked by Petrova',
    'ООО Заблокированный актив',
    'карточка заблокирована',
    'Not found',
    'Регламент',
    'Нет подходящего регламента',
    'No suitable approval rule',
    'Нет прав',
    '<html>',
    'A-1 (locked) [is] {locked} a|b ^$ . * + ? \\ /',
  ),
  fc.string({ unit: 'grapheme' }),
);
const bare = name.map((text) => text.replace(QUOTES, ''));

const refusal = (text: string, sent: string[] = [], status = 400) =>
  toFailure(status, JSON.stringify({ error: { code: '', message: text } }), { hide: (one) => one, sent });
const quotedIn = (text: string, pair: readonly [string, string]) => `${pair[0]}${text}${pair[1]}`;

describe('a customer in quotes', () => {
  it('whatever it is called, is no lock and hides none', () => {
    fc.assert(
      fc.property(bare, fc.constantFrom(...PAIRS), (text, pair) => {
        const who = quotedIn(text, pair);
        expect(refusal(`Контрагент ${who} не прошёл проверку.`).code).toBe('directum_refused');
        expect(refusal(`Карточка ${who} заблокирована пользователем Петрова Анна.`).code).toBe(
          'directum_locked',
        );
        expect(refusal(`Object ${who} is locked by ${who}.`).code).toBe('directum_locked');
      }),
    );
  });

  it('whatever it is called, neither makes nor hides a missing rule', () => {
    const told = (text: string, step: 'create' | 'start') =>
      toApprovalFailure(refusal(text), 'rule', step).code;
    fc.assert(
      fc.property(bare, fc.constantFrom(...PAIRS), (text, pair) => {
        const who = quotedIn(text, pair);
        for (const step of ['create', 'start'] as const) {
          expect(told(`Документ ${who} не прошёл проверку.`, step)).toBe('directum_refused');
          expect(told(`Нет подходящего регламента согласования для документа ${who}.`, step)).toBe(
            'approval_unavailable',
          );
          expect(told(`Не заполнено обязательное свойство «Регламент» (${who}).`, step)).toBe(
            'approval_unavailable',
          );
        }
      }),
    );
  });

  it('may have quotes of its own', () => {
    for (const text of [
      'Контрагент "ООО "Fort is locked"" не прошёл проверку',
      "Контрагент 'ООО «is locked» и Ко' не прошёл проверку",
      'Контрагент «ООО «Ромашка» is locked» не прошёл проверку',
      'Контрагент «ООО «is locked» не прошёл проверку',
      'Контрагент «Fort is locked не прошёл проверку',
    ])
      expect(refusal(text).code, text).toBe('directum_refused');
    for (const text of [
      'Карточка «ООО «Ромашка» заблокирована пользователем Петрова',
      'Карточка "ООО "Ромашка"" заблокирована пользователем "Петрова"',
      "The company's card 'O'Neil & Sons' is locked by the user's session",
      'Карточка Труба 12" заблокирована пользователем Петрова',
    ])
      expect(refusal(text).code, text).toBe('directum_locked');
  });
});

describe('a customer without quotes', () => {
  it('is known by the request that named it, whatever it is called', () => {
    fc.assert(
      fc.property(name, (text) => {
        const sent = sentTexts('http://x/ICompanies', JSON.stringify({ Name: text, Bank: { Id: 1 } }));
        expect(refusal(`Контрагент ${text} не прошёл проверку.`, sent).code).toBe('directum_refused');
      }),
      { numRuns: 1_000 },
    );
  });

  it('is no lock where a name is told from a predicate', () => {
    for (const text of [
      'Контрагент Fort Lock не прошёл проверку',
      'Контрагент Locked Doors Ltd не прошёл проверку',
      'Контрагент Заблокированный актив не прошёл проверку',
      'Карточка не заблокирована вами',
      'Unblocked clock',
    ])
      expect(refusal(text).code, text).toBe('directum_refused');
  });

  it('is found in the address too', () => {
    const url = 'http://x/ICompanies?$filter=Name%20eq%20%27O%27%27Neil%20is%20locked%27';
    expect(sentTexts(url, undefined)).toEqual(["O'Neil is locked"]);
    expect(withoutData("Bad filter O'Neil is locked", sentTexts(url, undefined))).toBe('Bad filter …');
  });
});

describe('phrases of the platform', () => {
  it.each([
    'Карточка заблокирована пользователем Петрова Анна.',
    'Договор заблокирован пользователем Петрова Анна.',
    'Объект заблокирован.',
    'Заблокировано пользователем Петрова.',
    'Объект, заблокированный пользователем Петрова, нельзя изменить.',
    'Entity is locked by Petrova',
    'Document 5001 locked',
    'Locked by Petrova',
  ])('a lock: %s', (text) => {
    for (const status of [400, 412, 500]) expect(refusal(text, [], status).code).toBe('directum_locked');
  });

  it('a page is one that begins as a page, not a text that quotes a tag', () => {
    const body = '{"error":"Контрагент <html> не прошёл проверку"}';
    const options = { hide: (text: string) => text, sent: [] };
    expect(toFailure(404, body, options).code).toBe('directum_refused');
    expect(isFault(500, body)).toBe(false);
    expect(toFailure(404, ' <html>nginx</html>', options).code).toBe('directum_unavailable');
  });
});
