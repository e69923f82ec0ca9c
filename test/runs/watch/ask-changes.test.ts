import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { createAskChanges } from '../../../src/runs/watch/ask-changes.ts';

const PAGE = 5;
const SECOND = 1_000;
const START = Date.parse('2026-03-02T10:00:00Z');
let clock: number;
let rows: Map<number, number>;
let taken: number[];
let asked: string[];
let awaited: Set<number>;
let counts: boolean;
let onNewest: () => void;
/** What else was read of a row. */
let states: Map<number, string>;

const toRow = ([id, modified]: [number, number]) => ({
  id,
  modified: new Date(modified).toISOString(),
  state: states.get(id),
});
const window = (since: string) => [...rows].filter(([, modified]) => modified > Date.parse(since));

function start() {
  return createAskChanges(
    {
      async page(since, after) {
        asked.push('page');
        const found = window(since)
          .filter(([id]) => id > after)
          .sort(([a], [b]) => a - b)
          .slice(0, PAGE);
        const last = found.at(-1)?.[0] ?? null;
        return { rows: found.map(toRow), next: found.length === PAGE ? last : null };
      },
      async newest(since) {
        asked.push('newest');
        onNewest();
        const found = window(since).sort(([, a], [, b]) => b - a);
        return counts ? { rows: found.slice(0, PAGE).map(toRow), total: found.length } : null;
      },
      take: async (found) => void taken.push(...found.map(({ id }) => id)),
      awaitedSince: async (ids) => new Set(ids.filter((id) => awaited.has(id))),
    },
    { now: () => new Date(clock), onPage: async () => undefined },
  );
}

beforeEach(() => {
  clock = START;
  [rows, states] = [new Map(), new Map()];
  onNewest = () => undefined;
  [taken, asked, awaited, counts] = [[], [], new Set(), true];
});

describe('what changed', () => {
  it('is handed on once, also where a late commit stands among it', async () => {
    const ask = start();
    rows.set(1, START - 60 * SECOND);
    const first = await ask(new Date(START - 120 * SECOND));
    first.keep();
    clock += 60 * SECOND;
    // It was saved four minutes ago and is seen only now.
    rows.set(2, START - 240 * SECOND);
    const second = await ask(first.cursor);
    second.keep();
    expect(taken).toEqual([1, 2]);
    (await ask(second.cursor)).keep();
    expect(taken).toEqual([1, 2]);
    rows.set(1, clock);
    await ask(second.cursor);
    expect(taken).toEqual([1, 2, 1]);
  });

  it('is handed on again to whoever began to wait meanwhile, and while it is so young that it may change once more', async () => {
    const ask = start();
    rows.set(1, START - 60 * SECOND);
    rows.set(2, START - SECOND);
    const { cursor, keep } = await ask(new Date(START - 120 * SECOND));
    keep();
    awaited.add(1);
    await ask(cursor);
    expect(taken).toEqual([1, 2, 1, 2]);
  });

  it.each([-300, -3, 0, 3, 300])(
    'is handed on when it changed once more in its second, with clocks %i s apart',
    async (apart) => {
      const ask = start();
      const modified = clock + apart * SECOND;
      for (let id = 1; id <= 3 * PAGE; id += 1) rows.set(id, modified);
      states.set(1, 'begun');
      const first = await ask(new Date(modified - 120 * SECOND));
      first.keep();
      taken = [];
      states.set(1, 'ended');
      clock += SECOND;
      const second = await ask(first.cursor);
      second.keep();
      expect(taken).toContain(1);
      clock += 3 * SECOND;
      taken = [];
      const third = await ask(second.cursor);
      third.keep();
      clock += SECOND;
      taken = [];
      await ask(third.cursor);
      expect(taken).toEqual([]);
    },
  );

  it('is handed on though it changed between two questions of one cycle', async () => {
    const ask = start();
    const modified = START - 60 * SECOND;
    for (let id = 1; id <= 3 * PAGE; id += 1) rows.set(id, modified);
    const first = await ask(new Date(START - 120 * SECOND));
    first.keep();
    clock += 60 * SECOND;
    const second = await ask(first.cursor);
    second.keep();
    taken = [];
    onNewest = () => rows.set(1, modified + SECOND);
    const third = await ask(second.cursor);
    third.keep();
    expect(asked.at(-1)).toBe('newest');
    expect(taken).toEqual([1]);
  });

  it('is asked for anew when it could not be kept', async () => {
    const ask = start();
    rows.set(1, START - 60 * SECOND);
    await ask(new Date(START - 120 * SECOND));
    await ask(new Date(START - 120 * SECOND));
    expect(taken).toEqual([1, 1]);
  });

  it('costs two questions a cycle while many have changed and no more do', async () => {
    const ask = start();
    for (let id = 1; id <= 23; id += 1) rows.set(id, START - 60 * SECOND);
    const { cursor, keep } = await ask(new Date(START - 120 * SECOND));
    keep();
    expect(taken).toHaveLength(23);
    // Read whole once more: what shares a second may have changed after it was read.
    clock += 60 * SECOND;
    (await ask(cursor)).keep();
    expect(taken).toHaveLength(23);
    asked = [];
    rows.set(99, clock);
    (await ask(cursor)).keep();
    expect(asked).toEqual(['page', 'newest']);
    expect(taken).toHaveLength(24);
    asked = [];
    counts = false;
    await ask(cursor);
    expect(asked.filter((one) => one === 'page')).toHaveLength(5);
    expect(taken.filter((id) => id !== 99)).toHaveLength(23);
  });
});

it('every state of every row is handed on, whatever commits late, and none twice without a reason', async () => {
  const change = fc.record({
    id: fc.integer({ min: 1, max: 12 }),
    late: fc.integer({ min: 0, max: 280 }),
    after: fc.integer({ min: 0, max: 90 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 40 }), fc.boolean(), async (changes, isCounting) => {
      clock = START;
      rows = new Map();
      taken = [];
      counts = isCounting;
      const ask = start();
      let cursor = new Date(START - 120 * SECOND);
      for (const { id, late, after } of changes) {
        clock += after * SECOND;
        const before = rows.get(id) ?? 0;
        const modified = Math.max(clock - late * SECOND, before + 1);
        rows.set(id, modified);
        taken = [];
        const found = await ask(cursor);
        found.keep();
        cursor = found.cursor;
        expect(taken).toContain(id);
        expect(new Set(taken).size).toBe(taken.length);
      }
    }),
    { numRuns: 300 },
  );
});
