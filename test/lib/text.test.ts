import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cleanData,
  cut,
  cutFileName,
  parseJson,
  shorten,
  shortenMiddle,
  toClean,
  toCode,
  toVisible,
} from '../../src/lib/text.ts';
import { anyText } from '../sandbox/any-text.ts';

const clean = anyText.map(toClean);
const most = fc.integer({ min: 1, max: 60 });

describe('cleaning', () => {
  it('leaves nothing that the database cannot hold, keeps lengths, and is done by one pass', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const cleaned = toClean(text);
        expect(cleaned.isWellFormed() && !cleaned.includes('\0')).toBe(true);
        expect(cleaned).toHaveLength(text.length);
        expect(toClean(cleaned)).toBe(cleaned);
      }),
    );
  });

  it('changes no text that can be held, whatever controls and marks it has', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => text.includes('\0') || toClean(text) === text),
    );
  });

  it('cleans JSON in names and values, however it is escaped', () => {
    expect(parseJson('{"a\\u0000":["\\ud83d","\\ud83d\\ude80","\\\\ud83d"],"b":null,"c":1}')).toEqual({
      'a\ufffd': ['\ufffd', '🚀', '\\ud83d'],
      b: null,
      c: 1,
    });
    expect(parseJson('"raw \0"')).toBe('raw \ufffd');
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), anyText, (value, text) => {
        const data = { [text]: [value, text] };
        const json = JSON.stringify(data);
        expect(parseJson(json)).toEqual(cleanData(JSON.parse(json)));
      }),
    );
  });

  it('takes no name of JSON for a prototype', () => {
    const data = parseJson('{"__proto__":{"a":"\\u0000"}}') as object;
    expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
    expect(Object.hasOwn(data, '__proto__')).toBe(true);
  });
});

describe('cutting', () => {
  it('never gives more than asked for, nor half a pair', () => {
    fc.assert(
      fc.property(clean, most, (text, length) => {
        for (const way of [cut, shorten, shortenMiddle]) {
          const short = way(text, length);
          expect(short.length).toBeLessThanOrEqual(length);
          expect(short.isWellFormed()).toBe(true);
          if (text.length <= length) expect(short).toBe(text);
        }
        expect(text.startsWith(cut(text, length))).toBe(true);
      }),
    );
  });

  it('cuts between letters, and a heap of marks anywhere', () => {
    expect(cut(`${'а'.repeat(59)}🚀`, 60)).toBe('а'.repeat(59));
    expect(cut('ab👨‍👩‍👧', 5)).toBe('ab');
    expect(cut('🇷🇺🇷🇺', 6)).toBe('🇷🇺');
    expect(cut(`a${'\u0301'.repeat(500)}`, 250)).toHaveLength(250);
    expect(shorten('абвгд', 4)).toBe('абв…');
  });

  it('keeps both ends where both matter', () => {
    const text = `Поле «${'»x'.repeat(400)}» пусто. Заполните его.`;
    expect(shortenMiddle(text, 500)).toMatch(/^Поле «.*…[^…]*» пусто\. Заполните его\.$/);
    expect(shortenMiddle(text, 500)).toHaveLength(500);
  });

  it('keeps the extension of a file', () => {
    expect(cutFileName(`${'я'.repeat(206)}.docx`, 200)).toBe(`${'я'.repeat(195)}.docx`);
    expect(cutFileName(`${'🚀'.repeat(120)}.docx`, 200)).toBe(`${'🚀'.repeat(97)}.docx`);
    expect(cutFileName('я'.repeat(300), 200)).toBe('я'.repeat(200));
    expect(cutFileName('договор.docx', 200)).toBe('договор.docx');
    fc.assert(
      fc.property(clean, fc.stringMatching(/^[a-z]{1,5}$/), (name, extension) => {
        const short = cutFileName(`${name}.${extension}`, 30);
        expect(short.length).toBeLessThanOrEqual(30);
        expect(short.endsWith(`.${extension}`)).toBe(true);
      }),
    );
  });
});

describe('codes', () => {
  it('are read without spaces and without what nobody sees', () => {
    expect(toCode('\ufeff77\u200b99\u00ad 00\u00a000\u202f\u200e12\u2060\t\u3000')).toBe('7799000012');
    expect(toVisible('  Договор\u00a0\u200b поставки\u00ad\u202c ')).toBe('Договор поставки');
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(' ', '\u200b', '\u00ad', '\u202f', '\u2007', '\ufe0f', '\u0085')),
        (marks) => toCode(['7', ...marks, '8'].join('')) === '78',
      ),
    );
  });
});
