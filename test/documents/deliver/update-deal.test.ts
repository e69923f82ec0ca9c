import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TRIGGER_NAMES } from '../../../src/bitrix24/deal/triggers.ts';
import { dealStand } from '../../bitrix24/deal-stand.ts';
import { type DocumentBench, documentBench, HOUR, MINUTE } from '../bench.ts';

/** A lock of the test's own. */
const TAKING = 4_711;
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
    bench.directum.put(99);
    await bench.observer.vanished([1], { read: 1 });
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
  const [row] = await bench.projection.takeDue('p', bench.now(), 60_000, 50);
  await see(1, 'Signed');
  await bench.projection.settle(
    'p',
    [{ ...(row as NonNullable<typeof row>), result: 'shown', retryMs: 0 }],
    bench.now(),
  );
  await bench.show();
  expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'signed_us' });
});

it('a change that comes while the showing begins is shown too', async () => {
  await shown('DEAL_1', 1);
  await see(1, 'OnApproval');
  bench.pass(2_000);
  const { pool } = bench.store;
  const holder = await pool.connect();
  try {
    // Holds a taking where it knows the rows as they were and has locked none of them.
    await holder.query(
      `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN PERFORM pg_advisory_lock_shared(${TAKING}), pg_advisory_unlock_shared(${TAKING}); RETURN NULL; END';
       CREATE TRIGGER hold BEFORE UPDATE OF taken_until ON watched_document EXECUTE FUNCTION hold();
       SELECT pg_advisory_lock(${TAKING})`,
    );
    const projection = bench.showOnce();
    const blocked = `SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database() AND locktype = 'advisory' AND objid = ${TAKING} AND NOT granted`;
    await expect.poll(async () => (await pool.query(blocked)).rowCount).toBe(1);
    await see(1, 'Signed');
    await holder.query(`SELECT pg_advisory_unlock(${TAKING})`);
    expect(await projection).toBe(1);
  } finally {
    await holder.query('DROP TRIGGER IF EXISTS hold ON watched_document; DROP FUNCTION IF EXISTS hold');
    holder.release(true);
  }
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

describe('a storm, at a portal that counts', () => {
  /** What the portal lets through; the bucket is that of all plans but one, only refilled faster. */
  const RATE = { perSecond: 50, bucket: 50 };
  const stops: (() => unknown)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  async function portalOf(bench: DocumentBench) {
    const { portalRate } = await bench.open(RATE);
    const stand = await dealStand({ rate: RATE, portalRate });
    stops.push(() => stand.portal.stop());
    bench.reach(stand.deals);
    return stand;
  }

  it('of a thousand documents is written within its bucket, and refused nothing', async () => {
    const { portal, hits } = await portalOf(bench);
    const deals = Array.from({ length: 1_000 }, () => portal.addItem(2, { title: 'Сделка', stageId: 'NEW' }));
    await bench.keep(deals);
    await bench.show();
    expect(portal.activities(2, deals[999] as number)).toHaveLength(1);
    hits();
    for (const id of deals) bench.directum.put(id, { registrationNumber: `Д-${id}` });
    await bench.poll();
    await bench.show();
    for (const id of deals) {
      expect(portal.item(2, id)['UF_CRM_DIRECTUM_NUMBER']).toBe(`Д-${id}`);
      expect(portal.activities(2, id)).toMatchObject([{ updates: 1 }]);
    }
    expect(hits().length).toBeLessThanOrEqual(RATE.bucket);
    expect(portal.journal.filter(({ error }) => error === 'QUERY_LIMIT_EXCEEDED')).toEqual([]);
  }, 60_000);

  it('of a hundred changes of one document leaves one activity, a handful of notices and each trigger once', async () => {
    const { portal } = await portalOf(bench);
    for (const code of Object.keys(TRIGGER_NAMES)) portal.world.triggers.set(code, code);
    const id = portal.addItem(2, { title: 'Сделка', assignedById: 1, stageId: 'NEW' });
    await bench.keep([id]);
    const states = ['OnApproval', 'OnRework', 'PendingSign', 'Signed', 'Aborted'];
    for (let n = 0; n < 100; n += 1) {
      await see(id, states[n % states.length] as string);
      bench.pass(600);
      if (n % 5 === 0) {
        await bench.showOnce();
        await bench.tell();
      }
    }
    for (let n = 0; n < 10; n += 1) {
      bench.pass(30_000);
      await bench.tell();
      await bench.show();
    }
    expect(portal.activities(2, id)).toMatchObject([{ fields: { completed: 'Y' } }]);
    expect(JSON.stringify(portal.activities(2, id)[0]?.layout)).toContain('Отклонён');
    const runs = Map.groupBy(portal.triggerRuns, ({ code }) => code);
    expect(Object.fromEntries([...runs].map(([code, of]) => [code, of.length]))).toEqual({
      directum_approved: 1,
      directum_signed_us: 1,
      directum_rejected: 1,
      directum_rework: 20,
    });
    // Five go out singly, the others of the minute together.
    expect(portal.notices().length).toBeLessThanOrEqual(6);
  }, 60_000);
});
