import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toPortalError } from '../../../src/bitrix24/rest/portal-error.ts';

const kindOf = (description: string, code = '', status: number | null = 400) =>
  toPortalError({ code, status, description }).kind;

describe('refusals without a code', () => {
  it.each([
    ['access', 'Access denied.'],
    ['access', 'Access denied'],
    ['access', 'Access denied! Admin permissions required'],
    ['access', 'Доступ запрещен.'],
    ['access', 'Доступ запрещён'],
    ['gone', 'Not found'],
    ['gone', 'Entity not found.'],
    ['gone', 'Document not found'],
    ['gone', "The Requisite with ID '7' is not found"],
    ['gone', 'Элемент не найден.'],
    ['refused', 'ENTITY_TYPE_ID is not defined or invalid.'],
    ['refused', 'Trigger with code X is not registered.'],
  ])('%s: %s', (kind, text) => {
    expect(kindOf(text)).toBe(kind);
    expect(kindOf(text, '0')).toBe(kind);
  });

  it('are not told by what a record is called', () => {
    const name = fc.oneof(
      fc.constantFrom('Access denied', 'Not found Ltd', 'Доступ запрещён', 'Не найден', 'Entity not found.'),
      fc.string({ unit: 'grapheme' }),
    );
    fc.assert(
      fc.property(name, (text) => {
        expect(kindOf(`Поле «Название» компании «${text}» заполнено неверно`)).toBe('refused');
        expect(kindOf(`Company "${text}" has a wrong phone`)).toBe('refused');
        expect(kindOf(`Duplicate of ${text}`)).toBe('refused');
      }),
    );
  });

  it('a code counts before any word', () => {
    expect(kindOf('Not found', 'CRM_FIELD_ERROR_VALUE_NOT_VALID')).toBe('refused');
    expect(kindOf('Not found', 'ACCESS_DENIED')).toBe('access');
    expect(kindOf('Access denied', 'NOT_FOUND')).toBe('gone');
  });
});
