import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toFactsOf } from '../../../src/documents/facts/journal-lines.ts';
import type { SnapshotChange } from '../../../src/documents/ports/document.ts';
import { written } from '../../store/journal/written.ts';
import { type DocumentBench, documentBench, MINUTE } from '../bench.ts';
import { assignment, document, snapshot } from '../snapshots.ts';

const NOW = new Date('2026-03-02T11:00:00Z');
const at = (day: number) => new Date(Date.UTC(2026, 1, day));

function change(more: Partial<SnapshotChange>): SnapshotChange {
  const items = [{ portal: 'p', itemCode: 'DEAL_1', since: at(1), type: null }];
  const before = snapshot('created');
  return { documentId: 5001, items, made: false, before, assignmentsBefore: [], after: before, ...more };
}
const factsOf = (...changes: Partial<SnapshotChange>[]) => toFactsOf(changes.map(change), NOW);
const shortOf = (...changes: Partial<SnapshotChange>[]) =>
  factsOf(...changes).lines.map(({ type, data }) => [type, data]);

describe('a status', () => {
  it('has one line with Directum’s moment, the kind and the status before', () => {
    const state = document({ kindId: 12 });
    expect(factsOf({ after: { ...snapshot('approved'), state } })).toEqual({
      lines: [
        {
          ...{ at: NOW, portal: 'p', itemCode: 'DEAL_1', documentId: 5001, actor: 'service' },
          type: 'document.status',
          data: { status: 'approved', before: 'created', since: '2026-03-02T10:00:00Z', kind: 12 },
        },
      ],
      people: [],
    });
  });

  it('has none when something else of the document changed', () => {
    const state = document({ registrationNumber: 'Д-1', kindId: 12 });
    expect(factsOf({ after: { ...snapshot('created'), state } }).lines).toEqual([]);
  });

  it.each([
    ['of a document that a robot made is new', true, {}],
    ['of another document may have begun long before', false, { first: true }],
  ])('shown first %s', (_, made, first) => {
    expect(shortOf({ before: null, made, after: snapshot('created') })).toEqual([
      [
        'document.status',
        { status: 'created', before: null, since: expect.anything(), kind: null, ...first },
      ],
    ]);
  });

  it('has one line in each portal, under the item that showed it first', () => {
    const item = (portal: string, itemCode: string, day: number) => ({
      portal,
      itemCode,
      since: at(day),
      type: null,
    });
    const items = [item('p', 'DEAL_1', 3), item('p', 'DEAL_2', 2), item('q', 'DEAL_1', 4)];
    const { lines } = factsOf({ items, after: snapshot('approved') });
    expect(lines.map(({ portal, itemCode }) => `${portal} ${itemCode}`).toSorted()).toEqual([
      'p DEAL_2',
      'q DEAL_1',
    ]);
    const [nowhere] = factsOf({ items: [], after: snapshot('approved') }).lines;
    expect(nowhere).toMatchObject({ portal: null, itemCode: null, documentId: 5001 });
  });
});

describe('an assignment', () => {
  const first = assignment(1, { kind: 'approval' });
  const facts = { assignment: 1, task: 7001, kind: 'approval', status: 'InProcess', result: null };
  const times = { deadline: '2026-03-05T18:00:00+03:00', created: '2026-03-02T10:00:00Z', completed: null };
  const data = { ...facts, ...times, performer: 'directum 34' };
  const from = (before: typeof first | null, after: typeof first) => ({
    assignmentsBefore: before === null ? [] : [before],
    after: snapshot('created', { assignments: [after] }),
  });

  it('begins, is changed and ends, each with one line and without a name', () => {
    const moved = { ...first, deadline: '2026-03-09T18:00:00+03:00', subject: 'Другое' };
    const ended = { ...moved, status: 'Completed', result: 'Approved', completed: '2026-03-04T10:00:00Z' };
    expect(shortOf(from(null, first))).toEqual([['assignment.begun', data]]);
    const was = { deadline: data.deadline, performer: data.performer, status: data.status };
    expect(shortOf(from(first, moved))).toEqual([
      ['assignment.changed', { ...data, deadline: moved.deadline, before: was }],
    ]);
    const { completed, status, result, deadline } = ended;
    const last = { ...data, deadline, completed, status, result };
    expect(shortOf(from(moved, ended))).toEqual([['assignment.ended', last]]);
    expect(shortOf(from(ended, first))).toEqual([['assignment.begun', data]]);
    const all = [from(null, first), from(first, moved), from(moved, ended)].map((one) => factsOf(one));
    expect(JSON.stringify(all.map(({ lines }) => lines))).not.toMatch(/Анна|anna|Другое|Согласуйте/);
    expect(all[0]?.people).toEqual([{ key: 'directum 34', name: 'Анна', email: 'anna@acme.example' }]);
  });

  it('seen first when it is over began and ended', () => {
    expect(shortOf(from(null, { ...first, status: 'Aborted' })).map(([type]) => type)).toEqual([
      'assignment.begun',
      'assignment.ended',
    ]);
  });

  it.each([{ subject: 'Другое' }, { comment: 'Нет' }, { modified: '2026-03-02T10:30:00Z' }])(
    'whose other words change has no line: %j',
    (more) => {
      expect(shortOf(from(first, { ...first, ...more }))).toEqual([]);
    },
  );

  it('of several documents has one line', () => {
    const both = [from(null, first), { ...from(null, first), documentId: 5002 }];
    expect(factsOf(...both).lines.map(({ documentId }) => documentId)).toEqual([5001]);
  });
});

describe('dates', () => {
  const dates = (validTill: string | null, name = 'Аванс', deadline = '2026-05-01') => ({
    id: 5001,
    validTill,
    milestones: [{ id: 1, name, deadline, completed: false }],
  });
  const milestones = [{ id: 1, deadline: '2026-05-01', completed: false }];
  const from = (before: ReturnType<typeof dates> | null, after: ReturnType<typeof dates>) => ({
    before: snapshot('created', { dates: before }),
    after: snapshot('created', { dates: after }),
  });

  it('have a line when they change, with those before and no name', () => {
    expect(shortOf(from(null, dates('2026-12-31')))).toEqual([
      ['dates.changed', { validTill: '2026-12-31', milestones, before: null }],
    ]);
    expect(shortOf(from(dates('2026-12-31'), dates(null)))).toEqual([
      ['dates.changed', { validTill: null, milestones, before: { validTill: '2026-12-31', milestones } }],
    ]);
  });

  it('have none when a milestone is called otherwise, or they are not shown any more', () => {
    expect(shortOf(from(dates('2026-12-31'), dates('2026-12-31', 'Оплата')))).toEqual([]);
    const hidden = { before: snapshot('created', { dates: dates('2026-12-31') }) };
    expect(shortOf({ ...hidden, after: snapshot('created') })).toEqual([]);
  });
});

describe('the store', () => {
  let bench: DocumentBench;
  beforeAll(async () => {
    bench = await documentBench();
  }, 20_000);
  afterAll(() => bench.close());
  beforeEach(() => bench.reset());
  const lines = async () =>
    (await written(bench.store.pool, `type ~ '^(document.status|assignment)'`)).map(
      ([type, , documentId, , data]) => [
        type,
        documentId,
        (data as { assignment?: number; status: string }).assignment ?? (data as { status: string }).status,
      ],
    );

  it('writes nothing new of what is seen twice, by whichever document', async () => {
    for (const id of [1, 2]) await bench.make(`DEAL_${id}`, id);
    bench.pass(2 * MINUTE);
    bench.directum.task(70, [1, 2]);
    bench.directum.assign(700, 70);
    await bench.look();
    for (const id of [1, 2]) await bench.observer.whole([id]);
    expect(await lines()).toEqual([
      ['document.status', 1, 'created'],
      ['assignment.begun', 1, 700],
      ['document.status', 2, 'created'],
    ]);
    bench.directum.assign(700, 70, { status: 'Completed' });
    await bench.observer.whole([2]);
    await bench.observer.whole([1, 2]);
    expect((await lines()).slice(3)).toEqual([['assignment.ended', 1, 700]]);
    const { rows } = await bench.store.pool.query('SELECT key, name FROM journal_person');
    expect(rows).toEqual([{ key: 'directum 7', name: 'Петрова Анна' }]);
  });

  it('writes of a document that is refused neither its state nor a line, and both of the others', async () => {
    for (const id of [1, 2]) await bench.make(`DEAL_${id}`, id);
    bench.pass(2 * MINUTE);
    await bench.store.pool.query(
      `CREATE OR REPLACE FUNCTION test_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '22P05'; END $$;
       CREATE TRIGGER test_refuse BEFORE UPDATE OF status ON document FOR EACH ROW WHEN (NEW.id = 1) EXECUTE FUNCTION test_refuse()`,
    );
    await bench.look();
    await bench.store.pool.query('DROP TRIGGER test_refuse ON document');
    expect(await lines()).toEqual([['document.status', 2, 'created']]);
  });

  it('remembers the newest name of a person', async () => {
    await bench.make('DEAL_1', 1);
    bench.pass(2 * MINUTE);
    bench.directum.task(70, 1);
    bench.directum.assign(700, 70);
    await bench.look();
    const performer = { id: 7, name: 'Сидорова Анна', email: null };
    bench.directum.assign(700, 70, { performer });
    await bench.observer.whole([1]);
    const { rows } = await bench.store.pool.query('SELECT * FROM journal_person');
    expect(rows).toEqual([{ key: 'directum 7', name: 'Сидорова Анна', email: null }]);
  });
});
