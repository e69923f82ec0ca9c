import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { JournalLine } from '../../../src/journal/lines.ts';
import { inTransaction } from '../../../src/store/db/transaction.ts';
import { createJournalReader } from '../../../src/store/journal/read-journal.ts';
import { createJournalSeal } from '../../../src/store/journal/seal-journal.ts';
import { writeJournal } from '../../../src/store/journal/write-journal.ts';
import { createSecretKeys } from '../../../src/store/secrets/secrets.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';

const KEY = randomBytes(32);
const keys = createSecretKeys(new Map([['k1', KEY]]));
let bench: StoreBench;
let store: Store;
let now = new Date('2026-03-02T10:00:00Z');
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
});
afterAll(() => bench.close());
beforeEach(async () => {
  now = new Date('2026-03-02T10:00:00Z');
  await store.pool.query('TRUNCATE journal RESTART IDENTITY');
});

const line = (n: number, changes: Partial<JournalLine> = {}): JournalLine => ({
  at: now,
  portal: 'acme',
  itemCode: `DEAL_${n}`,
  documentId: n,
  type: 'document.status',
  actor: 'service',
  data: { status: 'approved', z: 1.5, a: 'б' },
  ...changes,
});
const sealer = () => createJournalSeal({ pool: store.pool, keys, now: () => now });
const reader = (seal = keys) => createJournalReader(store.pool, seal);
const write = (...lines: JournalLine[]) => writeJournal(store.pool, lines);
const sealAll = async () => {
  while (await sealer().seal());
};
const verify = async (expected: string | null = null) => {
  const { end, broken, isThere } = await reader().verify(expected);
  return { upTo: end.sealNo, broken, isThere };
};

describe('the chain', () => {
  it('holds over many steps, and is empty at first', async () => {
    expect(await verify()).toEqual({ upTo: 0, broken: null, isThere: true });
    await write(...Array.from({ length: 1_203 }, (_, n) => line(n)));
    await sealAll();
    expect(await verify()).toEqual({ upTo: 1_203, broken: null, isThere: true });
  });

  it('outlives a commit that comes late, and keys that are rotated', async () => {
    const late = await store.pool.connect();
    await late.query('BEGIN');
    await writeJournal(late, [line(1)]);
    await write(line(2), line(3));
    await sealAll();
    expect(await verify()).toMatchObject({ upTo: 2, broken: null });
    await late.query('COMMIT');
    late.release();
    const rotated = createSecretKeys(
      new Map([
        ['k2', randomBytes(32)],
        ['k1', KEY],
      ]),
    );
    await createJournalSeal({ pool: store.pool, keys: rotated, now: () => now }).seal();
    expect((await reader(rotated).verify(null)).end.sealNo).toBe(3);
    expect((await reader().verify(null)).broken).toEqual({ sealNo: 3, why: 'key_missing' });
  });

  it('is made by one process at a time', async () => {
    await write(...Array.from({ length: 900 }, (_, n) => line(n)));
    await Promise.all(Array.from({ length: 6 }, () => sealAll()));
    await sealAll();
    expect(await verify()).toEqual({ upTo: 900, broken: null, isThere: true });
  });

  it('a transaction that is rolled back leaves no line', async () => {
    const failing = inTransaction(store.pool, async (client) => {
      await writeJournal(client, [line(1)]);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await sealAll();
    expect(await verify()).toMatchObject({ upTo: 0 });
  });
});

describe('shows the first line that', () => {
  beforeEach(async () => {
    await write(line(1), line(2), line(3), line(4));
    await sealAll();
  });

  it.each([
    [
      'was changed in one sign',
      `UPDATE journal SET data = jsonb_set(data, '{a}', '"в"') WHERE id = 2`,
      'changed',
    ],
    ['has another moment', `UPDATE journal SET at = at + interval '1 microsecond' WHERE id = 2`, 'changed'],
    ['has another actor', `UPDATE journal SET actor = 'operator' WHERE id = 2`, 'changed'],
    ['was taken out', 'DELETE FROM journal WHERE id = 2', 'missing'],
    [
      'changed places with the next',
      'UPDATE journal SET seal_no = 5 WHERE id = 2; UPDATE journal SET seal_no = 2 WHERE id = 3; UPDATE journal SET seal_no = 3 WHERE id = 2',
      'changed',
    ],
  ])('%s', async (_, sql, why) => {
    await store.pool.query(sql);
    expect(await verify()).toMatchObject({ upTo: 1, broken: { sealNo: 2, why } });
  });

  it('was put in between', async () => {
    await store.pool.query('UPDATE journal SET seal_no = seal_no + 100 WHERE seal_no > 2');
    await write(line(9));
    await store.pool.query(`UPDATE journal SET seal_no = 3, hash = 'f', key_id = 'k1' WHERE document_id = 9`);
    await store.pool.query('UPDATE journal SET seal_no = seal_no - 99 WHERE seal_no > 100');
    expect(await verify()).toMatchObject({ upTo: 2, broken: { sealNo: 3, why: 'changed' } });
  });

  it('an end that was cut off, by a hash that was kept elsewhere', async () => {
    const { end } = await reader().verify(null);
    expect(await verify(end.hash)).toMatchObject({ isThere: true });
    await store.pool.query('DELETE FROM journal WHERE seal_no > 2');
    expect(await verify()).toEqual({ upTo: 2, broken: null, isThere: true });
    expect(await verify(end.hash)).toEqual({ upTo: 2, broken: null, isThere: false });
  });
});

describe('retention', () => {
  it('cuts only the oldest end, says so in a line, and the chain holds from there', async () => {
    await write(...Array.from({ length: 30 }, (_, n) => line(n)));
    await sealAll();
    now = new Date(now.getTime() + 40 * 86_400_000);
    await write(line(100), line(101));
    expect(await sealer().cut(30)).toBe(false);
    expect(await verify()).toEqual({ upTo: 33, broken: null, isThere: true });
    const { rows } = await store.pool.query('SELECT type, data FROM journal ORDER BY id');
    expect(rows.map(({ type }) => type)).toEqual(['document.status', 'document.status', 'journal.cut']);
    expect(rows[2].data).toMatchObject({ lines: 30, upTo: 30 });
    expect(await verify(rows[2].data.hash)).toMatchObject({ isThere: true });
    await store.pool.query('DELETE FROM journal WHERE seal_no = 31');
    expect(await verify()).toMatchObject({ broken: { sealNo: 31, why: 'missing' } });
  });

  it('leaves what is young, and says nothing when there is nothing to cut', async () => {
    await write(line(1));
    await sealAll();
    expect(await sealer().cut(30)).toBe(false);
    expect(await verify()).toMatchObject({ upTo: 1 });
  });
});

it('says how long the oldest line waits for its seal', async () => {
  expect(await sealer().lateSeconds()).toBe(0);
  await write(line(1));
  now = new Date(now.getTime() + 90_000);
  expect(await sealer().lateSeconds()).toBe(90);
});
