import { describe, expect, it } from 'vitest';
import { parseEvent, toRefresh } from '../../../src/bitrix24/install/events.ts';

const read = (data: unknown, event = 'onCrmTimelineItemAction') => {
  const form = { event, data, auth: { member_id: 'm1', application_token: 't' } };
  const parsed = parseEvent(form, new Date('2026-09-01T10:00:00Z'));
  return parsed && toRefresh(parsed);
};

describe('a click on "refresh now"', () => {
  const context = { id: 'directum_refresh', entityTypeId: '2', entityId: '915', activityId: '701' };

  it.each([
    ['beside the context', { ...context, documentId: '4711' }],
    ['in a list of parameters', { ...context, actionParams: { documentId: '4711' } }],
    ['in other case', { ID: 'directum_refresh', PARAMS: { DOCUMENTID: '4711' } }],
    ['under FIELDS', { FIELDS: { ...context, documentId: 4711 } }],
  ])('is read with its document %s', (_, data) => {
    expect(read(data)).toEqual({ memberId: 'm1', documentId: 4711 });
  });

  it.each([
    ['another button', { ...context, id: 'other', documentId: '4711' }],
    ['no document', context],
    ['a document that is no number', { ...context, documentId: '4711 or 1' }],
    ['a list for a document', { ...context, documentId: ['4711'] }],
    ['zero', { ...context, documentId: '0' }],
    ['no data', 'text'],
  ])('is none with %s', (_, data) => {
    expect(read(data)).toBeNull();
  });

  it('is none in another event', () => {
    expect(read({ ...context, documentId: '4711' }, 'ONCRMDEALUPDATE')).toBeNull();
  });
});
