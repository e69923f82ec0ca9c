import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DocumentState } from '../../../src/robot/ports/document-state.ts';
import { createClaimedRuns } from '../../../src/store/runs/claimed-runs.ts';
import {
  createIncomingCalls,
  type IncomingCalls,
  type NewRun,
} from '../../../src/store/runs/incoming-calls.ts';
import { createRunStore, type StoredRun } from '../../../src/store/runs/runs.ts';
import { createWaits } from '../../../src/store/runs/waits.ts';
import { loadSecretKeys, type SecretKeys } from '../../../src/store/secrets/secrets.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';

let store: Store;
let calls: IncomingCalls;
let ownKeys: SecretKeys;
let bench: StoreBench;
const NOW = new Date('2026-03-02T10:00:00Z');

beforeAll(async () => {
  bench = await storeBench();
  ownKeys = await loadSecretKeys({ dataDir: bench.dataDir });
  store = await bench.open(undefined, () => NOW);
  calls = createIncomingCalls({ pool: store.pool, keys: ownKeys, now: () => NOW });
});
afterAll(async () => {
  await bench?.close();
});
beforeEach(() => store.pool.query('TRUNCATE run CASCADE'));

/** Calls, a second apart: `robot@member/item`. */
const toCalls = (names: string[]): NewRun[] =>
  names.map((name, index) => {
    const [robot = '', memberId = '', itemCode = ''] = name.split(/[@/]/);
    const receivedAt = new Date(NOW.getTime() - (1000 - index) * 1000);
    return {
      id: name.includes('#') ? name : `${name}#${index}`,
      memberId,
      portal: memberId,
      robot,
      itemCode: itemCode.split('#')[0] as string,
      call: '"what the step sent"',
      wantsAnswer: true,
      receivedAt,
      deadlineAt: new Date(NOW.getTime() + 3_600_000),
    };
  });

const accept = (...names: string[]) => calls.accept(toCalls(names));

const many = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}_${n}`);
async function countOf(table: 'run' | 'run_attempt'): Promise<number> {
  const { rows } = await store.pool.query(`SELECT count(*)::int AS count FROM ${table}`);
  return rows[0].count;
}

it('makes one run of a call, though it comes again and to several processes', async () => {
  const given = toCalls(many('create@acme/DEAL', 30));
  await calls.accept(given.slice(0, 3));
  const made = await Promise.all([1, 2, 3].map(() => calls.accept(given)));
  expect(made.reduce((sum, fresh) => sum + fresh.size, 0)).toBe(27);
  const { rows } = await store.pool.query(
    `SELECT id, member_id AS "memberId", portal, robot, item_code AS "itemCode", call, wants_answer AS "wantsAnswer",
       received_at AS "receivedAt", deadline_at AS "deadlineAt" FROM run ORDER BY received_at`,
  );
  for (const { call } of rows) expect(call).toMatch(/^v1\.[\w.-]+$/);
  expect(rows.map(({ call, ...row }) => ({ ...row, call: ownKeys.decrypt(call) }))).toEqual(given);
});

const line = (name: string, running = 0, free = 99) => {
  const [robot = '', memberId = ''] = name.split('@');
  return { memberId, robot, running, free };
};
const names = (runs: { id: string }[]) => runs.map(({ id }) => id.split('#')[0]).sort();

it('takes one run of an item at a time, whoever asks', async () => {
  await accept(...Array.from({ length: 40 }, (_, n) => `create@acme/DEAL_${n % 4}#${n}`));
  const holders = ['a', 'b', 'c', 'd'].map((name) => createClaimedRuns(store.pool, store.content, name));
  const lines = [line('create@acme')];
  const done: string[] = [];
  // Who asks at the same moment may leave a run to the next look.
  for (let round = 0; round < 100 && done.length < 40; round++) {
    const taken = (await Promise.all(holders.map((holder) => holder.claim(NOW, 5, lines)))).flat();
    expect(new Set(taken.map((run) => run.itemCode)).size).toBe(taken.length);
    done.push(...taken.map((run) => run.id));
    await store.pool.query(`UPDATE run SET state = 'ended' WHERE state = 'running'`);
  }
  expect(new Set(done).size).toBe(40);
});

it('takes in turn from each portal and robot, those with fewer running first', async () => {
  await accept(
    ...Array.from({ length: 20 }, (_, n) => `create@acme/DEAL_${n}`),
    'sync@acme/DEAL_90',
    'create@other/DEAL_1',
  );
  const claimed = createClaimedRuns(store.pool, store.content, 'a');
  const lines = [line('create@acme', 2), line('sync@acme'), line('create@other')];
  expect(names(await claimed.claim(NOW, 2, lines))).toEqual(['create@other/DEAL_1', 'sync@acme/DEAL_90']);
  expect(names(await claimed.claim(NOW, 3, lines))).toEqual([0, 1, 2].map((n) => `create@acme/DEAL_${n}`));
});

it('takes no more of a portal than there are free slots for', async () => {
  await accept('create@acme/DEAL_1', 'sync@acme/DEAL_2', 'create@acme/DEAL_3', 'create@other/DEAL_1');
  const claimed = createClaimedRuns(store.pool, store.content, 'a');
  const lines = [line('create@acme', 0, 2), line('sync@acme', 0, 2), line('create@other', 0, 0)];
  expect(names(await claimed.claim(NOW, 9, lines))).toEqual(['create@acme/DEAL_1', 'sync@acme/DEAL_2']);
});

it('leaves alone what is not due, and portals that are not asked for', async () => {
  await accept('create@acme/DEAL_1', 'create@gone/DEAL_1');
  const claimed = createClaimedRuns(store.pool, store.content, 'a');
  expect(await claimed.claim(new Date(NOW.getTime() - 3_600_000), 5, [line('create@acme')])).toEqual([]);
  expect(names(await claimed.claim(NOW, 5, [line('create@acme')]))).toEqual(['create@acme/DEAL_1']);
});

it('gives a run back when its holder says so or says nothing more', async () => {
  await accept('create@acme/DEAL_1');
  const lines = [line('create@acme')];
  const [a, b] = [
    createClaimedRuns(store.pool, store.content, 'a'),
    createClaimedRuns(store.pool, store.content, 'b'),
  ];
  const [run] = await a.claim(NOW, 1, lines);
  const held = run as StoredRun;
  await b.release([{ ...held, holder: 'b' }]);
  expect(await b.claim(NOW, 1, lines)).toEqual([]);
  await a.release([held]);
  const [taken] = await b.claim(NOW, 1, lines);
  const taking = taken as StoredRun;
  expect(taking).toMatchObject({ id: held.id, holder: 'b', takes: 2, lost: 0, abandoned: 0 });

  const lapse = () => store.pool.query(`UPDATE run SET lease_until = clock_timestamp() - interval '1 ms'`);
  await lapse();
  expect((await b.keep([taking, held]))(taking)).toBe(true);
  expect(await a.reclaim(NOW)).toBe(0);
  await lapse();
  expect(await a.reclaim(NOW)).toBe(1);
  expect((await b.keep([taking]))(taking)).toBe(false);
  expect(await a.claim(NOW, 1, lines)).toMatchObject([{ id: held.id, abandoned: 1 }]);
});

it('an attempt changes nothing of a later one of the same process', async () => {
  await accept('create@acme/DEAL_1');
  const a = createClaimedRuns(store.pool, store.content, 'a');
  const lines = [line('create@acme')];
  const [first] = (await a.claim(NOW, 1, lines)) as [StoredRun];
  await store.pool.query(`UPDATE run SET lease_until = clock_timestamp() - interval '1 ms'`);
  await a.reclaim(NOW);
  const [second] = (await a.claim(NOW, 1, lines)) as [StoredRun];
  const row = async () => (await store.pool.query('SELECT * FROM run')).rows[0];
  const before = await row();
  expect((await a.keep([first]))(first)).toBe(false);
  await a.release([first]);
  const runs = createRunStore(store.pool, store.asyncCommitPool, store.content);
  const attempt = { startedAt: NOW, finishedAt: NOW, ending: 'done', text: null };
  expect(await runs.postpone(first, attempt, {}, { nextAt: NOW, deadlineAt: NOW })).toBe(false);
  expect(await runs.end(first.id, attempt, {}, null, first)).toBe(false);
  const until = { until: NOW, document: {} as DocumentState, task: null, seen: '' };
  const wait = { documentId: 1, waitFor: 'us', ...until };
  expect(await createWaits(store.pool, store.content).save(first, attempt, wait)).toBeNull();
  expect(await row()).toEqual(before);
  expect(await countOf('run_attempt')).toBe(0);
  expect(await runs.end(second.id, attempt, {}, null, second)).toBe(true);
});

it('a run left by its process again and again is due apart from those it takes with it', async () => {
  await accept('create@acme/DEAL_1');
  const a = createClaimedRuns(store.pool, store.content, 'a');
  const waited: boolean[] = [];
  for (let time = 0; time < 5; time += 1) {
    const later = new Date(NOW.getTime() + 3_600_000);
    const [run] = (await a.claim(later, 1, [line('create@acme')])) as [StoredRun];
    expect(run.abandoned).toBe(time);
    await store.pool.query(`UPDATE run SET lease_until = clock_timestamp() - interval '1 ms'`);
    await a.reclaim(NOW);
    const { rows } = await store.pool.query('SELECT next_at > $1 AS later FROM run', [NOW]);
    waited.push(rows[0].later);
  }
  expect(waited).toEqual([false, false, true, true, true]);
});

it('keeps and takes back the others while one run is being written', async () => {
  await accept('create@acme/DEAL_1', 'create@acme/DEAL_2');
  const claimed = createClaimedRuns(store.asyncCommitPool, store.content, 'a');
  const held = (await claimed.claim(NOW, 2, [line('create@acme')])).sort((one, other) =>
    one.id < other.id ? -1 : 1,
  );
  const [first, second] = held.map(({ id }) => id);
  if (!first || !second) throw new Error('two runs were claimed');
  const leases = async () =>
    (await store.pool.query('SELECT lease_until FROM run ORDER BY id')).rows.map(
      ({ lease_until }) => lease_until,
    );
  const writer = await store.pool.connect();
  try {
    await writer.query('BEGIN');
    await writer.query(`UPDATE run SET state = 'waiting' WHERE id = $1`, [first]);
    const before = await leases();
    await claimed.keep(held);
    const kept = await leases();
    expect([kept[0] > before[0], kept[1] > before[1]]).toEqual([false, true]);
    await store.pool.query(`UPDATE run SET lease_until = clock_timestamp() - interval '1 ms' WHERE id = $1`, [
      second,
    ]);
    expect(await claimed.reclaim(NOW)).toBe(1);
  } finally {
    await writer.query('ROLLBACK');
    writer.release();
  }
});

describe('a long line', () => {
  const wanted = (least: number, part = 1) => [{ memberId: 'acme', robot: 'create', least, most: 20, part }];
  const later = (seconds: number) =>
    store.pool.query(`UPDATE run SET next_at = next_at - make_interval(secs => $1)`, [seconds]);

  it('is claimed ahead from both ends, one run of an item, and not when it is short', async () => {
    await accept(...many('create@acme/DEAL', 30), 'create@acme/DEAL_29#again', 'create@other/DEAL_1');
    const claimed = createClaimedRuns(store.pool, store.content, 'a');
    expect(await claimed.claimAhead(NOW, wanted(32))).toEqual([]);
    const taken = await claimed.claimAhead(NOW, wanted(31));
    const of = (newest: boolean) =>
      taken.flatMap(({ run, isNewest }) => (isNewest === newest ? run.itemCode : []));
    // The second run of the last item waits for the first, which is among the newest.
    expect(of(true)).toEqual(['DEAL_28', 'DEAL_29']);
    expect(of(false)).toEqual(Array.from({ length: 18 }, (_, n) => `DEAL_${n}`));
  });

  it('is left to other processes by their part', async () => {
    await accept(...many('create@acme/DEAL', 30));
    const [a, b] = [
      createClaimedRuns(store.pool, store.content, 'a'),
      createClaimedRuns(store.pool, store.content, 'b'),
    ];
    expect(await a.claimAhead(NOW, wanted(25, 1 / 3))).toHaveLength(10);
    expect(await b.claimAhead(NOW, wanted(5, 1 / 2))).toHaveLength(10);
    expect(await b.claimAhead(NOW, wanted(5))).toHaveLength(10);
  });

  it('claimed ahead begins once, keeps its lease, and its death counts as no lost attempt', async () => {
    await accept(...many('create@acme/DEAL', 4));
    const claimed = createClaimedRuns(store.pool, store.content, 'a');
    const taken = (await claimed.claimAhead(NOW, wanted(1))).map(({ run }) => run);
    const [first, second] = taken as [StoredRun, StoredRun];
    expect((await claimed.keep(taken))(first)).toBe(true);
    const [begun] = (await claimed.begin([first])) as [StoredRun];
    expect(begun).toMatchObject({ id: first.id, holder: 'a' });
    expect(await claimed.begin([first])).toEqual([]);
    await store.pool.query(`UPDATE run SET lease_until = clock_timestamp() - interval '1 ms'`);
    expect(await claimed.reclaim(NOW)).toBe(4);
    expect(await claimed.begin([second])).toEqual([]);
    const { rows } = await store.pool.query('SELECT id FROM run WHERE abandoned > 0');
    expect(rows).toEqual([{ id: first.id }]);
  });

  it('that is read ahead gives single runs that came after the mass at once, and no others', async () => {
    await accept(...many('create@acme/DEAL', 12));
    await store.pool.query(`UPDATE run SET next_at = $1::timestamptz - interval '30 s'`, [NOW]);
    const claimed = createClaimedRuns(store.pool, store.content, 'a');
    const lines = [{ ...line('create@acme'), isAhead: true }];
    expect(await claimed.claim(NOW, 5, lines)).toEqual([]);
    await later(-10);
    await calls.accept(toCalls(['create@acme/DEAL_77#after']).map((call) => ({ ...call, receivedAt: NOW })));
    expect(names(await claimed.claim(NOW, 5, lines))).toEqual(['create@acme/DEAL_77']);
    expect(await claimed.claim(NOW, 5, lines)).toEqual([]);
  });
});
