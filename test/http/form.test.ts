import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseForm } from '../../src/http/form.ts';

const plain = (text: string): unknown => JSON.parse(JSON.stringify(parseForm(text)));

it('reads names in brackets as PHP does', () => {
  expect(plain('workflow_id=1&document_id%5B0%5D=crm&document_id[2]=DEAL_9&auth[expires]=')).toEqual({
    workflow_id: '1',
    document_id: { 0: 'crm', 2: 'DEAL_9' },
    auth: { expires: '' },
  });
  expect(plain('a[b][c][0]=1&a[b][c][7]=2')).toEqual({ a: { b: { c: { 0: '1', 7: '2' } } } });
  expect(plain('a=%D0%9F%D0%BE%D1%81%D1%82%D0%B0%D0%B2%D0%BA%D0%B0+1%2B1&b&&c=2=2&d')).toEqual({
    a: 'Поставка 1+1',
    b: '',
    c: '2=2',
    d: '',
  });
});

it('numbers what has no index, however much, and keeps every index it is given', () => {
  expect(plain('a[]=y&a[]=z&b[]=w')).toEqual({ a: { 0: 'y', 1: 'z' }, b: { 0: 'w' } });
  expect(plain('a[5000]=x&a[1]=y')).toEqual({ a: { 1: 'y', 5000: 'x' } });
  const many = parseForm(Array.from({ length: 10_000 }, () => 'a[]=x').join('&'));
  expect(Object.keys(many['a'] ?? {})).toHaveLength(10_000);
});

it('takes the last of a name that comes twice', () => {
  expect(plain('a=1&a=2&b[c]=1&b[0]=x&b%5Bc%5D=2&b[0]=y')).toEqual({ a: '2', b: { c: '2', 0: 'y' } });
});

it('leaves broken escapes as they are, and broken names and what lies too deep spoil nothing', () => {
  expect(plain('%E0%A4%A=6&a=%D0%9F%D0+%+%zz%41')).toEqual({ '\uFFFD%A': '6', a: 'П\uFFFD % %zzA' });
  const broken = '[a=1&b[c=2&d[e]f=3&g[h][i=4&=5&[]=6&][=7&b=8&d=9';
  expect(plain(`x=1&${broken}&y[z]=2`)).toMatchObject({ x: '1', y: { z: '2' } });
  for (const deep of ['[x]'.repeat(200_000), '['.repeat(900_000)])
    expect(plain(`a${deep}=1&b=2&c[0][1][2]=3`)).toMatchObject({ b: '2', c: { 0: { 1: { 2: '3' } } } });
});

it('cleans names and values of what the database cannot hold, escaped or bare', () => {
  expect(plain('a%00b=1%00&c[\0]=\0&d=%ED%A0%BD&e=\ud83d')).toEqual({
    ...{ 'a\uFFFDb': '1\uFFFD', c: { '\uFFFD': '\uFFFD' } },
    ...{ d: '\uFFFD'.repeat(3), e: '\uFFFD' },
  });
});

it('knows no names but those of the form', () => {
  const form = parseForm('__proto__[admin]=1&constructor[prototype][admin]=1&auth[__proto__][admin]=1&a[]=1');
  expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  expect(Object.keys(form)).toEqual(['constructor', 'auth', 'a']);
  for (const one of [form, form['auth'], form['a']] as Record<string, unknown>[])
    expect([one['toString'], one['admin'], Object.getPrototypeOf(one)]).toEqual([undefined, undefined, null]);
});

it('refuses more fields than any call has', () => {
  expect(() => parseForm('a=1&'.repeat(20_001))).toThrow(RangeError);
  expect(plain('a=1&'.repeat(19_999))).toEqual({ a: '1' });
});

it('reads back whatever a portal can send', () => {
  const text = fc.string({ unit: 'grapheme' });
  const code = fc.stringMatching(/^[a-z_][a-z0-9_]{0,15}$/);
  const list = fc
    .uniqueArray(fc.nat(999), { minLength: 1, maxLength: 20 })
    .chain((indexes) =>
      fc
        .tuple(...indexes.map(() => text))
        .map((values) => Object.fromEntries(indexes.map((at, n) => [at, values[n]]))),
    );
  const form = fc.dictionary(
    code,
    fc.oneof(text, list, fc.dictionary(code, fc.oneof(text, list), { minKeys: 1 })),
  );
  const encode = (value: unknown, name: string): string[] =>
    typeof value === 'string'
      ? [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`]
      : Object.entries(value as object).flatMap(([key, inner]) =>
          encode(inner, name ? `${name}[${key}]` : key),
        );
  fc.assert(
    fc.property(form, (given) => {
      expect(plain(encode(given, '').join('&'))).toEqual(given);
    }),
  );
});
