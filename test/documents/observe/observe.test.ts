import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DocumentBench, documentBench, HOUR, MINUTE } from '../bench.ts';

let bench: DocumentBench;
beforeAll(async () => {
  bench = await documentBench();
}, 20_000);
afterAll(() => bench.close());
beforeEach(() => bench.reset());

/** The first cycle finds out where to begin, and everything is read once. */
async function begin() {
  await bench.poll();
  await bench.rescan();
  bench.pass(2 * MINUTE);
  await bench.look();
  bench.directum.asked.length = 0;
  bench.told.length = 0;
}

describe('watching', () => {
  it('asks three questions while nothing changes, though ten thousand documents are shown', async () => {
    await bench.make('DEAL_1', 1);
    bench.directum.task(70, 1);
    bench.directum.assign(700, 70);
    await bench.poll();
    await bench.store.pool.query(
      `INSERT INTO document (id, observed, status, made) SELECT n, '{}', 'created', true FROM generate_series(1000, 11000) n`,
    );
    bench.pass(HOUR);
    await bench.poll();
    bench.directum.asked.length = 0;
    await bench.poll();
    expect(bench.directum.asked).toEqual(['documents', 'tasks', 'assignments']);
  });

  it('sees a change with its dates, and reads no other document', async () => {
    for (const id of [1, 2, 3]) await bench.make(`DEAL_${id}`, id);
    await begin();
    bench.directum.put(2, { internalApprovalState: 'OnApproval' });
    bench.directum.dates.set(2, { id: 2, validTill: '2026-12-31', milestones: [] });
    await bench.poll();
    expect(await bench.statusOf(2)).toBe('on_approval');
    expect(await bench.statusOf(1)).toBe('created');
    expect(bench.directum.asked.filter((one) => one === 'datesOf')).toHaveLength(1);
    expect(bench.told).toMatchObject([
      {
        documentId: 2,
        items: [{ portal: 'p', itemCode: 'DEAL_2' }],
        made: true,
        before: { status: 'created' },
        after: { status: 'on_approval', dates: { validTill: '2026-12-31' } },
      },
    ]);
    await bench.poll();
    expect(bench.told).toHaveLength(1);
  });

  it('sees dates that changed within the second of the change before, and then lets it be', async () => {
    await bench.make('DEAL_1', 1);
    await begin();
    const { modified } = bench.directum.put(1, { registrationNumber: '17' });
    const atThePoll = new Date(Date.parse(modified as string) + MINUTE - 500).toISOString();
    bench.directum.put(1, { modified: atThePoll });
    await bench.poll();
    bench.directum.dates.set(1, { id: 1, validTill: '2026-12-31', milestones: [] });
    await bench.poll();
    expect(bench.told.at(-1)?.after.dates).toMatchObject({ validTill: '2026-12-31' });
    bench.directum.asked.length = 0;
    await bench.poll();
    expect(bench.directum.asked).not.toContain('datesOf');
  });

  it('knows when the status began by Directum’s clock', async () => {
    await bench.make('DEAL_1', 1);
    await begin();
    const { modified } = bench.directum.put(1, { internalApprovalState: 'Signed' });
    await bench.poll();
    bench.directum.put(1, { registrationNumber: '17' });
    await bench.poll();
    expect(bench.told.at(-1)?.after).toMatchObject({ status: 'signed_us', since: modified });
  });

  it('works when nobody waits and stops asking when nothing is shown', async () => {
    await bench.poll();
    expect(bench.directum.asked).toEqual([]);
    await bench.make('DEAL_1', 1);
    await bench.poll();
    expect(bench.directum.asked.length).toBeGreaterThan(0);
  });

  it('reads everything about a document it was given before it calls anything news', async () => {
    bench.directum.put(5, { internalApprovalState: 'OnRework' });
    bench.directum.task(70, 5);
    bench.directum.assign(700, 70, { status: 'Completed', result: 'ForRevision' });
    await bench.make('DEAL_9', 9);
    await begin();
    await bench.give('DEAL_1', 5);
    await bench.poll();
    expect(bench.told).toEqual([]);
    await bench.look();
    expect(bench.told).toMatchObject([
      { documentId: 5, made: false, before: null, after: { status: 'rework', assignments: [{ id: 700 }] } },
    ]);
    bench.directum.put(5, { internalApprovalState: 'OnApproval' });
    await bench.poll();
    expect(bench.told.at(-1)).toMatchObject({
      before: { status: 'rework' },
      after: { status: 'on_approval' },
    });
  });

  it('sees assignments of a task that began before and of one that begins', async () => {
    await bench.make('DEAL_1', 1);
    bench.directum.task(70, 1);
    bench.directum.assign(700, 70);
    await begin();
    bench.pass(HOUR);
    bench.directum.assign(700, 70, { status: 'Completed', result: 'Approved' });
    bench.directum.assign(900, 90);
    await bench.poll();
    expect(bench.told).toMatchObject([
      {
        before: { assignments: [{ status: 'InProcess' }] },
        after: { assignments: [{ status: 'Completed' }] },
      },
    ]);
    bench.directum.task(71, 1);
    bench.directum.assign(701, 71);
    await bench.poll();
    expect(bench.told.at(-1)?.after.assignments.map(({ id }) => id)).toEqual([700, 701]);
    const { rows } = await bench.store.pool.query('SELECT id FROM assignment ORDER BY id');
    expect(rows.map((row) => Number(row.id))).toEqual([700, 701]);
  });

  it('a return for rework is told with the words of who sent it back, though they show in another question', async () => {
    await bench.make('DEAL_1', 1);
    bench.directum.put(1, { internalApprovalState: 'OnApproval' });
    bench.directum.task(70, 1);
    bench.directum.assign(700, 70);
    await begin();
    bench.pass(HOUR);
    bench.directum.assign(700, 70, { status: 'Completed', result: 'ForRevision', comment: 'Срок?' });
    bench.directum.put(1, { internalApprovalState: 'OnRework' });
    await bench.poll();
    const rework = bench.told.find(({ after }) => after.status === 'rework');
    expect(rework?.before?.status).toBe('on_approval');
    expect(rework?.after.assignments).toMatchObject([{ id: 700, comment: 'Срок?' }]);
  });

  it('reads assignments in the sweep where the installation does not show when they changed', async () => {
    bench.directum.showsAssignments = false;
    await bench.make('DEAL_1', 1);
    bench.directum.task(70, 1);
    bench.directum.assign(700, 70);
    await begin();
    bench.directum.assign(700, 70, { status: 'Completed' });
    await bench.poll();
    expect(bench.told).toEqual([]);
    expect(bench.directum.asked).toHaveLength(3);
    bench.pass(HOUR);
    await bench.rescan();
    expect(bench.told.at(-1)?.after.assignments).toMatchObject([{ status: 'Completed' }]);
  });

  it('loses nothing over an outage', async () => {
    await bench.make('DEAL_1', 1);
    await begin();
    bench.directum.down = true;
    for (let n = 0; n < 20; n += 1) {
      bench.directum.put(1, { internalApprovalState: n < 10 ? 'OnApproval' : 'PendingSign' });
      await bench.poll();
    }
    expect(await bench.statusOf(1)).toBe('created');
    bench.directum.down = false;
    bench.pass(24 * HOUR);
    await bench.poll();
    expect(await bench.statusOf(1)).toBe('approved');
  });

  it('ends when the document is deleted, and begins again when it is back', async () => {
    await bench.make('DEAL_1', 1);
    await begin();
    const state = bench.directum.put(1);
    bench.directum.documents.delete(1);
    bench.directum.put(99);
    bench.pass(HOUR);
    await bench.rescan();
    expect(bench.told.at(-1)?.after).toMatchObject({ status: 'deleted', state: { name: 'Договор 1' } });
    expect(await bench.documents.isEmpty()).toBe(true);
    bench.directum.documents.set(1, state);
    await bench.observer.whole([1]);
    expect(await bench.statusOf(1)).toBe('created');
    expect(await bench.documents.isEmpty()).toBe(false);
  });

  it('does not call a document deleted that one list failed to show', async () => {
    await bench.make('DEAL_1', 1);
    await begin();
    await bench.observer.vanished([1], { read: 1 });
    expect(await bench.statusOf(1)).toBe('created');
  });

  it('looks again after a failure and not before', async () => {
    await bench.give('DEAL_1', 1);
    bench.directum.put(1);
    bench.directum.down = true;
    await expect(bench.observer.refreshDue()).rejects.toThrow('down');
    bench.directum.down = false;
    await bench.look();
    expect(await bench.statusOf(1)).toBeNull();
    bench.pass(MINUTE);
    await bench.look();
    expect(await bench.statusOf(1)).toBe('created');
  });

  it('leaves final documents to the windows', async () => {
    await bench.make('DEAL_1', 1);
    await begin();
    await bench.store.pool.query(`UPDATE document SET status = 'executed'`);
    bench.pass(HOUR);
    bench.directum.asked.length = 0;
    await bench.rescan();
    expect(bench.directum.asked).toEqual([]);
  });
});

describe('the order of answers', () => {
  const at = (seconds: number) => new Date(bench.now().getTime() + seconds * 1000);

  it('does not matter: an answer that comes late changes nothing', async () => {
    await bench.make('DEAL_1', 1);
    await begin();
    const early = { ...bench.directum.put(1, { internalApprovalState: 'OnApproval' }) };
    bench.pass(MINUTE);
    const late = bench.directum.put(1, { internalApprovalState: 'Signed' });
    await bench.observer.documents([late], at(10));
    await bench.observer.documents([early], at(0));
    expect(await bench.statusOf(1)).toBe('signed_us');
    await bench.observer.documents([{ ...late, internalApprovalState: 'PendingSign' }], at(5));
    expect(await bench.statusOf(1)).toBe('signed_us');
    await bench.observer.documents([{ ...late, internalApprovalState: 'PendingSign' }], at(15));
    expect(await bench.statusOf(1)).toBe('approved');
  });

  it('an unknown value changes nothing of the status', async () => {
    await bench.make('DEAL_1', 1);
    await begin();
    bench.directum.put(1, { internalApprovalState: 'OnApproval' });
    await bench.poll();
    bench.directum.put(1, { internalApprovalState: 'Customs' });
    await bench.poll();
    bench.directum.put(1, { registrationNumber: '17' });
    await bench.poll();
    expect(await bench.statusOf(1)).toBe('on_approval');
    expect(bench.unknown).toEqual(['InternalApprovalState: Customs', 'InternalApprovalState: Customs']);
    expect(bench.lines.filter(({ event }) => event === 'state.unknown')).toHaveLength(1);
  });

  it('an unknown value is logged once, whoever meets it', async () => {
    await bench.make('DEAL_1', 1);
    await begin();
    bench.directum.put(1, { internalApprovalState: 'Customs' });
    await bench.poll();
    await bench.paced.whole([1]);
    expect(bench.unknown.slice(-2)).toEqual([
      'InternalApprovalState: Customs',
      'InternalApprovalState: Customs',
    ]);
    expect(bench.lines.filter(({ event }) => event === 'state.unknown')).toHaveLength(1);
  });

  it('what people are told and what is kept stand or fall together', async () => {
    await bench.make('DEAL_1', 1);
    await begin();
    await expect(
      bench.documents.change([1], bench.now(), async (known, client) => {
        await client.query(`UPDATE document SET status = 'rejected'`);
        expect(known.size).toBe(1);
        throw new Error('the ledger refuses');
      }),
    ).rejects.toThrow('the ledger refuses');
    expect(await bench.statusOf(1)).toBe('created');
  });
});
