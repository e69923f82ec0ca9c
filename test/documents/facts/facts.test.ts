import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JUST_MADE, toFacts } from '../../../src/documents/facts/facts.ts';
import { newestRework, reworkComments } from '../../../src/documents/observe/rework.ts';
import type { DocumentSnapshot, DocumentStatus } from '../../../src/documents/ports/document.ts';
import type { Fact } from '../../../src/documents/ports/facts.ts';
import { assignment, document, resubmitted, sentBack, snapshot } from '../snapshots.ts';

const WATCHED = new Date('2026-03-01T00:00:00Z');

const triggers = (facts: Fact[]) => facts.filter(({ kind }) => kind === 'trigger').map(({ code }) => code);
const notices = (facts: Fact[]) => facts.filter(({ kind }) => kind === 'notice').map(({ code }) => code);
const between = (before: DocumentStatus, after: DocumentStatus) =>
  toFacts(snapshot(before), snapshot(after), WATCHED);

/** What a ledger keeps of a row of looks. */
function tellAll(first: DocumentSnapshot | null, looks: DocumentSnapshot[]): Map<string, Fact> {
  const told = new Map<string, Fact>();
  let before = first;
  for (const after of looks) {
    for (const fact of toFacts(before, after, WATCHED)) {
      const id = `${fact.kind} ${fact.code} ${fact.key}`;
      if (!told.has(id)) told.set(id, fact);
    }
    before = after;
  }
  return told;
}

describe('triggers of a status', () => {
  it.each([
    ['on_approval', 'approved', ['directum_approved']],
    ['approved', 'signed_us', ['directum_signed_us']],
    ['signed_us', 'signed_both', ['directum_signed_both']],
    ['signed_both', 'executed', ['directum_executed']],
    ['on_approval', 'rejected', ['directum_rejected']],
    ['signed_us', 'rejected', ['directum_rejected']],
    ['created', 'on_approval', []],
    ['signed_us', 'annulled', []],
    ['signed_both', 'deleted', []],
  ] as const)('%s → %s', (before, after, codes) => {
    expect(triggers(between(before, after))).toEqual(codes);
  });

  it('of steps that no look saw are told in their order', () => {
    expect(triggers(between('approved', 'signed_both'))).toEqual([
      'directum_signed_us',
      'directum_signed_both',
    ]);
    expect(triggers(between('created', 'executed'))).toEqual([
      'directum_approved',
      'directum_signed_us',
      'directum_signed_both',
      'directum_executed',
    ]);
  });

  it('of a contract that both signed in an exchange are told when no look saw it before its execution', () => {
    const closed = snapshot('executed', {
      state: document({ lifeCycleState: 'Closed', exchangeState: 'Signed' }),
    });
    expect(triggers(toFacts(snapshot('created'), closed, WATCHED))).toEqual(
      triggers(between('created', 'executed')),
    );
  });

  it('do not call a contract signed that was executed without a signature', () => {
    const closed = snapshot('executed', { state: document({ lifeCycleState: 'Closed' }) });
    expect(triggers(toFacts(snapshot('created'), closed, WATCHED))).toEqual(['directum_executed']);
  });

  it('are silent at the first look at a document that was there before, and not at one just made', () => {
    expect(toFacts(null, snapshot('signed_both'), WATCHED)).toEqual([]);
    expect(triggers(toFacts(JUST_MADE, snapshot('approved'), WATCHED))).toEqual(['directum_approved']);
  });
});

describe('notices to the responsible', () => {
  it('tell the last step alone', () => {
    expect(notices(between('created', 'signed_both'))).toEqual(['signed_both']);
    expect(notices(between('signed_both', 'executed'))).toEqual([]);
  });

  it('say what happened, in which document, and what to do, in both languages', () => {
    const text = between('approved', 'signed_us').find(({ kind }) => kind === 'notice')?.text;
    expect(text?.ru).toContain(
      'Документ «Договор «Поставка»» подписан с нашей стороны. https://rx/5001\nПроследите',
    );
    expect(text?.en).toContain('is signed by us. https://rx/5001\nSee that');
  });
});

describe('a return for rework', () => {
  const first = sentBack(
    1,
    '2026-03-02T09:00:00Z',
    '2026-03-02T10:00:00Z',
    'Нет\nсрока [URL=http://evil]оплаты[/URL]',
  );
  const parallel = sentBack(2, '2026-03-02T09:00:00Z', '2026-03-02T11:00:00Z', 'И суммы');
  const again = resubmitted(3, '2026-03-02T10:00:00Z', '2026-03-02T12:00:00Z');
  const second = sentBack(4, '2026-03-02T12:00:00Z', '2026-03-02T13:00:00Z');
  const rework = (...assignments: DocumentSnapshot['assignments']) => snapshot('rework', { assignments });
  const keys = (facts: Iterable<Fact>) =>
    [...facts].filter(({ code }) => code === 'directum_rework').map(({ key }) => key);

  it('is named by the assignment that caused it and brings the approvers’ words without markup', () => {
    const facts = toFacts(snapshot('on_approval'), rework(first, parallel), WATCHED);
    expect(keys(facts)).toEqual(['1']);
    const text = facts.find(({ kind }) => kind === 'notice')?.text?.ru;
    expect(text).toContain('Анна: «Нет срока (URL=http://evil)оплаты(/URL)»\nАнна: «И суммы»');
  });

  it('is one, though approvers asked at once send the document back one after another', () => {
    const told = tellAll(snapshot('on_approval'), [
      rework(first),
      rework(first, parallel),
      rework(first, parallel),
    ]);
    expect(keys(told.values())).toEqual(['1']);
  });

  it('is new each time, also when no look saw the document go on in between', () => {
    const gone = snapshot('on_approval', { assignments: [first, again] });
    expect(
      keys(tellAll(snapshot('on_approval'), [rework(first), gone, rework(first, again, second)]).values()),
    ).toEqual(['1', '4']);
    expect(
      keys(tellAll(snapshot('on_approval'), [rework(first), rework(first, again, second)]).values()),
    ).toEqual(['1', '4']);
  });

  // Directum writes whole seconds: of what happened within one, the ids tell the order.
  const NOW = '2026-03-02T10:00:00Z';
  const atOnce = [
    sentBack(11, NOW, NOW),
    resubmitted(12, NOW, NOW),
    sentBack(13, NOW, NOW),
    resubmitted(14, NOW, NOW),
  ];

  it('is new though the one before, the answer to it and this one are of one second', () => {
    const looks = [atOnce.slice(0, 1), atOnce.slice(0, 3)].map((some) => rework(...some));
    expect(keys(tellAll(snapshot('on_approval'), looks).values())).toEqual(['11', '13']);
    const known = snapshot('rework', { assignments: atOnce.slice(0, 2) });
    expect(keys(toFacts(known, rework(...atOnce.slice(0, 3)), WATCHED))).toEqual(['13']);
    const byMoment = [rework(), rework(...atOnce.slice(0, 3))];
    expect(keys(tellAll(snapshot('on_approval'), byMoment).values())).toEqual([`since ${NOW}`, '13']);
  });

  it('is one of several approvers who were asked and answered within one second', () => {
    const both = [sentBack(11, NOW, NOW, 'Срок?'), sentBack(12, NOW, NOW, 'Сумма?')];
    const looks = [both.slice(0, 1), both].map((some) => rework(...some));
    expect(keys(tellAll(snapshot('on_approval'), looks).values())).toEqual(['11']);
    expect(reworkComments(both)).toHaveLength(2);
  });

  it('is over when its answer came within its second', () => {
    expect(newestRework(atOnce)).toMatchObject({ id: 13, closed: true });
    const open = atOnce.slice(0, 3).map((one) => ({ ...one, comment: `Правка ${one.id}` }));
    expect(newestRework(open)).toMatchObject({ id: 13, closed: false });
    expect(reworkComments(open)).toEqual([{ who: 'Анна', comment: 'Правка 13' }]);
  });

  it('is new when the document went on and came back, though no assignment shows either', () => {
    const gone = snapshot('on_approval', { assignments: [first], since: '2026-03-02T12:00:00Z' });
    const back = snapshot('rework', { assignments: [first], since: '2026-03-02T13:00:00Z' });
    const told = tellAll(snapshot('on_approval'), [rework(first), gone, back]);
    expect(keys(told.values())).toEqual(['1', 'since 2026-03-02T13:00:00Z']);
    const [, last] = [...told.values()].filter(({ kind, code }) => kind === 'notice' && code === 'rework');
    expect(last?.text?.ru).not.toContain('срока');
  });

  it('is told once when its assignment shows up late, and the next one is told then too', () => {
    const late = [rework(), rework(first), rework(first, parallel)];
    expect(keys(tellAll(snapshot('on_approval'), late).values())).toEqual(['since 2026-03-02T10:00:00Z']);
    expect(keys(tellAll(snapshot('on_approval'), [...late, rework(first, again, second)]).values())).toEqual([
      'since 2026-03-02T10:00:00Z',
      '4',
    ]);
    const known = snapshot('on_approval', { assignments: [first, again] });
    const stale = [snapshot('rework', { assignments: [first, again], since: '2026-03-02T13:00:00Z' })];
    const later = [rework(first, again, second)];
    expect(keys(tellAll(known, [...stale, ...later]).values())).toEqual(['since 2026-03-02T13:00:00Z']);
  });
});

describe('requests to the performer', () => {
  it('go out once for each assignment and person, and not for what is older than the watching', () => {
    const asked = assignment(11, { created: '2026-03-02T10:00:00Z' });
    const old = assignment(12, { created: '2026-02-01T10:00:00Z' });
    const other = assignment(11, { performer: { id: 35, name: 'Пётр', email: 'petr@acme.example' } });
    const alone = assignment(13, { performer: { id: 36, name: 'Робот', email: null } });
    const facts = toFacts(null, snapshot('on_approval', { assignments: [asked, old, alone] }), WATCHED);
    expect(facts.map(({ code, key, email }) => [code, key, email])).toEqual([
      ['approval_needed', '11/34', 'anna@acme.example'],
    ]);
    const told = tellAll(snapshot('created', { assignments: [asked] }), [
      snapshot('on_approval', { assignments: [asked] }),
      snapshot('on_approval', { assignments: [asked, alone] }),
      snapshot('on_approval', { assignments: [other] }),
    ]);
    expect([...told.values()].map(({ key }) => key)).toEqual(['11/34', '11/35']);
  });

  it('follow the type of the assignment where Directum shows it, whatever the document shows', () => {
    const asked = (['approval', 'signing', 'rework', 'other'] as const).map((kind, at) =>
      assignment(31 + at, { kind }),
    );
    const facts = (status: DocumentStatus) =>
      toFacts(snapshot(status), snapshot(status, { assignments: asked }), WATCHED).map(({ code, key }) => [
        code,
        key,
      ]);
    const both = [
      ['approval_needed', '31/34'],
      ['signature_needed', '32/34'],
    ];
    expect([facts('on_approval'), facts('approved'), facts('rework'), facts('annulled')]).toEqual([
      both,
      both,
      both,
      [],
    ]);
    const later = toFacts(
      snapshot('on_approval', { assignments: asked }),
      snapshot('approved', { assignments: asked }),
      WATCHED,
    );
    expect(later.map(({ code }) => code)).not.toContain('signature_needed');
  });

  it('ask for a signature once the document is approved, and for nothing afterwards', () => {
    const asked = [assignment(21)];
    const codes = (status: DocumentStatus) =>
      notices(toFacts(snapshot(status), snapshot(status, { assignments: asked }), WATCHED));
    expect([codes('approved'), codes('signed_us'), codes('rework')]).toEqual([['signature_needed'], [], []]);
  });
});

it('whatever is looked at, however often and in whatever order, each fact is told once and the last one is', () => {
  const life = [
    'on_approval',
    'rework',
    'on_approval',
    'approved',
    'signed_us',
    'signed_both',
    'executed',
  ] as const;
  const back = sentBack(1, '2026-03-02T09:00:00Z', '2026-03-02T10:00:00Z');
  const on = resubmitted(2, '2026-03-02T10:00:00Z', '2026-03-02T12:00:00Z');
  const looks = life.map((status, at) =>
    snapshot(status, { assignments: at === 0 ? [] : at === 1 ? [back] : [back, on] }),
  );
  const visits = fc.array(fc.nat({ max: life.length - 1 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(visits, (order) => {
      const seen = order.map((at) => looks[at] as DocumentSnapshot);
      const told = [...tellAll(JUST_MADE, seen).values()].filter(({ kind }) => kind === 'trigger');
      const codes = told.map(({ code }) => code);
      expect(new Set(codes).size).toBe(codes.length);
      const reached = Math.max(...order);
      const due: [number, string][] = [
        [3, 'directum_approved'],
        [4, 'directum_signed_us'],
        [5, 'directum_signed_both'],
        [6, 'directum_executed'],
      ];
      for (const [at, code] of due) expect(codes.includes(code as never)).toBe(reached >= at);
      expect(codes.includes('directum_rework')).toBe(order.includes(1));
    }),
  );
});
