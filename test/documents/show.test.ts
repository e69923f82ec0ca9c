import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DocumentBench, documentBench, HOUR, MINUTE } from './bench.ts';

let bench: DocumentBench;
beforeAll(async () => {
  bench = await documentBench();
}, 20_000);
afterAll(() => bench.close());
beforeEach(() => bench.reset());

/** A contract in the item's slot that the portal shows already. */
async function shown(item: string, id: number, slot = 'contract') {
  await bench.make(item, id, slot);
  bench.pass(2 * MINUTE);
  await bench.look();
  await bench.show();
}

async function see(id: number, internalApprovalState: string) {
  const state = bench.directum.put(id, { internalApprovalState });
  await bench.observer.documents([state], bench.now());
}

describe('an item', () => {
  it('shows the contract in its fields and in one activity', async () => {
    bench.directum.put(1, { registrationNumber: 'Д-17' });
    await shown('DEAL_1', 1);
    expect(bench.portal.fields.get('DEAL_1')).toEqual({
      status: 'created',
      documentId: 1,
      url: 'https://rx.example/1',
      number: 'Д-17',
      since: expect.stringMatching(/^2026-03-02T10:/),
    });
    expect(bench.portal.activitiesOf('DEAL_1')).toMatchObject([
      {
        card: {
          documentId: 1,
          name: 'Договор 1',
          status: 'created',
          number: 'Д-17',
          holders: [],
          signer: null,
        },
      },
    ]);
    await see(1, 'OnApproval');
    await bench.show();
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'on_approval' });
    expect(bench.portal.activitiesOf('DEAL_1')).toMatchObject([{ card: { status: 'on_approval' } }]);
    expect(bench.portal.writes).toHaveLength(4);
  });

  it('shows who holds the document and who signed it', async () => {
    await shown('DEAL_1', 1);
    bench.directum.task(70, 1);
    bench.directum.assign(700, 70);
    bench.directum.assign(701, 70, { status: 'Completed' });
    bench.directum.put(1, { ourSignatory: 'Сидоров Пётр' });
    await bench.observer.whole([1]);
    await bench.show();
    const holder = {
      name: 'Петрова Анна',
      since: bench
        .now()
        .toISOString()
        .replace(/:\d\d\.\d+Z/, ''),
    };
    expect(bench.portal.activitiesOf('DEAL_1')).toMatchObject([
      {
        card: {
          signer: null,
          holders: [{ name: holder.name, since: expect.stringContaining(holder.since) }],
        },
      },
    ]);
    bench.directum.assign(700, 70, { status: 'Completed' });
    bench.directum.put(1, { internalApprovalState: 'Signed' });
    await bench.observer.whole([1]);
    await bench.show();
    expect(bench.portal.activitiesOf('DEAL_1')).toMatchObject([
      { card: { signer: 'Сидоров Пётр', holders: [] } },
    ]);
  });

  it('is told of a hundred changes of one second once', async () => {
    await shown('DEAL_1', 1);
    bench.portal.writes.length = 0;
    for (let n = 0; n < 100; n += 1) {
      await see(1, n % 2 ? 'OnRework' : 'OnApproval');
      if (n % 10 === 0) await bench.showOnce();
      bench.pass(10);
    }
    await bench.show();
    expect(bench.portal.writes).toEqual(['fields DEAL_1', 'activity DEAL_1']);
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'rework' });
  });

  it('is written nothing when what it shows is the same', async () => {
    await shown('DEAL_1', 1);
    bench.portal.writes.length = 0;
    bench.directum.dates.set(1, { id: 1, validTill: '2026-12-31', milestones: [] });
    const state = bench.directum.put(1, { lifeCycleState: 'Active' });
    await bench.observer.documents([state], bench.now());
    expect(bench.told.at(-1)?.after.dates).not.toBeNull();
    await bench.show();
    await bench.make('DEAL_1', 1);
    await bench.show();
    expect(bench.portal.writes).toEqual([]);
  });

  it('keeps its fields for the contract slot and has an activity for each document', async () => {
    await shown('DEAL_1', 1);
    await shown('DEAL_1', 2, 'nda');
    bench.directum.put(3);
    await bench.give('DEAL_1', 3);
    await bench.look();
    await bench.show();
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ documentId: 1 });
    expect(bench.portal.activitiesOf('DEAL_1').map(({ card }) => card)).toMatchObject([
      { documentId: 1 },
      { documentId: 2 },
      { documentId: 3 },
    ]);
    bench.portal.writes.length = 0;
    await see(3, 'OnApproval');
    await bench.show();
    expect(bench.portal.writes).toEqual(['activity DEAL_1']);
  });

  it('shows a new contract in its fields when the slot changes hands, also back again', async () => {
    await shown('DEAL_1', 1);
    await shown('DEAL_1', 2);
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ documentId: 2 });
    await see(1, 'OnApproval');
    await bench.show();
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ documentId: 2 });
    await bench.make('DEAL_1', 1);
    await bench.show();
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ documentId: 1, status: 'on_approval' });
  });

  it('that shows a document with another one is told with it', async () => {
    await shown('DEAL_1', 1);
    await bench.give('DEAL_2', 1);
    await bench.show();
    await see(1, 'OnApproval');
    await bench.show();
    expect(bench.portal.activitiesOf('DEAL_2')).toMatchObject([{ card: { status: 'on_approval' } }]);
    expect(bench.portal.fields.has('DEAL_2')).toBe(false);
  });

  it('that is gone is left alone, and its document with it', async () => {
    await shown('DEAL_1', 1);
    bench.portal.answers.set('DEAL_1', 'gone');
    await see(1, 'OnApproval');
    await bench.show();
    bench.portal.writes.length = 0;
    await see(1, 'Signed');
    await bench.show();
    expect(bench.portal.writes).toEqual([]);
    expect(bench.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    expect(await bench.documents.isEmpty()).toBe(true);
  });

  it('shows that its document was deleted', async () => {
    await shown('DEAL_1', 1);
    bench.directum.documents.delete(1);
    await bench.observer.missing([1]);
    await bench.show();
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'deleted', documentId: 1 });
    expect(bench.portal.activitiesOf('DEAL_1')).toMatchObject([{ card: { status: 'deleted', holders: [] } }]);
  });

  it('is shown nothing while nothing is known of the document', async () => {
    await bench.make('DEAL_1', 1);
    await bench.show();
    expect(bench.portal.writes).toEqual([]);
  });
});

describe('a portal', () => {
  it('that is away is tried again with growing pauses and ends up equal', async () => {
    await shown('DEAL_1', 1);
    bench.portal.down = true;
    await see(1, 'OnApproval');
    const tries = () => bench.lines.filter(({ event }) => event === 'deals.failed').length;
    for (let second = 0; second < 3600; second += 5) {
      await bench.showOnce();
      bench.pass(5_000);
    }
    expect(tries()).toBeGreaterThan(3);
    expect(tries()).toBeLessThan(10);
    bench.portal.down = false;
    bench.pass(HOUR);
    await bench.showOnce();
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'on_approval' });
  }, 60_000);

  it('that refuses a write is not asked again until something changes', async () => {
    await bench.make('DEAL_1', 1);
    bench.portal.answers.set('DEAL_1', 'refused');
    bench.pass(2 * MINUTE);
    await bench.look();
    await bench.show();
    expect(bench.portal.writes).toEqual(['fields DEAL_1', 'activity DEAL_1']);
    bench.pass(HOUR);
    await bench.show();
    expect(bench.portal.writes).toHaveLength(2);
    bench.portal.answers.clear();
    await see(1, 'OnApproval');
    await bench.show();
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'on_approval' });
  });

  it('is written fifty items at a time by one of several processes', async () => {
    for (let id = 1; id <= 60; id += 1) await bench.make(`DEAL_${id}`, id);
    bench.pass(2 * MINUTE);
    await bench.look();
    bench.pass(2_000);
    const taken = await Promise.all([bench.showOnce(), bench.showOnce(), bench.showOnce()]);
    // The rest falls to whoever looks first.
    expect([Math.max(...taken), taken.reduce((sum, count) => sum + count)]).toEqual([50, 60]);
    expect(bench.portal.writes).toHaveLength(120);
    expect(bench.portal.activities.size).toBe(60);
  });
});

it('a change during the showing is shown too', async () => {
  await shown('DEAL_1', 1);
  await see(1, 'OnApproval');
  bench.pass(2_000);
  const [row] = await bench.showing.takeDue('p', bench.now(), 60_000, 50);
  await see(1, 'Signed');
  await bench.showing.settle(
    'p',
    [{ ...(row as NonNullable<typeof row>), result: 'shown', retryMs: 0 }],
    bench.now(),
  );
  await bench.show();
  expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'signed_us' });
});

it('a wish to refresh reads the document and writes everything anew', async () => {
  await shown('DEAL_1', 1);
  bench.portal.writes.length = 0;
  bench.directum.put(1, { internalApprovalState: 'Signed' });
  expect(await bench.documents.refresh('p', 1, bench.now())).toBe(true);
  expect(await bench.documents.refresh('p', 2, bench.now())).toBe(false);
  await bench.look();
  await bench.show();
  expect(bench.portal.writes).toEqual(['fields DEAL_1', 'activity DEAL_1']);
  expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'signed_us' });
  await bench.documents.refresh('p', 1, bench.now());
  await bench.look();
  await bench.show();
  expect(bench.portal.writes).toHaveLength(4);
});
