import { describe, expect, it } from 'vitest';
import { CallError, parseItemRef, parseRobotCall } from '../../../src/bitrix24/robots/robot-call.ts';

const body = (change: Record<string, unknown> = {}) => ({
  code: 'directum_create_contract',
  workflow_id: 'w.1',
  document_id: ['crm', 'CCrmDocumentDeal', 'DEAL_123'],
  event_token: 'token|A1|x.y',
  properties: {
    subject: 'Станок',
    empty: '',
    list: ['a', 'b'],
    gaps: { 5: 'second', 2: 'first' },
    deep: { a: { b: '1' } },
  },
  use_subscription: 'Y',
  timeout_duration: '60',
  auth: {
    member_id: 'm1',
    application_token: 't',
    access_token: 'a',
    refresh_token: 'r',
    user_id: '5',
    server_endpoint: 'https://oauth.example/rest/',
  },
  later_field: 'x',
  ...change,
});

describe('a robot call', () => {
  it('is read with lists in order and nothing deeper', () => {
    const call = parseRobotCall(body());
    expect(call.properties).toEqual({
      subject: 'Станок',
      list: ['a', 'b'],
      gaps: ['first', 'second'],
    });
    expect(Object.getPrototypeOf(call.properties)).toBeNull();
    expect(call).toMatchObject({
      timeoutSeconds: 60,
      useSubscription: true,
      documentId: ['crm', 'CCrmDocumentDeal', 'DEAL_123'],
    });
    expect(call.tokens).toMatchObject({
      access: 'a',
      refresh: 'r',
      userId: 5,
      serverOrigin: 'https://oauth.example',
    });
  });

  it('keeps every member of a long list', () => {
    const list = Array.from({ length: 1_500 }, (_, n) => `user_${n}`);
    expect(parseRobotCall(body({ properties: { list } })).properties['list']).toEqual(list);
  });

  it('waits unless it says N, and does without tokens', () => {
    expect(parseRobotCall(body({ use_subscription: undefined })).useSubscription).toBe(true);
    for (const no of ['N', 'n', false, 0])
      expect(parseRobotCall(body({ use_subscription: no })).useSubscription).toBe(false);
    for (const yes of ['Y', '', null, true, 1])
      expect(parseRobotCall(body({ use_subscription: yes })).useSubscription).toBe(true);
    expect(parseRobotCall(body({ auth: { member_id: 'm', application_token: 't' } })).tokens).toBeNull();
  });

  it('is read though a list or an object without a text stands where a number is expected', () => {
    for (const odd of [['1'], { 0: '1' }, Object.create(null), { toString: '1', valueOf: '1' }]) {
      const { auth } = body();
      const call = parseRobotCall(
        body({
          ts: odd,
          timeout_duration: odd,
          auth: { ...auth, expires: odd, expires_in: odd, user_id: odd },
        }),
      );
      expect(call).toMatchObject({ timeoutSeconds: 0, tokens: { access: 'a', userId: null } });
    }
  });

  it('accepts the document id as an object of indexes', () => {
    const call = parseRobotCall(body({ document_id: { 0: 'crm', 1: 'CCrmDocumentLead', 2: 'LEAD_1' } }));
    expect(parseItemRef(call.documentId)).toEqual({ typeId: 1, id: 1, code: 'LEAD_1' });
  });

  it('names the field that is missing', () => {
    for (const blank of [' ', '\u200B', '\uFEFF\n']) {
      expect(() => parseRobotCall(body({ event_token: blank }))).toThrow(CallError);
      expect(() => parseRobotCall(body({ document_id: ['crm', 'CCrmDocumentDeal', blank] }))).toThrow(
        CallError,
      );
    }
    for (const field of ['event_token', 'document_id', 'code']) {
      expect(() => parseRobotCall(body({ [field]: undefined }))).toThrow(expect.objectContaining({ field }));
    }
    expect(() => parseRobotCall('text')).toThrow(CallError);
    const long = ['crm', 'CCrmDocumentDeal', `DEAL_${'9'.repeat(300)}`];
    expect(() => parseRobotCall(body({ document_id: long }))).toThrow(CallError);
  });

  it('that names no portal can be read: who called is checked later', () => {
    expect(parseRobotCall(body({ auth: [] })).memberId).toBe('');
  });
});

describe('the CRM item of a call', () => {
  const dynamic = 'Bitrix\\Crm\\Integration\\BizProc\\Document\\Dynamic';
  it.each([
    [['crm', 'CCrmDocumentDeal', 'DEAL_915'], { typeId: 2, id: 915, code: 'DEAL_915' }],
    [['crm', dynamic, 'DYNAMIC_177_5'], { typeId: 177, id: 5, code: 'DYNAMIC_177_5' }],
    [['crm', dynamic, 'DYNAMIC_1030_5'], { typeId: 1030, id: 5, code: 'DYNAMIC_1030_5' }],
    [
      ['crm', 'Bitrix\\Crm\\Integration\\BizProc\\Document\\SmartInvoice', 'SMART_INVOICE_49'],
      { typeId: 31, id: 49, code: 'SMART_INVOICE_49' },
    ],
    [['crm', 'CCrmDocumentDeal', 'DEAL_0015'], { typeId: 2, id: 15, code: 'DEAL_15' }],
    [['crm', 'CCrmDocumentDeal', 'LEAD_1'], null],
    [['crm', dynamic, 'DYNAMIC_2_5'], null],
    [['lists', 'BizprocDocument', '5'], null],
    [['crm', 'Bitrix\\Crm\\Integration\\BizProc\\Document\\Order', 'ORDER_3'], null],
  ])('%j is %j', (documentId, ref) => {
    expect(parseItemRef(documentId as [string, string, string])).toEqual(ref);
  });
});
