import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allOf,
  anyRow,
  differs,
  EVERY_ROW,
  equals,
  type Filter,
  guid,
  isAmong,
  isGreater,
  moment,
  oneOf,
  sameText,
} from '../../../src/directum/odata/filter.ts';
import { fitsLine, toPath } from '../../../src/directum/odata/query.ts';
import { toClean } from '../../../src/lib/text.ts';

/** What Directum reads in the address; the filter must be its only option. */
function readBy(filter: Filter): string {
  const path = toPath('ISet', { filter });
  expect(path).toMatch(/^[\x21-\x7e]+$/);
  const options = [...new URL(path, 'http://x/').searchParams];
  expect(options.map(([name]) => name)).toEqual(['$filter']);
  expect(new URL(path, 'http://x/').hash).toBe('');
  return options[0]?.[1] ?? '';
}

/** Texts of the filter, read as OData reads them, and what stands around them. */
function literals(filter: Filter): { texts: string[]; around: string } {
  const texts: string[] = [];
  const around = readBy(filter).replace(/'((?:[^']|'')*)'/g, (_, text: string) => {
    texts.push(text.replaceAll("''", "'"));
    return '?';
  });
  return { texts, around };
}

/** Any text as it comes in: cleaned, with many of the signs that mean something in an address or a filter. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "'",
        "''",
        '%27',
        '%',
        '&',
        '#',
        '+',
        '?',
        '=',
        '/',
        ' or ',
        ') or (',
        '\u00a0',
        '\n',
        'Щ',
      ),
      fc.string({ unit: 'binary' }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => toClean(parts.join('')));

describe('a text in a filter', () => {
  it('stays one text, whatever it holds', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(literals(equals('Name', value))).toEqual({ texts: [value], around: 'Name eq ?' });
        expect(literals(differs('Name', value))).toEqual({ texts: [value], around: 'Name ne ?' });
      }),
    );
  });

  it('stays one text in every combination', () => {
    fc.assert(
      fc.property(text, text, text, (a, b, c) => {
        const filter = allOf(
          oneOf([equals('A', a), isAmong('B', [b, 1])]),
          anyRow('Rows', (of) => equals(of('C'), c)),
        );
        expect(literals(filter)).toEqual({
          texts: [a, b, c],
          around: '(A eq ? or (B eq ? or B eq 1)) and Rows/any(a: a/C eq ?)',
        });
      }),
    );
  });

  it('is compared without case by as much of it as a start line holds', () => {
    fc.assert(
      fc.property(
        text.filter((one) => one !== ''),
        fc.integer({ min: 40, max: 120 }),
        (value, most) => {
          const filter = sameText('Name', value, most);
          const { texts, around } = literals(filter);
          expect(around).toMatch(/^(tolower\(Name\) eq \?|(startswith|contains)\(tolower\(Name\),\?\))$/);
          expect(texts).toHaveLength(1);
          expect(texts[0]?.length).toBeLessThanOrEqual(most);
          expect(value.toLowerCase()).toContain(texts[0]);
          expect(around.includes(' eq ')).toBe(texts[0] === value.toLowerCase());
          expect(fitsLine('/Integration/odata/', toPath('ISet', { filter }))).toBe(true);
        },
      ),
    );
  });
});

describe('a filter', () => {
  it.each([
    [EVERY_ROW, 'Id gt 0'],
    [equals('TRRC', null), 'TRRC eq null'],
    [equals('Login/LoginName', 'DOMAIN\\bot'), "Login/LoginName eq 'DOMAIN\\bot'"],
    [isAmong('Id', [7]), 'Id eq 7'],
    [isAmong('Id', [1, 2]), 'Id eq 1 or Id eq 2'],
    [allOf(isAmong('Id', [1, 2]), isGreater('Id', 5)), '(Id eq 1 or Id eq 2) and Id gt 5'],
    [isGreater('Modified', moment('2026-03-01T00:00:00Z')), 'Modified gt 2026-03-01T00:00:00Z'],
    [isGreater('Modified', moment('2026-03-01T00:00:00+04:00')), 'Modified gt 2026-03-01T00:00:00+04:00'],
    [
      anyRow('AttachmentDetails', (of) =>
        allOf(
          equals(of('AttachmentId'), 5),
          equals(of('GroupId'), guid('08e1ef90-521f-41a1-a13f-c6f175007e54')),
        ),
      ),
      'AttachmentDetails/any(a: a/AttachmentId eq 5 and a/GroupId eq 08e1ef90-521f-41a1-a13f-c6f175007e54)',
    ],
  ])('is read as it is meant: %s', (filter, read) => {
    expect(readBy(filter)).toBe(read);
  });

  it('takes nothing without quotes that is no moment and no GUID', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(() => moment(value)).toThrow(RangeError);
        expect(() => guid(value)).toThrow(RangeError);
      }),
    );
    expect(() => moment('2026-03-01T00:00:00')).toThrow(RangeError);
  });

  it('of nothing is refused, for it would mean every record', () => {
    expect(() => isAmong('Id', [])).toThrow(RangeError);
    expect(() => allOf()).toThrow(RangeError);
  });
});
