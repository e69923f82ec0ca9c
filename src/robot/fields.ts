import { z } from 'zod';
import { toCode, toVisible } from '../lib/text.ts';
import type { LocalText } from './failure.ts';
import { parseDate, parseId, parseMoney, parseUser, WireValueError } from './wire-values.ts';

/** What Bitrix24 must know of a field beyond its schema. */
export interface FieldFacts {
  type: 'string' | 'text' | 'int' | 'bool' | 'date' | 'datetime' | 'select' | 'user';
  name: LocalText;
  description?: LocalText;
  options?: Record<string, LocalText>;
}

export const fieldFacts = z.registry<FieldFacts>();

/** A codec over the wire's text whose refusals are texts for people. */
function wire<T>(decode: (text: string) => T, encode: (value: T) => string) {
  return z.codec(z.string(), z.custom<T>(), {
    decode: (text, context) => {
      try {
        return decode(text);
      } catch (error) {
        if (!(error instanceof WireValueError)) throw error;
        context.issues.push({
          code: 'custom',
          input: text,
          message: error.message,
          params: { text: error.text },
        });
        return z.NEVER;
      }
    },
    encode,
  });
}

function select<const T extends Record<string, LocalText>>(
  name: LocalText,
  options: T,
  description?: LocalText,
) {
  const decode = (given: string): keyof T & string => {
    const text = toCode(given);
    if (Object.hasOwn(options, text)) return text;
    const known = Object.keys(options).join(', ');
    throw new WireValueError({
      ru: `нет такого варианта; есть: ${known}`,
      en: `no such option; there are: ${known}`,
    });
  };
  return wire(decode, (value) => value).register(fieldFacts, {
    type: 'select',
    name,
    options,
    ...(description && { description }),
  });
}

/** Title of the input that names a decision table, for errors too. */
export const RULES: LocalText = { ru: 'Таблица правил', en: 'Decision table' };

/** Letters, digits, `_`, `-`, at most 32, case-blind. */
function slotWord(name: LocalText, description: LocalText) {
  return wire(
    (text) => {
      const slot = toVisible(text);
      if (/^[A-Za-z0-9_-]{1,32}$/.test(slot)) return slot.toLowerCase();
      throw new WireValueError({
        ru: 'допустимы латинские буквы, цифры, _ и -, не больше 32 знаков',
        en: 'Latin letters, digits, _ and - are allowed, at most 32 characters',
      });
    },
    (value) => value,
  ).register(fieldFacts, { type: 'string', name, description });
}

const isYes = (text: string): boolean => ['Y', '1'].includes(toCode(text));

/** For a choice that must not be guessed. */
function readYesOrNo(text: string): boolean {
  const [, yes, no] = /^(?:(y|yes|1|true|да)|(n|no|0|false|нет))$/i.exec(toCode(text)) ?? [];
  if (yes !== undefined) return true;
  if (no !== undefined) return false;
  throw new WireValueError({ ru: 'нужно Y или N', en: 'Y or N is needed' });
}

/** Fields of a robot: each is a zod schema that decodes the portal's text and knows its form (bitrix24.md B2, C3). */
export const field = {
  string: (name: LocalText, description?: LocalText) =>
    z.string().register(fieldFacts, { type: 'string', name, ...(description && { description }) }),
  text: (name: LocalText, description?: LocalText) =>
    z.string().register(fieldFacts, { type: 'text', name, ...(description && { description }) }),
  int: (name: LocalText, description?: LocalText) =>
    wire(parseId, String).register(fieldFacts, { type: 'int', name, ...(description && { description }) }),
  bool: (name: LocalText) =>
    wire(isYes, (value) => (value ? 'Y' : 'N')).register(fieldFacts, { type: 'bool', name }),
  /** Calendar date as `YYYY-MM-DD`. */
  date: (name: LocalText) => wire(parseDate, (value) => value).register(fieldFacts, { type: 'date', name }),
  /** The wire's text: reading it needs the time zone of the settings (`parseDateTime`). */
  datetime: (name: LocalText, description?: LocalText) =>
    z.string().register(fieldFacts, { type: 'datetime', name, ...(description && { description }) }),
  /** Portal user's id. */
  user: (name: LocalText, description?: LocalText) =>
    wire(parseUser, (id) => `user_${id}`).register(fieldFacts, {
      type: 'user',
      name,
      ...(description && { description }),
    }),
  /** Sum with an optional currency; carried in a string because a money type differs between portals. */
  money: (name: LocalText, description?: LocalText) =>
    wire(parseMoney, (money) => `${money.amount}|${money.currency ?? ''}`).register(fieldFacts, {
      type: 'string',
      name,
      ...(description && { description }),
    }),
  /** A slot of the step's item, of which no usual one is meant. */
  slotName: slotWord,
  /** The step's own slot; `of` is the type of document that a step without it means. */
  slot: (of: { slot: string; texts: { another: LocalText } }) =>
    slotWord(
      { ru: 'Слот документа', en: 'Document slot' },
      {
        ru: `Пусто = ${of.slot}. Другое слово — ${of.texts.another.ru} той же сделки`,
        en: `Empty = ${of.slot}. Another word is ${of.texts.another.en} of the same deal`,
      },
    ).default(of.slot),
  select,
  /** Name of a decision table (interface.md §8), of a robot with `fills`. */
  rules: () =>
    field
      .string(RULES, {
        ru: 'Пусто = таблица default, если она есть',
        en: 'Empty = the table default, if any',
      })
      .optional(),
  /** The robot only looks (interface.md §3, Checking). */
  checkOnly: () =>
    wire(readYesOrNo, (value) => (value ? 'Y' : 'N'))
      .register(fieldFacts, { type: 'bool', name: { ru: 'Только проверить', en: 'Check only' } })
      .default(false),
  /** What a check found, one line a problem; the robot leaves it to the core. */
  problems: () => field.text({ ru: 'Неполадки', en: 'Problems' }).optional(),
  /** Which row of which table filled empty inputs; the robot leaves it to the core. */
  rule: () => field.string({ ru: 'Строка таблицы правил', en: 'Row of the decision table' }).optional(),
};
