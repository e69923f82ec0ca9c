import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { written } from '../../store/journal/written.ts';
import { type DocumentBench, documentBench, MINUTE } from '../bench.ts';
import { failureBench } from '../failure-bench.ts';
import { fakeDeals } from '../fake-deals.ts';
import { ledgerBench } from '../ledger-bench.ts';
import { assignment, snapshot } from '../snapshots.ts';

const users = { 'anna@acme.example': 34 };
const deal = (n: number) => [{ portal: 'p', itemCode: `DEAL_${n}` }];

describe('the journal says what was told', () => {
  let bench: Awaited<ReturnType<typeof ledgerBench>>;
  beforeAll(async () => {
    bench = await ledgerBench();
  }, 20_000);
  afterAll(() => bench.close());
  beforeEach(() => bench.clear());
  const lines = () => written(bench.pool, `type IN ('message.sent', 'task.sent')`);

  it('to a portal, once, or that nobody could be told', async () => {
    bench.reach({ p: fakeDeals(users, ['DEAL_2']) });
    const seen = [snapshot('created'), snapshot('approved')] as const;
    await bench.one.see(5001, ...seen, [...deal(1), ...deal(2)]);
    await bench.pass(10_000);
    await bench.two.see(5001, ...seen, deal(1));
    await bench.pass(10_000);
    const trigger = { kind: 'trigger', code: 'directum_approved' };
    const notice = { kind: 'notice', code: 'approved' };
    const found = await lines();
    expect(found).toHaveLength(4);
    expect(found).toEqual(
      expect.arrayContaining([
        ['message.sent', 'DEAL_1', 5001, 'service', { ...trigger, result: 'sent' }],
        ['message.sent', 'DEAL_1', 5001, 'service', { ...notice, result: 'sent', person: 'portal 1' }],
        ['message.sent', 'DEAL_2', 5001, 'service', { ...trigger, result: 'gone', error: 'gone' }],
        ['message.sent', 'DEAL_2', 5001, 'service', { ...notice, result: 'gone', error: 'no item' }],
      ]),
    );
  });

  it('nothing while a portal is away', async () => {
    const away = fakeDeals(users);
    away.down = true;
    bench.reach({ p: away });
    const open = snapshot('on_approval', { assignments: [assignment(1)] });
    await bench.one.see(5001, snapshot('created'), open, deal(1));
    await bench.pass(10_000);
    expect(await lines()).toEqual([]);
  });

  it('which tasks follow an assignment', async () => {
    bench.reach({ p: fakeDeals(users) });
    const of = (more: object) => snapshot('created', { assignments: [assignment(1, more)] });
    const states = [
      snapshot('created'),
      of({}),
      of({ deadline: '2026-03-09T18:00:00+03:00' }),
      of({ status: 'Completed' }),
    ];
    for (const [n, after] of states.slice(1).entries()) {
      await bench.one.see(5001, states[n] ?? null, after, deal(1));
      await bench.pass(3_000);
    }
    const sent = (did: string) => [
      ...['task.sent', 'DEAL_1', 5001, 'service'],
      { assignment: 1, task: 100, did },
    ];
    expect(await written(bench.pool, `type = 'task.sent'`)).toEqual(['made', 'changed', 'closed'].map(sent));
  });

  it('no task of an assignment whose performer the portal does not know', async () => {
    bench.reach({ p: fakeDeals() });
    const open = snapshot('created', { assignments: [assignment(1)] });
    await bench.one.see(5001, snapshot('created'), open, deal(1));
    await bench.pass(3_000);
    expect(await written(bench.pool, `type = 'task.sent'`)).toEqual([]);
  });
});

describe('the journal says what an item shows', () => {
  let bench: DocumentBench;
  beforeAll(async () => {
    bench = await documentBench();
  }, 20_000);
  afterAll(() => bench.close());

  it('by names of fields, once a change', async () => {
    await bench.reset();
    await bench.make('DEAL_1', 1);
    bench.pass(2 * MINUTE);
    await bench.look();
    await bench.show();
    const state = bench.directum.put(1, { internalApprovalState: 'OnApproval' });
    await bench.observer.documents([state], bench.now());
    await bench.observer.documents([state], bench.now());
    await bench.show();
    const shown = (what: string, names: string[]) => [
      ...['fields.shown', 'DEAL_1', 1, 'service'],
      { what, names, ...(what === 'activity' && { activity: 100 }) },
    ];
    const card = ['documentId', 'name', 'url', 'status', 'since', 'number', 'holders', 'signer'];
    expect(await written(bench.store.pool, `type = 'fields.shown'`)).toEqual([
      shown('fields', ['status', 'documentId', 'url', 'number', 'since']),
      shown('activity', card),
      shown('fields', ['status', 'since']),
      shown('activity', ['status', 'since']),
    ]);
  });
});

describe('the journal says of a failed run', () => {
  let bench: Awaited<ReturnType<typeof failureBench>>;
  beforeAll(async () => {
    bench = await failureBench();
  }, 20_000);
  afterAll(() => bench.close());

  it('what it left in its item, and whom it told', async () => {
    await bench.clear();
    bench.reach({ p: fakeDeals() });
    const run = await bench.fail({ item: 'DEAL_915' });
    await bench.pass(10_000);
    const facts = { code: 'input_invalid', run, result: 'sent' };
    expect(await written(bench.pool, `type = 'failure.shown'`)).toEqual([
      ['failure.shown', 'DEAL_915', null, 'service', { ...facts, kind: 'comment' }],
      ['failure.shown', 'DEAL_915', null, 'service', { ...facts, kind: 'notice', person: 'portal 1' }],
    ]);
  });
});
