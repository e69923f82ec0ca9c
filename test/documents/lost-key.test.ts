import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createDateChecks } from '../../src/store/documents/date-checks.ts';
import { type DocumentBench, documentBench, HOUR, MINUTE } from './bench.ts';

let bench: DocumentBench;
beforeAll(async () => {
  bench = await documentBench();
}, 20_000);
afterAll(() => bench.close());
beforeEach(() => bench.reset());

/** Of a key that is in no list. */
const GONE = `'"v1.gone.AA.AA.AA"'`;

/** A contract of a deal that is on approval, with an assignment and dates, seen and shown; a robot made it, or not. */
async function onApproval(id: number, made: boolean): Promise<void> {
  await bench.make(`DEAL_${id}`, id);
  bench.directum.task(70 + id, id);
  bench.directum.assign(700 + id, 70 + id);
  bench.directum.put(id, { internalApprovalState: 'OnApproval' });
  bench.directum.dates.set(id, { id, validTill: '2026-12-31', milestones: [] });
  await bench.store.pool.query('UPDATE document SET made = $2 WHERE id = $1', [id, made]);
  bench.pass(2 * MINUTE);
  await bench.look();
  await bench.poll();
  await bench.show();
}

const lose = (column: string, table = 'document') =>
  bench.store.pool.query(`UPDATE ${table} SET ${column} = ${GONE}`);
const codes = async () => {
  const { rows } = await bench.store.pool.query(
    `SELECT code FROM outbox WHERE kind IN ('trigger', 'notice') ORDER BY id`,
  );
  return rows.map(({ code }) => code as string);
};
const isDue = async () =>
  (await bench.store.pool.query('SELECT FROM document WHERE look_at IS NOT NULL')).rowCount !== 0;
const sealedBy = async (id: string) => {
  const { rows } = await bench.store.pool.query(
    `SELECT count(*)::int AS count FROM (SELECT observed AS kept FROM document UNION ALL SELECT dates FROM document
       UNION ALL SELECT seen FROM assignment) AS one WHERE kept #>> '{}' LIKE $1`,
    [`v1.${id}.%`],
  );
  return rows[0].count as number;
};

it.each([
  ['its state, a robot made it', 'observed', 'document', true],
  ['its state, nobody of ours made it', 'observed', 'document', false],
  ['its dates', 'dates', 'document', true],
  ['its assignment', 'seen', 'assignment', true],
])(
  'a document of which a lost key sealed %s is read whole, and tells nothing',
  async (_, column, table, made) => {
    await onApproval(1, made);
    const told = await codes();
    await lose(column, table);
    bench.directum.put(1, { internalApprovalState: 'Signed' });
    await bench.poll();
    // The question of what changed shows a part of it only.
    expect([await isDue(), await sealedBy('gone')]).toEqual([true, 1]);
    await bench.look();
    expect([await isDue(), await sealedBy('gone'), await bench.statusOf(1)]).toEqual([false, 0, 'signed_us']);
    expect(await codes()).toEqual(told);
    bench.pass(2_000);
    await bench.show();
    expect(bench.portal.fields.get('DEAL_1')).toMatchObject({ status: 'signed_us' });
    expect(bench.lines.filter(({ event }) => event === 'content.unreadable').length).toBeLessThanOrEqual(1);
    bench.directum.put(1, { externalApprovalState: 'Signed' });
    bench.pass(MINUTE);
    await bench.poll();
    expect((await codes()).slice(told.length)).toEqual(
      expect.arrayContaining(['directum_signed_both', 'signed_both']),
    );
  },
);

it('what Directum does not show any more orders no reading again and again', async () => {
  await onApproval(1, true);
  await bench.store.pool.query(
    `INSERT INTO assignment (id, task_id, seen) SELECT 999, task_id, ${GONE} FROM document_task`,
  );
  bench.directum.put(1, { internalApprovalState: 'Signed' });
  await bench.poll();
  await bench.look();
  expect([await isDue(), await sealedBy('gone')]).toEqual([false, 0]);
});

it('what an item shows is written anew, and a document without a change is read by the next rescan', async () => {
  await onApproval(1, true);
  await lose('shown', 'watched_document');
  await lose('shown', 'document_slot');
  await lose('observed');
  expect(await bench.showOnce()).toBe(0);
  bench.pass(HOUR);
  await bench.rescan();
  await bench.look();
  expect(await sealedBy('gone')).toBe(0);
  bench.pass(2_000);
  await bench.show();
  const { rows } = await bench.store.pool.query(
    `SELECT w.shown #>> '{}' AS card, s.shown #>> '{}' AS fields FROM watched_document w, document_slot s`,
  );
  expect(rows).toMatchObject([
    { card: expect.stringMatching(/^v1\.k1\./), fields: expect.stringMatching(/^v1\.k1\./) },
  ]);
});

it('a check of dates leaves it out', async () => {
  await onApproval(1, true);
  await onApproval(2, true);
  await bench.store.pool.query(`UPDATE document SET dates = ${GONE} WHERE id = 1`);
  const checked: number[] = [];
  const { pool, content } = bench.store;
  const after = await createDateChecks(pool, content).step(0, 2, async (documents) => {
    checked.push(...documents.map(({ documentId }) => documentId));
  });
  expect([checked, after]).toEqual([[2], 2]);
});
