import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toNextNight } from '../../../src/documents/reconcile/reconcile.ts';
import { createFeeds } from '../../../src/store/feeds/feeds.ts';
import { type DocumentBench, documentBench, HOUR, MINUTE } from '../bench.ts';

let bench: DocumentBench;
beforeAll(async () => {
  bench = await documentBench();
}, 20_000);
afterAll(() => bench.close());
beforeEach(() => bench.reset());

async function shown(item: string, id: number) {
  await bench.make(item, id);
  bench.pass(2 * MINUTE);
  await bench.look();
  await bench.show();
}

describe('the nightly comparison', () => {
  it('finds nothing when all is equal, and writes nothing', async () => {
    await shown('DEAL_1', 1);
    bench.portal.writes.length = 0;
    expect(await bench.reconcile()).toEqual({ lines: [], documents: 1, failed: 0, held: [] });
    await bench.show();
    expect(bench.portal.writes).toEqual([]);
  });

  it('repairs what somebody changed or deleted in the portal', async () => {
    for (const id of [1, 2, 3]) await shown(`DEAL_${id}`, id);
    bench.portal.fields.set('DEAL_1', { status: 'signed_both' });
    bench.portal.activities.clear();
    bench.portal.writes.length = 0;
    expect((await bench.reconcile()).lines).toEqual([
      'DEAL_1 1 fields,activity',
      'DEAL_2 2 activity',
      'DEAL_3 3 activity',
    ]);
    await bench.show();
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'created', documentId: 1 });
    expect(bench.portal.activities.size).toBe(3);
    expect(bench.portal.writes).toHaveLength(4);
    expect((await bench.reconcile()).lines).toEqual([]);
  });

  it('brings back what was lost on the way: a third of the observations and all writes of a while', async () => {
    const ids = Array.from({ length: 30 }, (_, n) => n + 1);
    for (const id of ids) await bench.make(`DEAL_${id}`, id);
    bench.pass(2 * MINUTE);
    await bench.look();
    const states = ['OnApproval', 'OnRework', 'OnApproval', 'PendingSign', 'Signed'];
    let seed = 7;
    const random = () => {
      seed = (seed * 16_807) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    for (let round = 0; round < 5; round += 1) {
      bench.pass(MINUTE);
      bench.portal.down = round === 2;
      bench.portal.drops = round === 3 || round === 4;
      for (const id of ids) {
        if (random() < 0.5) continue;
        const state = bench.directum.put(id, {
          internalApprovalState: states[Math.floor(random() * 5)] as string,
        });
        if (random() > 0.3) await bench.observer.documents([state], bench.now());
      }
      await bench.show();
    }
    bench.directum.documents.delete(30);
    bench.portal.drops = false;
    const { lines, failed } = await bench.reconcile();
    expect(failed).toBe(0);
    expect(lines.length).toBeGreaterThan(0);
    bench.pass(HOUR);
    await bench.show();
    for (const id of ids.slice(0, -1)) {
      const { internalApprovalState } = bench.directum.documents.get(id) ?? {};
      const status = {
        OnApproval: 'on_approval',
        OnRework: 'rework',
        PendingSign: 'approved',
        Signed: 'signed_us',
      }[internalApprovalState ?? ''];
      expect(bench.portal.fields.get(`DEAL_${id}`)).toMatchObject({ status: status ?? 'created' });
      expect(bench.portal.activitiesOf(`DEAL_${id}`)).toMatchObject([
        { card: { status: status ?? 'created' } },
      ]);
    }
    expect(bench.portal.fields.get('DEAL_30')).toMatchObject({ status: 'deleted' });
    expect((await bench.reconcile()).lines).toEqual([]);
  }, 60_000);

  it('finds a document again whose rights were lost', async () => {
    await shown('DEAL_1', 1);
    const state = bench.directum.put(1);
    bench.directum.documents.delete(1);
    bench.directum.put(99);
    await bench.observer.vanished([1], { read: 1 });
    bench.directum.documents.set(1, state);
    await bench.reconcile();
    expect(await bench.statusOf(1)).toBe('created');
    bench.directum.documents.delete(1);
    bench.directum.put(99);
    await bench.observer.vanished([1], { read: 1 });
    bench.directum.documents.set(1, state);
    bench.pass(31 * 24 * HOUR);
    expect(await bench.reconcile()).toMatchObject({ documents: 0 });
  });

  it('lets go of items that are gone and of contracts executed long ago', async () => {
    await shown('DEAL_1', 1);
    await shown('DEAL_2', 2);
    bench.portal.answers.set('DEAL_1', 'gone');
    await bench.store.pool.query(`UPDATE document SET status = 'executed' WHERE id = 2`);
    expect(await bench.reconcile()).toMatchObject({ lines: expect.any(Array), documents: 2 });
    await bench.store.pool.query(`UPDATE document SET status = 'executed' WHERE id = 2`);
    bench.pass(181 * 24 * HOUR);
    expect(await bench.reconcile()).toMatchObject({ lines: [], documents: 0 });
    expect(await bench.documents.isEmpty()).toBe(true);
  });

  it('tells an item once, however many documents it shows, and of one item that alone', async () => {
    for (let id = 1; id <= 25; id += 1) await shown(id === 1 || id === 25 ? 'DEAL_1' : `DEAL_${id}`, id);
    bench.portal.activities.clear();
    const alone = await bench.reconcile({ itemCode: 'DEAL_7' });
    expect(alone).toEqual({ lines: ['DEAL_7 7 activity'], documents: 1, failed: 0, held: [] });
    await bench.show();
    expect(bench.portal.activities.size).toBe(1);
    const { lines } = await bench.reconcile();
    expect(lines).toHaveLength(23);
    expect(lines.filter((line) => line.startsWith('DEAL_1 '))).toEqual([
      expect.stringMatching(/^DEAL_1 1 \S+ 25 \S+$/),
    ]);
  }, 60_000);

  it('counts what a portal keeps from it as not compared', async () => {
    await shown('DEAL_1', 1);
    await shown('DEAL_2', 2);
    bench.portal.answers.set('DEAL_2', 'refused');
    expect(await bench.reconcile()).toEqual({ lines: [], documents: 2, failed: 1, held: [] });
  });

  it('says how much it could not compare', async () => {
    await shown('DEAL_1', 1);
    bench.portal.down = true;
    expect(await bench.reconcile()).toEqual({ lines: [], documents: 1, failed: 1, held: [] });
  });

  it('calls nothing different that is shown in a moment anyway, and shows it', async () => {
    await bench.make('DEAL_1', 1);
    await shown('DEAL_2', 2);
    bench.directum.put(2, { internalApprovalState: 'OnApproval' });
    await bench.observer.whole([2]);
    bench.directum.put(3);
    await bench.give('DEAL_3', 3);
    expect(await bench.reconcile()).toEqual({ lines: [], documents: 3, failed: 0, held: [] });
    await bench.show();
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'created' });
    expect(bench.portal.fields.get('DEAL_2')).toMatchObject({ status: 'on_approval' });
    expect(bench.portal.activitiesOf('DEAL_3')).toHaveLength(1);
    bench.portal.down = true;
    bench.directum.put(2, { internalApprovalState: 'Signed' });
    await bench.observer.whole([2]);
    await bench.show();
    bench.portal.down = false;
    expect((await bench.reconcile()).lines).toEqual(['DEAL_2 2 fields,activity']);
  });

  it('goes on the same night where a killed process left it, made by one process at a time', async () => {
    const { lines, night, pass } = bench;
    const done = () => lines.filter(({ event }) => event === 'reconcile.done').map(({ facts }) => facts);
    const different = () => lines.filter(({ event }) => event === 'deal.differed').map(({ facts }) => facts);
    expect(await night()).toBe(false);
    for (let id = 1; id <= 15; id += 1) await bench.make(`DEAL_${id}`, id);
    pass(2 * MINUTE);
    await bench.look();
    await bench.show();
    for (const id of [2, 12]) bench.portal.fields.set(`DEAL_${id}`, {});
    expect(await night()).toBe(false);
    pass(24 * HOUR);
    expect(await night()).toBe(true);
    // The second step is begun by one of three processes, which is killed in it.
    const step = { name: 'night', leaseMs: 5 * MINUTE };
    const { take } = createFeeds(bench.store.pool);
    const turns = await Promise.all([1, 2, 3].map(() => take([step], bench.now())));
    expect(turns.flat().map(({ cursor }) => cursor)).toEqual([
      { after: 10, documents: 10, differences: 1, failed: 0 },
    ]);
    expect(await night()).toBe(false);
    expect(done()).toEqual([]);
    pass(10 * MINUTE);
    while (await night());
    expect(done()).toEqual([{ documents: 15, differences: 2, failed: 0 }]);
    expect(different()).toMatchObject([{ item: 'DEAL_2' }, { item: 'DEAL_12' }]);
    pass(HOUR);
    expect(await night()).toBe(false);
    pass(24 * HOUR);
    while (await night());
    expect(done()).toHaveLength(2);
  });

  it.each([
    ['2026-03-02T10:00:00Z', 'Europe/Moscow', '2026-03-03T00:00:00.000Z'],
    ['2026-03-03T00:20:00Z', 'Europe/Moscow', '2026-03-04T00:00:00.000Z'],
    ['2026-03-02T23:59:00Z', 'Europe/Moscow', '2026-03-03T00:00:00.000Z'],
    ['2026-03-02T10:00:00Z', 'Asia/Kolkata', '2026-03-02T21:30:00.000Z'],
  ])('comes next after %s in %s at %s', (now, zone, night) => {
    expect(toNextNight(new Date(now), zone).toISOString()).toBe(night);
  });
});

describe('the comparison of tasks', () => {
  const SIDOROV = { id: 8, name: 'Сидоров Пётр', email: 'sidorov@acme.example' };

  /** A deal that shows its contract, and the tasks of the contract's open assignments. */
  async function assigned(...ids: number[]) {
    await shown('DEAL_1', 1);
    bench.directum.task(70, 1);
    for (const id of ids) bench.directum.assign(id, 70, { deadline: '2026-03-05T18:00:00+03:00' });
    await bench.reconcile();
    await bench.show();
    await bench.mirror();
    return ids.map((id) => taskOf(id));
  }

  function taskOf(assignmentId: number) {
    const found = [...bench.tasks.values()].filter(({ mark }) => mark.endsWith(`:${assignmentId}`));
    expect(found).toHaveLength(1);
    return found[0] as (typeof found)[number];
  }

  it('finds nothing where tasks show their assignments, however the portal writes a deadline', async () => {
    await assigned(700, 701);
    bench.directum.assign(701, 70, { status: 'Completed', result: 'Approved' });
    await bench.observer.whole([1]);
    await bench.reconcile();
    await bench.show();
    await bench.mirror();
    taskOf(700).deadline = '2026-03-05T15:00:00Z';
    expect((await bench.reconcile()).lines).toEqual([]);
    expect([...bench.tasks.values()].map(({ closed }) => closed)).toEqual([false, true]);
  });

  it('repairs what a person changed: deadline, responsible, closed, open again', async () => {
    const [deadline, responsible, closed, , untouched] = await assigned(700, 701, 702, 703, 704);
    bench.directum.assign(703, 70, { status: 'Completed', result: 'Approved' });
    await bench.reconcile();
    await bench.show();
    await bench.mirror();
    expect(taskOf(703).closed).toBe(true);
    deadline!.deadline = null;
    responsible!.responsibleUserId = 99;
    closed!.closed = true;
    taskOf(703).closed = false;
    const before = { ...untouched };
    expect((await bench.reconcile()).lines).toEqual(['DEAL_1 1 task']);
    await bench.mirror();
    expect(taskOf(700).deadline).toBe('2026-03-05T18:00:00+03:00');
    expect(taskOf(701).responsibleUserId).toBe(7);
    expect([taskOf(702), taskOf(703)].map((task) => task.closed)).toEqual([false, true]);
    expect(taskOf(704)).toEqual(before);
    expect(bench.tasks.size).toBe(5);
    expect((await bench.reconcile()).lines).toEqual([]);
  });

  it('tells of a task deleted by hand once, and does not make it again', async () => {
    await assigned(700);
    bench.tasks.clear();
    expect((await bench.reconcile()).lines).toEqual(['DEAL_1 1 task']);
    await bench.mirror();
    bench.directum.assign(700, 70, { performer: SIDOROV });
    await bench.reconcile();
    await bench.show();
    await bench.mirror();
    expect((await bench.reconcile()).lines).toEqual([]);
    expect(bench.tasks.size).toBe(0);
  });

  it('leaves what changed while the portal was asked', async () => {
    await assigned(700);
    bench.portal.meanwhile = async () => {
      bench.directum.assign(700, 70, { status: 'Completed', result: 'Approved' });
      await bench.observer.whole([1]);
    };
    await bench.reconcile();
    await bench.mirror();
    expect(taskOf(700).closed).toBe(true);
  });

  it('makes the task of an assignment that was never given one, and says so', async () => {
    await assigned(700);
    await bench.store.pool.query('TRUNCATE mirrored_task');
    bench.tasks.clear();
    expect((await bench.reconcile()).lines).toEqual(['DEAL_1 1 task']);
    await bench.mirror();
    expect(taskOf(700)).toMatchObject({ closed: false, item: { code: 'DEAL_1' } });
    expect((await bench.reconcile()).lines).toEqual([]);
  });

  it('of a deal that is gone follow their assignments to the end; then the document is let go', async () => {
    await assigned(700);
    bench.portal.answers.set('DEAL_1', 'gone');
    bench.directum.assign(700, 70, { performer: SIDOROV });
    await bench.observer.whole([1]);
    await bench.show();
    expect(await bench.documents.isEmpty()).toBe(false);
    await bench.mirror();
    expect(taskOf(700)).toMatchObject({ responsibleUserId: 8, closed: false });
    bench.directum.assign(700, 70, { status: 'Completed', result: 'Approved' });
    await bench.observer.whole([1]);
    await bench.mirror();
    expect(taskOf(700)).toMatchObject({ closed: true });
    expect(await bench.reconcile()).toMatchObject({ documents: 0 });
    expect(await bench.documents.isEmpty()).toBe(true);
  });

  it('of a portal that does not say how a task is counts as not compared', async () => {
    await assigned(700);
    taskOf(700).closed = true;
    bench.portal.silent = true;
    expect(await bench.reconcile()).toEqual({ lines: [], documents: 1, failed: 1, held: [] });
    bench.portal.silent = false;
    expect((await bench.reconcile()).lines).toEqual(['DEAL_1 1 task']);
  });
});
