import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DocumentBench, documentBench, HOUR, MINUTE } from './bench.ts';

let bench: DocumentBench;
beforeAll(async () => {
  bench = await documentBench();
}, 20_000);
afterAll(() => bench.close());
beforeEach(async () => {
  await accept();
  await bench.reset();
});

/** The database refuses what is kept of the document, as it may any value of it: that must not take along what came with it. */
async function refuse(id: number): Promise<void> {
  await bench.store.pool.query(
    `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '22P05'; END $$`,
  );
  await bench.store.pool.query(
    `CREATE TRIGGER refused BEFORE UPDATE OF observed ON document FOR EACH ROW WHEN (new.id = ${id}) EXECUTE FUNCTION refuse()`,
  );
}
const accept = () => bench.store.pool.query('DROP TRIGGER IF EXISTS refused ON document');

/** Contracts of as many deals, seen and shown once. */
async function shown(...ids: number[]): Promise<void> {
  for (const id of ids) await bench.make(`DEAL_${id}`, id);
  await bench.poll();
  await bench.rescan();
  bench.pass(2 * MINUTE);
  await bench.look();
  await bench.show();
}

const statuses = (...ids: number[]) => Promise.all(ids.map((id) => bench.statusOf(id)));
const refused = () => bench.lines.filter(({ event }) => event === 'document.not_kept');
const cursor = async () => {
  const { rows } = await bench.store.pool.query(
    `SELECT cursor ->> 'documents' AS at FROM feed WHERE name = 'poll'`,
  );
  return Date.parse(rows[0].at);
};

const aside = async () =>
  (await bench.quarantine.list(bench.now())).map(({ feed, key, reason }) => `${feed} ${key} ${reason}`);

describe('a document that cannot be kept', () => {
  it('is put aside, tried again when it changes or a day later, and named until it is kept', async () => {
    await shown(1, 2);
    await refuse(2);
    bench.directum.put(2, { name: 'Договор 3' });
    await bench.poll();
    expect(await aside()).toEqual(['documents 2 22P05']);
    // Inside the overlap it is seen again, and passed over.
    await bench.poll();
    expect(refused()).toHaveLength(1);
    bench.directum.put(2, { registrationNumber: '7' });
    await bench.poll();
    expect(refused()).toHaveLength(2);
    bench.pass(25 * HOUR);
    await bench.rescan();
    expect(refused()).toHaveLength(3);
    await accept();
    bench.directum.put(2, { name: 'Договор 2' });
    await bench.poll();
    expect(await aside()).toEqual([]);
  });

  it('stops no other of its page, and the cursor goes on', async () => {
    await shown(1, 2, 3);
    const before = await cursor();
    for (const id of [1, 2, 3]) bench.directum.put(id, { internalApprovalState: 'OnApproval' });
    await refuse(2);
    await bench.poll();
    expect(await statuses(1, 2, 3)).toEqual(['on_approval', 'created', 'on_approval']);
    expect(refused()).toMatchObject([{ level: 'error', facts: { documentId: 2 } }]);
    expect(await cursor()).toBeGreaterThan(before);
    await bench.show();
    expect(bench.portal.fields.get('DEAL_3')).toMatchObject({ status: 'on_approval' });
    await accept();
    bench.directum.put(2, { internalApprovalState: 'Signed' });
    await bench.poll();
    expect(await statuses(2)).toEqual(['signed_us']);
  });

  it('is left out of a sweep, a look and a comparison', async () => {
    await shown(1, 2, 3);
    await refuse(1);
    bench.directum.put(1, { internalApprovalState: 'Signed' });
    bench.directum.put(3, { internalApprovalState: 'Signed', modified: '2026-01-01T00:00:00Z' });
    bench.pass(HOUR);
    await bench.rescan();
    expect(await statuses(1, 3)).toEqual(['created', 'signed_us']);
    bench.directum.put(3, { internalApprovalState: 'OnApproval', modified: '2026-01-02T00:00:00Z' });
    await bench.store.pool.query('UPDATE document SET look_at = $1', [bench.now()]);
    await bench.look();
    expect(await statuses(1, 3)).toEqual(['created', 'on_approval']);
    bench.directum.put(3, { internalApprovalState: 'Signed', modified: '2026-01-03T00:00:00Z' });
    expect(await bench.reconcile()).toMatchObject({ documents: 3, failed: 0 });
    expect(await statuses(1, 3)).toEqual(['created', 'signed_us']);
  });

  it('because of its assignment stops no other', async () => {
    // No bigint of the database holds it.
    const wrong = { id: 2 ** 64 };
    await shown(1, 2);
    for (const id of [1, 2]) {
      bench.directum.task(70 + id, id);
      bench.directum.assign(700 + id, 70 + id, id === 1 ? wrong : {});
    }
    await bench.poll();
    await bench.show();
    expect(bench.portal.activitiesOf('DEAL_2')).toMatchObject([
      { card: { holders: [{ name: 'Петрова Анна' }] } },
    ]);
    expect(bench.portal.activitiesOf('DEAL_1')).toMatchObject([{ card: { holders: [] } }]);
    expect(refused()).toMatchObject([{ facts: { documentId: 1 } }]);
  });
});

describe('what a portal answers that cannot be kept', () => {
  it('stops no other item, and is asked again a day later or when something changes', async () => {
    for (const id of [1, 2]) await bench.make(`DEAL_${id}`, id);
    bench.pass(2 * MINUTE);
    await bench.look();
    const { deals } = bench;
    bench.reach({
      ...deals,
      putActivities: async (all) => {
        const results = await deals.putActivities(all);
        return results.map((result, n) => (all[n]?.item.id === 1 ? { ok: true, id: 2 ** 64 } : result));
      },
    });
    bench.pass(2_000);
    await bench.showOnce();
    expect(await aside()).toEqual(['deals p DEAL_1 1 22003']);
    bench.reach(deals);
    bench.pass(23 * HOUR);
    expect(await bench.showOnce()).toBe(0);
    const { rows } = await bench.store.pool.query(
      'SELECT document_id::int AS id, shown IS NOT NULL AS shown, show_at IS NOT NULL AS due, attempts FROM watched_document ORDER BY 1',
    );
    expect(rows).toEqual([
      { id: 1, shown: false, due: true, attempts: 1 },
      { id: 2, shown: true, due: false, attempts: 0 },
    ]);
    expect(bench.lines).toContainEqual(
      expect.objectContaining({
        event: 'deal.not_kept',
        facts: expect.objectContaining({ item: 'DEAL_1', documentId: 1 }),
      }),
    );
    bench.pass(HOUR);
    await bench.show();
    expect(await aside()).toEqual([]);
  });
});
