import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Obligations, toCheckDay, toDay, toDueFacts } from '../../../src/documents/facts/due.ts';
import type { DocumentDates } from '../../../src/documents/ports/document.ts';

const STEPS = [30, 7, 1];
function contract(dates: Partial<DocumentDates>, status: Obligations['status'] = 'signed_both'): Obligations {
  return {
    name: 'Договор',
    url: 'https://rx/1',
    status,
    dates: { id: 1, validTill: null, milestones: [], ...dates },
  };
}
const keys = (of: Obligations, today: string, steps = STEPS, newSince: string | null = null) =>
  toDueFacts(of, today, steps, newSince)
    .filter(({ kind }) => kind === 'trigger')
    .map(({ code, key }) => `${code} ${key}`);

describe('a date that is near', () => {
  const of = contract({ validTill: '2026-03-31' });

  it.each([
    ['2026-02-28', []],
    ['2026-03-01', ['directum_due 2026-03-31/30']],
    ['2026-03-23', ['directum_due 2026-03-31/30']],
    ['2026-03-24', ['directum_due 2026-03-31/7']],
    ['2026-03-30', ['directum_due 2026-03-31/1']],
    ['2026-03-31', ['directum_due 2026-03-31/1']],
    ['2026-04-01', ['directum_overdue 2026-03-31']],
  ])('on %s', (today, expected) => {
    expect(keys(of, today)).toEqual(expected);
    expect(keys(of, today, STEPS.toReversed())).toEqual(expected);
  });

  it('is told at the nearest step alone, however many days were missed', () => {
    const day = fc.integer({ min: 0, max: 60 }).map((days) => new Date(Date.UTC(2026, 1, 10 + days)));
    fc.assert(
      fc.property(day, fc.array(fc.integer({ min: 0, max: 90 })), (at, steps) => {
        expect(keys(of, at.toISOString().slice(0, 10), steps).length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('of several obligations is one fact, which names them', () => {
    const stage = (id: number, name: string) => ({ id, name, deadline: '2026-03-08', completed: false });
    const facts = toDueFacts(
      contract({ validTill: '2026-12-31', milestones: [stage(1, 'Поставка'), stage(2, 'Акт')] }),
      '2026-03-02',
      STEPS,
      null,
    );
    expect(facts.map(({ kind, key }) => `${kind} ${key}`)).toEqual([
      'trigger 2026-03-08/7',
      'notice 2026-03-08/7',
    ]);
    expect(facts[1]?.text).toMatchObject({
      ru: expect.stringContaining(
        'Этапы «Поставка», «Акт» по документу «Договор»: срок 08.03.2026, осталось: 6 дней.',
      ),
      en: expect.stringContaining('due on 2026-03-08, 6 days left.'),
    });
  });

  it('is not told once it is fulfilled or the document ended', () => {
    const done = { id: 1, name: 'Поставка', deadline: '2026-03-31', completed: true };
    expect(keys(contract({ milestones: [done] }), '2026-03-30')).toEqual([]);
    for (const status of ['executed', 'annulled', 'deleted'] as const) {
      expect(keys(contract({ validTill: '2026-03-31' }, status), '2026-03-30')).toEqual([]);
      expect(keys(contract({ validTill: '2026-03-31' }, status), '2026-04-30')).toEqual([]);
    }
    expect(keys(contract({ validTill: '2026-03-31' }, 'created'), '2026-04-30')).toHaveLength(1);
  });
});

describe('a date that passed', () => {
  it('is overdue once, also when it moves', () => {
    const of = (validTill: string) => keys(contract({ validTill }), '2026-05-01');
    expect([of('2026-03-31'), of('2026-03-31'), of('2026-04-30')]).toEqual([
      ['directum_overdue 2026-03-31'],
      ['directum_overdue 2026-03-31'],
      ['directum_overdue 2026-04-30'],
    ]);
  });

  it('of a milestone is told to people and fires nothing', () => {
    const late = { id: 1, name: 'Поставка', deadline: '2026-03-01', completed: false };
    expect(toDueFacts(contract({ milestones: [late] }), '2026-03-02', STEPS, null)).toMatchObject([
      { kind: 'notice', code: 'overdue', key: '2026-03-01' },
    ]);
  });

  it('before it could be news is not told', () => {
    const of = contract({ validTill: '2026-03-31' });
    expect(keys(of, '2026-04-02', STEPS, '2026-04-01')).toEqual([]);
    expect(keys(of, '2026-04-02', STEPS, '2026-03-31')).toHaveLength(1);
  });
});

it('days begin by the zone, and the daily check in the morning', () => {
  const evening = new Date('2026-03-01T21:30:00Z');
  expect([toDay(evening, 'Europe/Moscow'), toDay(evening, 'America/New_York')]).toEqual([
    '2026-03-02',
    '2026-03-01',
  ]);
  expect(toCheckDay(evening, 'Europe/Moscow')).toBe('2026-03-01');
  expect(toCheckDay(new Date('2026-03-02T05:00:00Z'), 'Europe/Moscow')).toBe('2026-03-02');
});
