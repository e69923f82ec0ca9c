import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDirectum } from '../../../src/directum/directum.ts';
import { createDeletions } from '../../../src/documents/observe/deletions.ts';
import type { ChangesPort } from '../../../src/documents/ports/changes.ts';
import { RobotFailure } from '../../../src/robot/failure.ts';
import { toSeen } from '../../../src/robot/signature.ts';
import { createWatch } from '../../../src/runs/watch/watch.ts';
import { createMissingDocuments } from '../../../src/store/documents/missing-documents.ts';
import { createDocumentStore } from '../../../src/store/documents/watched-documents.ts';
import { createFeeds } from '../../../src/store/feeds/feeds.ts';
import { createQuarantine } from '../../../src/store/feeds/quarantine.ts';
import { createIncomingCalls } from '../../../src/store/runs/incoming-calls.ts';
import { createRunStore } from '../../../src/store/runs/runs.ts';
import { createWaits } from '../../../src/store/runs/waits.ts';
import { loadSecretKeys } from '../../../src/store/secrets/secrets.ts';
import type { Store } from '../../../src/store/store.ts';
import { memoryCache, quietLog } from '../../directum/stand.ts';
import { startDirectum } from '../../sandbox/directum/directum.ts';
import { type StoreBench, storeBench } from '../../store/bench.ts';
import { feedStep } from '../../store/feed-step.ts';

const HOUR = 3_600_000;
let store: Store;
let bench: StoreBench;
let directum: Awaited<ReturnType<typeof startDirectum>>;
let service: ReturnType<typeof createDirectum>;
let made: string[] = [];
let clock = Date.parse('2026-03-02T10:00:00Z');
const now = () => new Date(clock);

beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
  directum = await startDirectum({ now, sizeGuard: 20 });
  service = createDirectum({
    baseUrl: directum.url,
    webUrl: directum.webUrl,
    login: 'bitrix24',
    password: 'secret',
    auth: 'basic',
    cache: memoryCache(),
    now,
    log: quietLog,
    onRequest: ({ operation }) => made.push(operation),
  });
});
afterAll(async () => {
  await service?.close();
  await directum?.stop();
  await bench?.close();
});

let runs: ReturnType<typeof createRunStore>;
let waits: ReturnType<typeof createWaits>;
let watch: ReturnType<typeof watchWith>;
let woken: number;
/** Requests that had to wait for the common pace. */
let paced: number;

function watchWith(
  changes: ChangesPort,
  atPace: Omit<ChangesPort, 'newest' | 'documents' | 'tasks' | 'newestDocuments' | 'newestTasks'> = changes,
) {
  const documents = createDocumentStore(store.pool, store.content);
  const nothing = async () => undefined;
  const deletions = createDeletions({
    store: createMissingDocuments(store.pool),
    changes: atPace,
    quietMs: 0,
    onBack: () => undefined,
    now,
    log: quietLog,
  });
  const vanished: typeof deletions.judge = async (ids, reading) => {
    const judged = await deletions.judge(ids, reading);
    await deletions.settle(judged);
    return judged;
  };
  const { poll, rescan } = createWatch({
    waits,
    feeds: createFeeds(store.pool),
    quarantine: createQuarantine(store.pool),
    changes,
    documents,
    observer: { documents: nothing, tasks: nothing, assignments: nothing, vanished, deletions },
    atCommonRate: {
      changes: atPace,
      observer: { documents: nothing, whole: async () => [], vanished, deletions },
    },
    documentContext: {
      newestAssignment: async () => null,
      assignments: async () => ({ rows: [], next: null }),
      newestAssignments: async () => null,
    },
    pollMs: 60_000,
    rescanMs: HOUR,
    now,
    onWake: () => {
      woken += 1;
    },
    log: quietLog,
  });
  return {
    poll: () => feedStep(store.pool, poll, now),
    rescan: () => feedStep(store.pool, rescan, now),
  };
}

beforeEach(async () => {
  clock = Date.parse('2026-03-02T10:00:00Z');
  [made, woken, paced] = [[], 0, 0];
  runs = createRunStore(store.pool, store.pool, store.content);
  waits = createWaits(store.pool, store.content);
  const atPace = service.atRate(async () => {
    paced += 1;
  });
  watch = watchWith(service.changes, atPace.changes);
  await store.pool.query('TRUNCATE run, missing_document, quarantine CASCADE');
  await store.pool.query('DELETE FROM feed');
  for (const set of ['IContracts', 'IApprovalTasks'])
    for (const one of directum.all(set)) directum.remove(set, one.Id);
});

const attempt = { startedAt: new Date(0), finishedAt: new Date(0) };

/** So many contracts in Directum, each with a run that waits for it. */
async function waiting(count: number, until = new Date(clock + 100 * HOUR)): Promise<number[]> {
  const ids = Array.from({ length: count }, (_, n) =>
    directum.add('IContracts', { Name: `Договор ${n}`, InternalApprovalState: 'OnApproval' }),
  );
  const call = { memberId: 'm', portal: 'p', robot: 'directum_wait_signature', call: '', wantsAnswer: true };
  const keys = await loadSecretKeys({ dataDir: bench.dataDir });
  const calls = createIncomingCalls({ pool: store.pool, keys, now });
  await calls.accept(
    ids.map((id) => ({
      id: `run-${id}`,
      itemCode: `DEAL_${id}`,
      receivedAt: now(),
      deadlineAt: until,
      ...call,
    })),
  );
  const held = { holder: 'test', takes: 1 };
  await store.pool.query(`UPDATE run SET state = 'running', holder = 'test', takes = 1 WHERE id = ANY($1)`, [
    ids.map((id) => `run-${id}`),
  ]);
  for (let from = 0; from < ids.length; from += 10) {
    const states = await service.changes.statesOf(ids.slice(from, from + 10));
    await Promise.all(
      states.map((document) =>
        waits.save({ id: `run-${document.id}`, ...held }, attempt, {
          documentId: document.id,
          waitFor: 'us',
          until,
          document,
          task: null,
          seen: toSeen(document),
        }),
      ),
    );
  }
  made = [];
  return ids;
}

async function inState(state: string): Promise<number[]> {
  const { rows } = await store.pool.query('SELECT id FROM run WHERE state = $1 ORDER BY id', [state]);
  return rows.map((row) => Number(row.id.slice(4)));
}

/** The first cycle, which only finds where Directum's time is, and the rescan it asks for. */
async function begin() {
  await watch.poll();
  while (await watch.rescan());
  // The cycles that follow stand well behind what was written just now.
  clock += 10 * 60_000;
  directum.patch('IContracts', directum.add('IContracts', { Name: 'чужой' }), { Note: 'x' });
  await watch.poll();
  clock += 10 * 60_000;
  made = [];
}

describe('a cycle', () => {
  it('asks two questions while nothing changes, though a thousand wait', async () => {
    await waiting(1000);
    await begin();
    await watch.poll();
    expect(made.length).toBeLessThanOrEqual(3);
    expect(made.length).toBeGreaterThan(0);
    expect(await inState('waiting')).toHaveLength(1000);
  }, 60_000);

  it('wakes the others when the database refuses what Directum says of one, and goes on from there', async () => {
    const ids = await waiting(4);
    const [first, second, third, fourth] = ids as [number, number, number, number];
    await begin();
    for (const id of [first, second]) directum.patch('IContracts', id, { InternalApprovalState: 'Signed' });
    const { changes } = service;
    watch = watchWith({
      ...changes,
      documents: async (since, after) => {
        const page = await changes.documents(since, after);
        const odd = (id: number) => (id === first ? { exchangeState: 'Signed\0' } : {});
        return { ...page, rows: page.rows.map((row) => ({ ...row, ...odd(row.id) })) };
      },
      tasks: async () => ({
        rows: [third, fourth].map((documentId, n) => ({
          id: 7_000 + n,
          status: 'InProcess',
          modified: now().toISOString(),
          // Farther from Greenwich than the database goes.
          startedAt: n === 0 ? '2026-03-02T10:00:00+20:00' : '2026-03-02T10:00:00+03:00',
          documentIds: [documentId],
        })),
        next: null,
      }),
    });
    const cursors = async () =>
      (await store.pool.query(`SELECT cursor FROM feed WHERE name = 'poll'`)).rows[0].cursor as Record<
        string,
        string
      >;
    const before = await cursors();
    await watch.poll();
    expect(await inState('accepted')).toEqual([second, fourth]);
    const after = await cursors();
    for (const name of ['documents', 'tasks'])
      expect(Date.parse(after[name] ?? '')).toBeGreaterThan(Date.parse(before[name] ?? ''));
  });

  it('wakes the ten of a thousand that changed with the same two questions', async () => {
    const ids = await waiting(1000);
    await begin();
    const changed = ids.filter((_, n) => n % 100 === 7);
    for (const id of changed) directum.patch('IContracts', id, { InternalApprovalState: 'Signed' });
    directum.patch('IContracts', ids[0] as number, { Note: 'says nothing about signing' });
    await watch.poll();
    expect(made.length).toBeLessThanOrEqual(3);
    expect(await inState('accepted')).toEqual(changed);
    expect(woken).toBe(1);
  }, 60_000);

  it('reads a large change page by page', async () => {
    const ids = await waiting(250);
    await begin();
    for (const id of ids) directum.patch('IContracts', id, { InternalApprovalState: 'OnRework' });
    await watch.poll();
    expect(await inState('accepted')).toHaveLength(250);
    expect(made.length).toBeLessThanOrEqual(5);
  }, 60_000);

  it('asks nothing while nobody waits', async () => {
    await watch.poll();
    expect(made).toEqual([]);
  });

  it('keeps its cursor by the clock of Directum and asks again after a failure', async () => {
    const [id] = await waiting(1);
    await begin();
    directum.patch('IContracts', id as number, { InternalApprovalState: 'Signed' });
    const broken = watchWith({ ...service.changes, documents: () => Promise.reject(new Error('down')) });
    await broken.poll();
    expect(await inState('waiting')).toEqual([id]);
    clock += 3 * 24 * HOUR;
    await watch.poll();
    expect(await inState('accepted')).toEqual([id]);
  });

  it('is not blinded by a card dated in the future', async () => {
    const [id] = await waiting(1);
    await begin();
    directum.add('IContracts', { Name: 'из будущего', Modified: '2099-01-01T00:00:00Z' });
    await watch.poll();
    clock += HOUR;
    directum.patch('IContracts', id as number, { InternalApprovalState: 'Signed' });
    await watch.poll();
    expect(await inState('accepted')).toEqual([id]);
  });

  it('follows changes also where Directum refuses to look for the newest among all', async () => {
    const [id] = await waiting(1);
    const error = 'Превышено максимальное количество сущностей в запросе. Используйте фильтрацию.';
    directum.misbehave.next({ path: 'Modified desc', status: 400, body: { error }, times: 9 });
    await begin();
    directum.misbehave.reset();
    directum.patch('IContracts', id as number, { InternalApprovalState: 'Signed' });
    await watch.poll();
    expect(await inState('accepted')).toEqual([id]);
  });

  it('is made by one process when several are due', async () => {
    await waiting(1);
    await begin();
    await Promise.all([watch.poll(), watch.poll(), watch.poll(), watch.poll()]);
    expect(made).toHaveLength(2);
  });

  it('wakes for a task that is newer or changed, and not for an older one', async () => {
    const [id, other] = await waiting(2);
    await begin();
    const page = (task: object) => ({
      ...service.changes,
      tasks: async () => ({
        rows: [
          {
            id: 70,
            status: 'InProcess',
            startedAt: '2026-03-02T10:01:00Z',
            modified: null,
            documentIds: [id as number],
            ...task,
          },
        ],
        next: null,
      }),
    });
    const poll = async (task: object) => {
      await watchWith(page(task)).poll();
      clock += 60_000;
      const due = await inState('accepted');
      await store.pool.query(`UPDATE run SET state = 'waiting' WHERE state = 'accepted'`);
      return due;
    };
    expect(await poll({ status: 'Draft' })).toEqual([]);
    expect(await poll({})).toEqual([id]);
    await store.pool.query(
      `UPDATE wait SET task_id = 70, task_status = 'InProcess', task_started_at = '2026-03-02T10:01:00Z'`,
    );
    expect(await poll({})).toEqual([]);
    expect(await poll({ status: 'Aborted' })).toEqual([id]);
    expect(await poll({ id: 60, status: 'Aborted', startedAt: '2026-03-01T10:00:00Z' })).toEqual([]);
    expect(await poll({ id: 60, startedAt: '2026-03-03T10:00:00Z' })).toEqual([id]);
    expect(await inState('waiting')).toEqual([id, other]);
  });
});

describe('the full rescan', () => {
  it('finds what Modified does not show and what is gone, ten documents a question', async () => {
    const ids = await waiting(25);
    await begin();
    directum.patch('IContracts', ids[3] as number, {
      InternalApprovalState: 'Signed',
      Modified: '2026-01-01T00:00:00Z',
    });
    directum.remove('IContracts', ids[20] as number);
    await watch.poll();
    expect(await inState('accepted')).toEqual([]);
    made = [];
    await watch.rescan();
    expect(made).toEqual([]);
    clock += HOUR;
    paced = 0;
    while (await watch.rescan());
    // Before it counts as deleted all is read once more, it is asked for together with others, then any contract, then it.
    expect(made).toHaveLength(9);
    expect(paced).toBe(9);
    expect(await inState('accepted')).toEqual([ids[3], ids[20]]);
  });

  it('halves a group that Directum refuses', async () => {
    const ids = await waiting(10);
    await begin();
    directum.patch('IContracts', ids[9] as number, {
      InternalApprovalState: 'Signed',
      Modified: '2026-01-01T00:00:00Z',
    });
    directum.misbehave.next({
      verb: 'GET',
      path: / or /,
      status: 400,
      body: { error: 'node count' },
      times: 1,
    });
    clock += HOUR;
    paced = 0;
    while (await watch.rescan());
    expect([made.length, paced]).toEqual([3, 3]);
    expect(await inState('accepted')).toEqual([ids[9]]);
  });

  it('puts aside what Directum refuses, and goes on with the others', async () => {
    const ids = await waiting(12);
    await begin();
    for (const n of [4, 11])
      directum.patch('IContracts', ids[n] as number, {
        InternalApprovalState: 'Signed',
        Modified: '2026-01-01T00:00:00Z',
      });
    const bad = ids[3] as number;
    const statesOf: typeof service.changes.statesOf = async (some) => {
      if (some.includes(bad)) throw new RobotFailure('directum_refused', { ru: 'нет', en: 'no' });
      return service.changes.statesOf(some);
    };
    clock += HOUR;
    const rescan = async () => {
      while (await watchWith({ ...service.changes, statesOf }).rescan());
    };
    await rescan();
    expect(await inState('accepted')).toEqual([ids[4], ids[11]]);
    const list = async () => (await createQuarantine(store.pool).list(now())).map(({ key }) => Number(key));
    expect(await list()).toEqual([bad]);
    clock += HOUR;
    await rescan();
    clock += 25 * HOUR;
    while (await watch.rescan());
    expect(await list()).toEqual([]);
  });

  it('that is refused everywhere puts nothing aside', async () => {
    await waiting(2);
    await begin();
    clock += HOUR;
    const statesOf = async () => {
      throw new RobotFailure('directum_refused', { ru: 'нет', en: 'no' });
    };
    expect(await watchWith({ ...service.changes, statesOf }).rescan()).toBe(false);
    expect(await createQuarantine(store.pool).list(now())).toEqual([]);
  });

  it('stays at a group it could not read', async () => {
    const ids = await waiting(2);
    await begin();
    directum.remove('IContracts', ids[0] as number);
    clock += HOUR;
    await watchWith({ ...service.changes, statesOf: () => Promise.reject(new Error('down')) }).rescan();
    expect(await inState('accepted')).toEqual([]);
    clock += 60_000;
    while (await watch.rescan());
    expect(await inState('accepted')).toEqual([ids[0]]);
  });
});

it('a wait whose time is over is due without any question', async () => {
  const [late] = await waiting(1, new Date(clock + 1000));
  await waiting(1);
  expect(await waits.wakeExpired(now())).toBe(0);
  clock += 1000;
  made = [];
  expect(await waits.wakeExpired(now())).toBe(1);
  expect(await inState('accepted')).toEqual([late]);
  expect(made).toEqual([]);
});

it('an ended or cancelled run is no longer watched', async () => {
  const [id] = await waiting(2);
  await runs.end(`run-${id}`, { ...attempt, ending: 'done', text: null }, {}, null);
  expect(await waits.measure(new Date())).toMatchObject({ waits: 1, watchedDocuments: 1 });
  await runs.cancelOf('m', now());
  expect(await waits.measure(new Date())).toMatchObject({ waits: 0, watchedDocuments: 0 });
  expect((await store.pool.query('SELECT 1 FROM wait')).rowCount).toBe(0);
});
