import { expect, it } from 'vitest';
import { startWorkers } from '../../src/runs/workers.ts';
import type { ClaimedRuns, Line } from '../../src/store/claimed-runs.ts';
import type { StoredRun } from '../../src/store/runs.ts';
import { quietLog } from '../directum/stand.ts';

const run = (id: string) => ({ id, memberId: 'acme', robot: 'wait' }) as StoredRun;

it('waits whose time is over have places of their own and leave the others theirs', async () => {
  const asked: { limit: number; line: Line | undefined }[] = [];
  const claimed = {
    async claim(_now: Date, limit: number, lines: readonly Line[], overdue = false) {
      if (overdue) return Array.from({ length: limit }, (_, n) => run(`over ${n}`));
      asked.push({ limit, line: lines[0] });
      return [];
    },
    keep: async () => undefined,
    release: async () => undefined,
    reclaim: async () => 0,
  } as ClaimedRuns;
  const gate = Promise.withResolvers<void>();
  const started: string[] = [];
  const workers = startWorkers({
    claimed,
    concurrency: 12,
    leaseMs: 4_000,
    tickMs: 20,
    lines: () => [{ memberId: 'acme', robot: 'wait', waits: true }],
    rests: () => false,
    work: async ({ id }) => {
      started.push(id);
      await gate.promise;
    },
    now: () => new Date(),
    log: quietLog,
  });
  await expect.poll(() => started.length).toBe(8);
  asked.length = 0;
  await expect
    .poll(() => asked[0])
    .toEqual({ limit: 12, line: { memberId: 'acme', robot: 'wait', running: 0, room: 12 } });
  expect(started).toHaveLength(8);
  gate.resolve();
  await workers.stop();
});
