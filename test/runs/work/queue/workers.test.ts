import { expect, it } from 'vitest';
import { startWorkers, type WorkersOptions } from '../../../../src/runs/work/queue/workers.ts';
import type { ConcurrencySlots } from '../../../../src/store/locks/concurrency-slots.ts';
import type { ClaimedRuns, Line } from '../../../../src/store/runs/claimed-runs.ts';
import type { StoredRun } from '../../../../src/store/runs/runs.ts';
import { quietLog } from '../../../directum/stand.ts';

const run = (id: string) => ({ id, memberId: 'acme', robot: 'wait' }) as StoredRun;

const having = (count: number): ConcurrencySlots => ({
  total: count,
  held: () => count,
  share: async () => false,
});

/** Workers of one line that waits, over a store of which a test says what matters to it. */
const start = (
  claimed: Partial<ClaimedRuns>,
  options: Pick<WorkersOptions<string>, 'work'> & Partial<WorkersOptions<string>>,
) =>
  startWorkers({
    claimed: {
      keep: async () => () => true,
      release: async () => undefined,
      reclaim: async () => 0,
      claimAhead: async () => [],
      begin: async (runs) => [...runs],
      ...claimed,
    } as ClaimedRuns,
    slots: { ordinary: having(4), last: having(8) },
    leaseMs: 60_000,
    tickMs: 20,
    lines: () => [{ memberId: 'acme', robot: 'wait', waits: true }],
    ahead: { isOpen: () => true, read: async () => undefined },
    now: () => new Date(),
    log: quietLog,
    ...options,
  });

it('waits whose time is over have places of their own and leave the others theirs', async () => {
  const asked: { limit: number; line: Line | undefined }[] = [];
  const claimed: Partial<ClaimedRuns> = {
    async claim(_now: Date, limit: number, lines: readonly Line[], overdue = false) {
      if (overdue) return Array.from({ length: limit }, (_, n) => run(`over ${n}`));
      asked.push({ limit, line: lines[0] });
      return [];
    },
  };
  const gate = Promise.withResolvers<void>();
  const started: string[] = [];
  const workers = start(claimed, {
    slots: { ordinary: having(12), last: having(8) },
    leaseMs: 4_000,
    work: async ({ id }) => {
      started.push(id);
      await gate.promise;
    },
  });
  await expect.poll(() => started.length).toBe(8);
  asked.length = 0;
  await expect
    .poll(() => asked[0])
    .toEqual({ limit: 12, line: { memberId: 'acme', robot: 'wait', running: 0, free: 12, isAhead: false } });
  expect(started).toHaveLength(8);
  gate.resolve();
  await workers.stop();
});

it('an attempt that the database ended to let another go first is made again at once, any other lost one by its lease', async () => {
  const due = ['in the way', 'gone silent'];
  const begun: string[] = [];
  const claimed: Partial<ClaimedRuns> = {
    claim: async (_now: Date, _limit: number, _lines: readonly Line[], overdue = false) =>
      overdue ? [] : due.splice(0).map(run),
    release: async (holds: readonly { id: string }[]) => void due.push(...holds.map(({ id }) => id)),
  };
  const workers = start(claimed, {
    work: async ({ id }) => {
      begun.push(id);
      const first = begun.filter((one) => one === id).length === 1;
      if (first) throw Object.assign(new Error('x'), { code: id === 'in the way' ? '40P01' : '57P01' });
    },
  });
  await expect.poll(() => begun).toEqual(['in the way', 'gone silent', 'in the way']);
  await workers.stop();
});

it('works only where it has a place, and gives back what it took when the place went meanwhile', async () => {
  let held = 0;
  let part = 3;
  const begun: string[] = [];
  const back: string[] = [];
  const claimed: Partial<ClaimedRuns> = {
    async claim(_now: Date, limit: number, _lines: readonly Line[], overdue = false) {
      if (overdue) return [];
      // Another process joins while the store looks.
      held = 2;
      part = 2;
      return Array.from({ length: limit }, (_, n) => run(`run ${n}`));
    },
    release: async (holds: readonly { id: string }[]) => void back.push(...holds.map(({ id }) => id)),
  };
  const gate = Promise.withResolvers<void>();
  const workers = start(claimed, {
    slots: {
      ordinary: {
        total: 3,
        held: () => held,
        share: async () => {
          const more = part > held;
          held = part;
          return more;
        },
      },
      last: having(0),
    },
    work: async ({ id }) => {
      begun.push(id);
      await gate.promise;
    },
  });
  await expect.poll(() => back).toEqual(['run 2']);
  expect(begun).toEqual(['run 0', 'run 1']);
  gate.resolve();
  await workers.stop();
});

const dueRun = (id: string, robot = 'create') =>
  ({ id, memberId: 'acme', robot, holder: 'x', takes: 1 }) as StoredRun;

/** A line of many due runs over a store in memory, whose runs are read ahead when the test says so. */
function longLine(count: number, options: Partial<WorkersOptions<string>> = {}) {
  const due = Array.from({ length: count }, (_, n) => dueRun(`run ${n}`));
  const others: StoredRun[] = [];
  const begun: string[] = [];
  const back: string[] = [];
  const readings: { runs: readonly StoredRun[]; tell(part?: number): void; end(): void }[] = [];
  const attempts: { id: string; end(): void }[] = [];
  const workers = start(
    {
      async claim(_now, limit, lines, overdue = false) {
        if (overdue) return [];
        const line = lines.find(({ robot }) => robot === 'create');
        const own = line?.isAhead ? [] : due;
        return [...others.splice(0, limit), ...own.splice(0, limit)].slice(0, limit);
      },
      claimAhead: async (_now, [line]) =>
        due.length < (line?.least ?? 0)
          ? []
          : due.splice(0, line?.most).map((run, n) => ({ run, isNewest: n >= 243 })),
      release: async (holds) => void back.push(...holds.map(({ id }) => id)),
    },
    {
      lines: () => ['create', 'sync'].map((robot) => ({ memberId: 'acme', robot, waits: false })),
      ahead: {
        isOpen: () => true,
        read: async (_memberId, runs, onReady) => {
          const { promise, resolve } = Promise.withResolvers<void>();
          const tell = (part = runs.length) => {
            for (const run of runs.slice(0, part)) onReady(run, `about ${run.id}`);
          };
          readings.push({ runs, tell, end: resolve });
          await promise;
        },
      },
      work: async ({ id }, _isHeld, ahead) => {
        begun.push(`${id}: ${ahead ?? 'nothing'}`);
        await new Promise<void>((end) => attempts.push({ id, end }));
      },
      ...options,
    },
  );
  const endAll = () => {
    for (const { end } of attempts.splice(0)) end();
  };
  return { workers, due, others, begun, back, readings, endAll };
}

it('runs of a long line are read ahead before they have slots, and begin with what was read, the newest first', async () => {
  const { workers, begun, readings, endAll } = longLine(400);
  workers.wake();
  // Four slots are taken one by one at first.
  await expect.poll(() => readings.length).toBe(1);
  expect(begun.every((text) => text.endsWith('nothing'))).toBe(true);
  expect(readings[0]?.runs).toHaveLength(245);
  expect(workers.isBusy('acme')).toBe(true);
  readings[0]?.tell();
  const before = begun.length;
  endAll();
  await expect.poll(() => begun.length).toBe(before + 4);
  const newest = readings[0]?.runs.slice(243).map(({ id }) => `${id}: about ${id}`) ?? [];
  expect(begun.slice(before)).toEqual(expect.arrayContaining(newest));
  endAll();
  await workers.stop();
});

it('a run of another line does not stand behind a mass, nor does the mass behind other lines', async () => {
  const { workers, begun, readings, others, endAll } = longLine(300);
  workers.wake();
  await expect.poll(() => readings.length).toBe(1);
  readings[0]?.tell();
  others.push(...Array.from({ length: 20 }, (_, n) => dueRun(`other ${n}`, 'sync')));
  endAll();
  await expect.poll(() => begun.length).toBeGreaterThan(7);
  const now = begun.slice(-4).map((text) => text.split(' ')[0]);
  expect(now.filter((name) => name === 'other')).toHaveLength(2);
  expect(now.filter((name) => name === 'run')).toHaveLength(2);
  endAll();
  await workers.stop();
});

it('runs begin without what could not be read ahead, and are given back when the process stops', async () => {
  const { workers, begun, back, readings, endAll } = longLine(260);
  workers.wake();
  await expect.poll(() => readings.length).toBe(1);
  readings[0]?.end();
  const before = begun.length;
  endAll();
  await expect.poll(() => begun.length).toBe(before + 4);
  expect(begun.slice(before).every((text) => text.endsWith('nothing'))).toBe(true);
  endAll();
  const stopping = workers.stop();
  endAll();
  await stopping;
  const read = readings[0]?.runs.map(({ id }) => id) ?? [];
  const started = begun.map((text) => text.split(':')[0]);
  expect(read.filter((id) => !started.includes(id)).every((id) => back.includes(id))).toBe(true);
});
