import { expect, it } from 'vitest';
import { fieldName, readFacts, readItems } from '../../../../src/bitrix24/deal/fields/field-facts.ts';

const ok = (result: unknown) => ({ ok: true as const, result });
const NAMES = { UF_CRM_DIRECTUM_STATUS: { type: 'enumeration' }, UF_CRM_DIRECTUM_ID: {} };

it('fields are found in either spelling of their names', () => {
  expect(readFacts('CRM_DEAL', ok({ fields: NAMES }), undefined)?.parts).toEqual(['STATUS', 'ID']);
  const camel = { ufCrm44DirectumUrl: {}, ufCrmDirectumNumber: {} };
  expect(readFacts('CRM_44', ok({ fields: camel }), undefined)?.parts).toEqual(['URL']);
  expect(fieldName('CRM_44', 'URL')).toBe('UF_CRM_44_DIRECTUM_URL');
});

it('items of the status list are those of our field, whatever else a portal lists', () => {
  const list = [
    { FIELD_NAME: 'UF_CRM_OWN', LIST: [{ ID: '7', VALUE: 'Мой', XML_ID: 'created' }] },
    { FIELD_NAME: 'UF_CRM_DIRECTUM_STATUS', LIST: [{ ID: '8', VALUE: 'Новый', XML_ID: 'created' }] },
    { FIELD_NAME: 'UF_CRM_OWN2', LIST: [{ ID: '9', VALUE: 'Мой', XML_ID: 'created' }] },
  ];
  expect(readFacts('CRM_DEAL', ok({ fields: NAMES }), ok(list))?.items).toEqual({ created: 8 });
});

it('an item’s code says more than its title', () => {
  const items = [
    { id: '1', value: 'Executed', xmlId: 'approved' },
    { id: '2', value: 'Исполнен', xmlId: 'other' },
    { id: '3', value: 'Готово', xmlId: 'executed' },
  ];
  expect(readItems({ field: { enum: items } })).toEqual({ approved: 1, executed: 3 });
  expect(readItems({ items: [{ ID: 4, VALUE: 'Rejected' }, { ID: 'x', VALUE: 'Deleted' }, null] })).toEqual({
    rejected: 4,
  });
});

it('an answer that cannot be read is no answer', () => {
  expect(readFacts('CRM_DEAL', ok('text'), undefined)).toBeNull();
  const refused = { ok: false as const, error: 'X', description: '', kind: 'refused' as const, retry: false };
  expect(readFacts('CRM_DEAL', refused, undefined)).toBeNull();
});
