import { expect, it } from 'vitest';
import { startWorkers, type WorkersOptions } from '../../../../src/runs/work/queue/workers.ts';
import type { ConcurrencySlots } from '../../../../src/store/locks/concurrency-slots.ts';
import type { ClaimedRuns, Line } from '../../../../src/store/runs/claimed-runs.ts';
import type { StoredRun } from '../../../../src/store/runs/runs.ts';
import { quietLog } from '../../../directum/stand.ts';

const run = (id: string) => ({ id, memberId: 'acme', robot: 'wait' }) as StoredRun;

const having = (count: number): ConcurrencySlots => ({ held: () => count, share: async () => false });

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
