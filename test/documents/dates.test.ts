import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DATES } from '../../src/documents/facts/record-changes.ts';
import { createFeeds } from '../../src/store/feeds/feeds.ts';
import { createQuarantine } from '../../src/store/feeds/quarantine.ts';
import { feedStep } from '../store/feed-step.ts';
import { type FakeDeals, fakeDeals } from './fake-deals.ts';
import { ledgerBench } from './ledger-bench.ts';
import { document } from './snapshots.ts';

const HOUR_MS = 3_600_000;
let bench: Awaited<ReturnType<typeof ledgerBench>>;
let deals: FakeDeals;
beforeAll(async () => {
  bench = await ledgerBench();
}, 20_000);
afterAll(() => bench.close());
beforeEach(async () => {
  await bench.clear();
  await bench.pool.query('TRUNCATE document CASCADE');
  await bench.pool.query('DELETE FROM feed');
  deals = fakeDeals();
  bench.reach({ p: deals });
});

/** A document kept as observation keeps it, shown in its deal since 2026-03-01. */
async function keep(id: number, validTill: string | null, more: { ended?: boolean; status?: string } = {}) {
  const dates = validTill && { id, validTill, milestones: [] };
  await bench.pool.query(
    'INSERT INTO document (id, observed, status, dates, ended_at) VALUES ($1, $2, $3, $4, $5)',
    [
      id,
      JSON.stringify(document({ id })),
      more.status ?? 'signed_both',
      dates && JSON.stringify(dates),
      more.ended ? bench.now() : null,
    ],
  );
  await bench.pool.query(
    `INSERT INTO watched_document (portal, item_code, document_id, created_at) VALUES ('p', $1, $2, '2026-03-01T09:00:00Z')`,
    [`DEAL_${id}`, id],
  );
}

const check = ({ recordChanges }: typeof bench.one) => feedStep(bench.pool, recordChanges.dates, bench.now);

/** Both replicas look as long as there is something to look at. */
async function look() {
  bench.idle(30_000);
  for (const replica of [bench.one, bench.two]) while (await check(replica));
  await bench.pass(10_000);
}

describe('the daily check of dates', () => {
  it('finds what is near, once a day and once for each step', async () => {
    await keep(1, '2026-03-09');
    await keep(2, '2026-12-31');
    await keep(3, null);
    await keep(4, '2026-03-09', { ended: true });
    await keep(5, '2026-03-09', { status: 'annulled' });
    await look();
    await look();
    expect(deals.fired).toEqual(['DEAL_1 directum_due']);
    for (let day = 0; day < 7; day += 1) {
      bench.idle(24 * HOUR_MS);
      await look();
    }
    expect(deals.fired).toEqual(['DEAL_1 directum_due', 'DEAL_1 directum_due']);
    bench.idle(24 * HOUR_MS);
    await look();
    expect(deals.fired.slice(2)).toEqual(['DEAL_1 directum_overdue']);
  });

  it('waits for the morning, unless the service has just started', async () => {
    await keep(1, '2026-04-02');
    await look();
    bench.idle(13 * HOUR_MS);
    await look();
    expect(deals.fired).toEqual([]);
    await createFeeds(bench.pool).restart(DATES, { day: '', after: 0 });
    await look();
    expect(deals.fired).toEqual(['DEAL_1 directum_due']);
  });

  it('reads hundreds of documents, shared by two processes, and goes on after one of them died', async () => {
    for (let id = 1; id <= 450; id += 1) await keep(id, '2026-03-05');
    const feeds = createFeeds(bench.pool);
    await feeds.begin([DATES]);
    await feeds.take([{ name: DATES, leaseMs: 20_000 }], bench.now());
    await Promise.all([check(bench.one), check(bench.two)]);
    const count = async () => (await bench.pool.query('SELECT count(*)::int AS n FROM outbox')).rows[0].n;
    expect(await count()).toBe(0);
    bench.idle(21_000);
    while ((await Promise.all([check(bench.one), check(bench.two)])).includes(true));
    expect(await count()).toBe(900);
  });

  it('puts aside a document whose dates cannot be read, and goes on with the others', async () => {
    for (let id = 1; id <= 20; id += 1) await keep(id, '2026-03-05');
    await bench.pool.query(`UPDATE document SET dates = '{}' WHERE id = 7`);
    await look();
    expect(deals.fired).toHaveLength(19);
    const list = async () =>
      (await createQuarantine(bench.pool).list(bench.now())).map(({ feed, key }) => `${feed} ${key}`);
    expect(await list()).toEqual(['dates 7']);
    await bench.pool.query(
      `UPDATE document SET dates = (SELECT dates FROM document WHERE id = 1) WHERE id = 7`,
    );
    bench.idle(24 * HOUR_MS);
    await look();
    expect(await list()).toEqual([]);
    expect(deals.fired).toContain('DEAL_7 directum_due');
  });
});
