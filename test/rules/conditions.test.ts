import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ItemField } from '../../src/robot/ports/portal.ts';
import { holds } from '../../src/rules/fill/conditions.ts';
import type { Condition } from '../../src/rules/tables/tables.ts';

const kind = (type: string, items: [string, string][] = []): ItemField => ({ type, items: new Map(items) });
const KINDS = new Map([
  [
    'UF_CRM_REGION',
    kind('enumeration', [
      ['101', 'Москва'],
      ['102', 'Тверь'],
    ]),
  ],
  ['UF_CRM_TEXT', kind('string')],
  ['UF_CRM_SUM', kind('money')],
  ['UF_CRM_DAY', kind('date')],
  ['UF_CRM_AT', kind('datetime')],
  ['UF_CRM_BOSS', kind('employee')],
  ['UF_CRM_VIP', kind('boolean')],
]);

const meets = (field: string, value: unknown, condition: Condition) =>
  holds({ [field]: condition }, { fields: { [field]: value }, itemFields: KINDS, timeZone: 'Europe/Moscow' });

describe('a condition', () => {
  it.each<[string, unknown, Condition]>([
    ['categoryId', 3, 3],
    ['categoryId', 0, 0],
    ['categoryId', '3', 3],
    ['opportunity', '1200000.00', 1_200_000],
    ['opportunity', 1_000_000, { from: 1_000_000 }],
    ['opportunity', 1_000_000, { to: 1_000_000 }],
    ['opportunity', '5.5', { from: '5,5', to: 6 }],
    ['title', '  Поставка  СТАНКА ', 'поставка станка'],
    ['stageId', 'C3:NEW', ['C3:WON', 'c3:new']],
    ['UF_CRM_REGION', 101, 'москва'],
    ['UF_CRM_REGION', '101', 101],
    ['UF_CRM_REGION', [102, 101], ['Москва']],
    ['UF_CRM_TEXT', '007', '007'],
    ['UF_CRM_SUM', '1200000|RUB', 1_200_000],
    ['UF_CRM_SUM', '1200000|RUB', '1200000|rub'],
    ['UF_CRM_SUM', '5|RUB', { from: 5, to: 5 }],
    ['UF_CRM_DAY', '2026-03-31T03:00:00+03:00', '2026-03-31'],
    ['UF_CRM_DAY', '2026-03-31T00:00:00+00:00', { from: '01.03.2026', to: '31.03.2026' }],
    ['UF_CRM_AT', '2026-03-31T23:30:00+03:00', { to: '2026-03-31' }],
    ['begindate', '2026-03-31T03:00:00+03:00', { from: '2026-03-31' }],
    ['createdTime', '2026-03-31T21:30:00+00:00', { from: '2026-04-01', to: '2026-04-01' }],
    ['assignedById', 7, 'user_7'],
    ['UF_CRM_BOSS', 7, 7],
    ['UF_CRM_VIP', 'Y', true],
    ['UF_CRM_VIP', 'N', false],
    ['UF_CRM_VIP', '1', 'Y'],
    ['opened', 'Y', true],
    ['companyId', 0, null],
    ['title', '', null],
    ['UF_CRM_REGION', [], null],
    ['UF_CRM_REGION', false, null],
    ['title', null, ['x', null]],
  ])('%s %j meets %j', (field, value, condition) => {
    expect(meets(field, value, condition)).toBe(true);
  });

  it.each<[string, unknown, Condition]>([
    ['categoryId', 3, 4],
    ['categoryId', 0, null],
    ['opportunity', 999_999.99, { from: 1_000_000 }],
    ['opportunity', null, { to: 5 }],
    ['opportunity', 0, null],
    ['title', null, 'null'],
    ['title', undefined, ''],
    ['companyId', 0, 0],
    ['UF_CRM_REGION', 101, 'Тверь'],
    ['UF_CRM_REGION', 999, 'Москва'],
    ['UF_CRM_TEXT', '007', 7],
    ['UF_CRM_SUM', '1200000|USD', '1200000|RUB'],
    ['UF_CRM_DAY', '2026-04-01T00:00:00+03:00', { to: '2026-03-31' }],
    ['UF_CRM_AT', '2026-04-01T00:00:00+03:00', { to: '2026-03-31' }],
    ['createdTime', '2026-03-31T21:30:00+00:00', { to: '2026-03-31' }],
    ['title', 'text', { from: 1 }],
    ['title', 'text', { from: '2026-01-01' }],
    ['assignedById', 7, 'user_8'],
    ['UF_CRM_VIP', 'N', true],
    ['UF_CRM_VIP', null, false],
    ['UF_CRM_GONE', undefined, 'x'],
    ['toString', undefined, 'x'],
  ])('%s %j does not meet %j', (field, value, condition) => {
    expect(meets(field, value, condition)).toBe(false);
  });

  it('holds for a list of the item when one member meets it, and for no condition at all', () => {
    const item = { fields: { contactIds: [5, 8] }, timeZone: 'UTC' };
    expect(holds({ contactIds: 8 }, item)).toBe(true);
    expect(holds({ contactIds: 9 }, item)).toBe(false);
    expect(holds(undefined, item)).toBe(true);
    expect(holds({ contactIds: 8, title: null }, item)).toBe(true);
    expect(holds({ contactIds: 8, title: 'x' }, item)).toBe(false);
  });

  it('orders numbers as numbers, whatever they are written as', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.integer(), (value, one, other) => {
        const [from, to] = [Math.min(one, other), Math.max(one, other)];
        const isIn = from <= value && value <= to;
        expect(meets('opportunity', String(value), { from, to: String(to) })).toBe(isIn);
      }),
    );
  });

  it('takes any value of the portal without a word', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...KINDS.keys(), 'title', 'begindate'), (value, field) => {
        for (const condition of [null, 'x', 5, true, { from: 1 }, { to: '2026-01-01' }, ['a', null]])
          expect(typeof meets(field, value, condition)).toBe('boolean');
      }),
    );
  });
});
