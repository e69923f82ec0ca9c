import { expect, it } from 'vitest';
import { createRefusedCalls } from '../../src/http/refused-calls.ts';
import type { JournalLine } from '../../src/journal/lines.ts';
import { memoryLog } from '../store/bench.ts';

const ROBOT = 'directum_create_contract';

function build(everyMs?: number) {
  const world = { lines: [] as JournalLine[], time: Date.parse('2026-03-02T10:00:00Z'), away: false };
  const refused = createRefusedCalls({
    async write(line) {
      if (world.away) throw new Error('away');
      world.lines.push(line);
    },
    now: () => new Date(world.time),
    log: memoryLog([]),
    ...(everyMs !== undefined && { everyMs }),
  });
  return { world, refused };
}

it('are counted by robot and reason, and become one line', async () => {
  const { world, refused } = build();
  for (const result of ['forbidden', 'accepted', 'bad', 'repeated', 'forbidden', 'unavailable'])
    refused.count(ROBOT, result);
  refused.count('other', 'bad');
  world.time += 30_000;
  await refused.stop();
  await refused.stop();
  expect(world.lines).toEqual([
    {
      ...{ at: new Date('2026-03-02T10:00:00Z'), portal: null, itemCode: null, documentId: null },
      ...{ type: 'calls.refused', actor: 'service' },
      data: {
        until: '2026-03-02T10:00:30.000Z',
        calls: [
          { robot: ROBOT, reason: 'forbidden', count: 2 },
          { robot: ROBOT, reason: 'bad', count: 1 },
          { robot: ROBOT, reason: 'unavailable', count: 1 },
          { robot: 'other', reason: 'bad', count: 1 },
        ],
      },
    },
  ]);
});

it('leave no line where none was refused', async () => {
  const { world, refused } = build();
  refused.count(ROBOT, 'accepted');
  await refused.stop();
  expect(world.lines).toEqual([]);
});

it('are kept while the database is away, and written with those that follow', async () => {
  const { world, refused } = build();
  world.away = true;
  refused.count(ROBOT, 'bad');
  await refused.stop();
  expect(world.lines).toEqual([]);
  world.time += 60_000;
  refused.count(ROBOT, 'bad');
  world.away = false;
  await refused.stop();
  expect(world.lines).toMatchObject([
    { at: new Date('2026-03-02T10:00:00Z'), data: { calls: [{ robot: ROBOT, reason: 'bad', count: 2 }] } },
  ]);
});

it('are written again and again', async () => {
  const { world, refused } = build(10);
  refused.start();
  refused.count(ROBOT, 'bad');
  await expect.poll(() => world.lines.length).toBe(1);
  refused.count(ROBOT, 'bad');
  await expect.poll(() => world.lines.length).toBe(2);
  await refused.stop();
});
