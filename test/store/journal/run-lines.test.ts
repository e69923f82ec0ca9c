import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createClaimedRuns } from '../../../src/store/runs/claimed-runs.ts';
import { createIncomingCalls, type NewRun } from '../../../src/store/runs/incoming-calls.ts';
import { createRunHistory } from '../../../src/store/runs/run-history.ts';
import { createRunStore } from '../../../src/store/runs/runs.ts';
import { loadSecretKeys } from '../../../src/store/secrets/secrets.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';
import { written } from './written.ts';

const NOW = new Date('2026-03-02T10:00:00Z');
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
const ROBOT = 'directum_create_contract';
let bench: StoreBench;
let store: Store;
let calls: ReturnType<typeof createIncomingCalls>;
let runs: ReturnType<typeof createRunStore>;

beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open(undefined, () => NOW);
  const keys = await loadSecretKeys({ dataDir: bench.dataDir });
  calls = createIncomingCalls({ pool: store.pool, keys, now: () => NOW });
  runs = createRunStore(store.pool, store.asyncCommitPool, store.content);
});
afterAll(() => bench?.close());
beforeEach(() => store.pool.query('TRUNCATE run, journal CASCADE'));

const call = (id: string, itemCode = 'DEAL_1'): NewRun => ({
  ...{ id, memberId: 'm', portal: 'p', robot: ROBOT, itemCode, call: '"canary"', wantsAnswer: true },
  receivedAt: NOW,
  deadlineAt: later(3600),
});
const attempt = (ending: string, seconds: number) => ({
  ...{ startedAt: NOW, finishedAt: later(seconds), ending },
  text: { ru: 'Нет.', en: 'No.' },
});
async function claim() {
  const line = { memberId: 'm', robot: ROBOT, running: 0, free: 9 };
  const [run] = await createClaimedRuns(store.pool, store.content, 'a').claim(later(1), 1, [line]);
  if (run === undefined) throw new Error('no run is due');
  return run;
}

it('a call is taken once, though it comes again with others', async () => {
  await calls.accept([call('b', 'DEAL_2'), call('a')]);
  await calls.accept([call('a'), call('c', 'DEAL_3')]);
  expect(await written(store.pool)).toEqual([
    ['call.taken', 'DEAL_1', null, 'run a', { run: 'a', robot: ROBOT }],
    ['call.taken', 'DEAL_2', null, 'run b', { run: 'b', robot: ROBOT }],
    ['call.taken', 'DEAL_3', null, 'run c', { run: 'c', robot: ROBOT }],
  ]);
  const { rows } = await store.pool.query('SELECT DISTINCT at, portal FROM journal');
  expect(rows).toEqual([{ at: NOW, portal: 'p' }]);
});

it('a run ends once, by its own attempt', async () => {
  await calls.accept([call('a')]);
  const run = await claim();
  await runs.postpone(run, attempt('directum_unavailable', 1), {}, { nextAt: NOW, deadlineAt: NOW });
  const again = await claim();
  expect(await runs.end('a', attempt('done', 2), {}, null, run)).toBe(false);
  expect(await runs.end('a', attempt('done', 2.5), {}, null, again)).toBe(true);
  expect(await runs.end('a', attempt('done', 3), {}, null, again)).toBe(false);
  const facts = { run: 'a', robot: ROBOT, ending: 'done', attempts: 2, seconds: 2.5 };
  expect((await written(store.pool)).slice(1)).toEqual([['run.ended', 'DEAL_1', null, 'run a', facts]]);
});

it('an operator cancels a run and does it again', async () => {
  const history = createRunHistory(store.pool, store.content);
  await calls.accept([call('a')]);
  await runs.end('a', attempt('cancelled', 2), {}, null);
  expect(await history.reopen('a', later(60), later(3600))).toBe(true);
  expect(await history.reopen('a', later(60), later(3600))).toBe(false);
  await runs.end('a', attempt('done', 64), {}, null);
  const facts = { run: 'a', robot: ROBOT, ending: 'cancelled' };
  expect((await written(store.pool)).slice(1)).toEqual([
    ['run.cancelled', 'DEAL_1', null, 'operator', { ...facts, attempts: 1, seconds: 2 }],
    ['run.retried', 'DEAL_1', null, 'operator', facts],
    ['run.cancelled', 'DEAL_1', null, 'operator', { ...facts, ending: 'done', attempts: 2, seconds: 4 }],
  ]);
});

it('open runs of a removed application are cancelled by the service', async () => {
  await calls.accept([call('a'), call('b', 'DEAL_2'), call('c', 'DEAL_3')]);
  await runs.end('b', attempt('done', 1), {}, null);
  await runs.cancelOf('m', later(5));
  await runs.cancelOf('m', later(6));
  const facts = { robot: ROBOT, ending: 'cancelled', attempts: 0, seconds: 5 };
  expect((await written(store.pool, "actor = 'service'")).slice()).toEqual([
    ['run.cancelled', 'DEAL_1', null, 'service', { ...facts, run: 'a' }],
    ['run.cancelled', 'DEAL_3', null, 'service', { ...facts, run: 'c' }],
  ]);
});

it('a call that the database refuses takes its line with it', async () => {
  const bad = { ...call('bad'), robot: null as unknown as string };
  await expect(calls.accept([call('a'), bad])).rejects.toMatchObject({ code: '23502' });
  expect(await written(store.pool)).toEqual([]);
});
