import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DocumentState } from '../../../src/robot/ports/document-state.ts';
import { type DocumentBench, documentBench, HOUR, MINUTE } from '../bench.ts';

let bench: DocumentBench;
beforeAll(async () => {
  bench = await documentBench();
}, 20_000);
afterAll(() => bench.close());
beforeEach(() => bench.reset());

const some = (count: number, from = 1) => Array.from({ length: count }, (_, n) => from + n);

/** Contracts that deals show, and Directum's word on each. */
async function kept(count: number): Promise<number[]> {
  const ids = some(count);
  // So that the hourly reading need not read assignments.
  bench.directum.assign(1, 1);
  await bench.keep(ids);
  await bench.show();
  return ids;
}

/** Takes documents out of Directum's answers; answers how to put them back. */
function hide(ids: number[]): (back?: number[]) => void {
  const states = new Map(ids.map((id) => [id, bench.directum.documents.get(id) as DocumentState]));
  for (const id of ids) bench.directum.documents.delete(id);
  return (back = ids) => {
    for (const id of back) bench.directum.documents.set(id, states.get(id) as DocumentState);
  };
}

async function round(): Promise<void> {
  bench.pass(HOUR);
  await bench.rescan();
}

const deleted = async (): Promise<number[]> => {
  const { rows } = await bench.store.pool.query(
    `SELECT id FROM document WHERE status = 'deleted' ORDER BY id`,
  );
  return rows.map(({ id }) => Number(id));
};
const events = (event: string) =>
  bench.lines.filter((line) => line.event === event).map(({ facts }) => facts);

describe.each([1, 3, 30])('all of %i documents are not shown any more', (count) => {
  it('nothing is told in the hourly reading, and all goes on when they are back', async () => {
    const ids = await kept(count);
    const back = hide(ids);
    await round();
    await bench.poll();
    await round();
    expect(bench.told).toEqual([]);
    expect(await bench.held()).toEqual(ids);
    expect(events('directum.rights_lost')).toHaveLength(1);
    bench.directum.put(7_000);
    back();
    await bench.poll();
    await round();
    await bench.poll();
    await bench.look();
    expect(await bench.held()).toEqual([]);
    expect(await deleted()).toEqual([]);
    expect(bench.told).toEqual([]);
    expect([bench.back, events('directum.rights_back').length]).toEqual([1, 1]);
  });

  it('nothing is told by the comparison of the night and by command, which names them', async () => {
    const ids = await kept(count);
    hide(ids);
    expect(await bench.reconcile()).toMatchObject({ held: ids });
    bench.pass(24 * HOUR);
    await bench.night();
    bench.pass(24 * HOUR);
    while (await bench.night());
    expect(await deleted()).toEqual([]);
    expect(await bench.held()).toEqual(ids);
  });
});

describe('one document of many', () => {
  it('is told as deleted, and asked for once more together with others', async () => {
    await kept(30);
    hide([17]);
    bench.directum.asked.length = 0;
    await round();
    expect(await deleted()).toEqual([17]);
    expect(bench.told.map(({ documentId }) => documentId)).toEqual([17]);
    // Two rounds, and one question for it together with others.
    expect(bench.directum.asked.filter((question) => question === 'statesOf')).toHaveLength(7);
    await round();
    await bench.poll();
    expect(bench.told).toHaveLength(1);
  });

  it('that is the only one the package knows counts as deleted while any contract can be read', async () => {
    await kept(1);
    bench.directum.put(900);
    hide([1]);
    await round();
    expect(await deleted()).toEqual([1]);
  });

  it('that was executed long ago is found at night', async () => {
    await kept(3);
    await bench.store.pool.query(`UPDATE document SET status = 'executed' WHERE id = 2`);
    hide([2]);
    await round();
    expect(await deleted()).toEqual([]);
    await bench.night();
    bench.pass(24 * HOUR);
    while (await bench.night());
    expect(await deleted()).toEqual([2]);
  });

  it('deleted while the rights were lost is told once they are back and nothing more comes back', async () => {
    const ids = await kept(8);
    const back = hide(ids);
    await round();
    back(some(4));
    await bench.poll();
    expect(await bench.held()).toEqual([5, 6, 7, 8]);
    back([5, 6, 7]);
    bench.pass(MINUTE);
    await bench.poll();
    expect(await deleted()).toEqual([]);
    await bench.poll();
    expect(await deleted()).toEqual([8]);
    expect(bench.back).toBe(1);
    await bench.poll();
    expect(bench.told.map(({ documentId }) => documentId)).toEqual([8]);
  });
});

describe('many at once', () => {
  it('12 of 50 are held though others can be read, until they are back', async () => {
    await kept(50);
    const back = hide(some(12, 20));
    await round();
    await bench.poll();
    await round();
    expect(await bench.held()).toEqual(some(12, 20));
    expect(bench.told).toEqual([]);
    expect(events('directum.rights_lost')).toMatchObject([{ why: 'many at once', documents: 12 }]);
    back();
    await bench.poll();
    await bench.look();
    expect(await bench.held()).toEqual([]);
    expect(bench.told).toEqual([]);
  });

  it.each([
    [10, 20],
    [12, 130],
  ])('%i of %i are no more than people delete', async (gone, of) => {
    await kept(of);
    hide(some(gone));
    await round();
    expect(await deleted()).toEqual(some(gone));
  });

  it('counts as deleted when an operator says so', async () => {
    await kept(50);
    hide(some(12));
    await round();
    expect(await bench.reconcile()).toMatchObject({ held: some(12) });
    const { held, lines } = await bench.reconcile({ accept: true });
    expect(held).toEqual([]);
    expect(lines).toHaveLength(12);
    expect(await deleted()).toEqual(some(12));
    expect([await bench.held(), bench.back]).toEqual([[], 1]);
    await round();
    expect(await bench.held()).toEqual([]);
  });

  it('a hundred and more are held without asking for each again', async () => {
    const ids = await kept(120);
    for (const state of bench.directum.documents.values()) state.modified = '2026-01-01T00:00:00Z';
    const back = hide(ids);
    bench.directum.asked.length = 0;
    await round();
    expect(bench.directum.asked.filter((question) => question === 'statesOf')).toHaveLength(24);
    back();
    await bench.poll();
    expect((await bench.held()).length).toBe(70);
    await bench.rescan();
    expect([await bench.held(), await deleted()]).toEqual([[], []]);
  });
});

describe('a run that does not find its document', () => {
  const ask = (id: number | null) => bench.observer.deletions.absence.ofDocument(id);

  it('hears that it is gone while others can be read', async () => {
    await kept(5);
    hide([3]);
    expect(await ask(3)).toBe('gone');
    expect(await ask(4)).toBe('shown');
    expect(await bench.held()).toEqual([]);
  });

  it('hears that nothing is known when no other can be read, and again while that is held', async () => {
    const ids = await kept(3);
    const back = hide(ids);
    expect(await ask(3)).toBe('unknown');
    expect(await bench.held()).toEqual(ids);
    back([1, 2]);
    expect(await ask(3)).toBe('unknown');
    await bench.poll();
    await bench.poll();
    expect(await ask(3)).toBe('gone');
    expect(await deleted()).toEqual([3]);
  });

  it('looks at more when one of the others is missing too, and holds many', async () => {
    await kept(50);
    hide(some(25));
    expect(await ask(25)).toBe('unknown');
    expect((await bench.held()).length).toBeGreaterThan(10);
  });

  it('shares one look with all that ask at the time', async () => {
    const ids = await kept(30);
    hide(ids);
    bench.directum.asked.length = 0;
    const answers = await Promise.all(ids.map((id) => ask(id)));
    expect(new Set(answers)).toEqual(new Set(['unknown']));
    expect(bench.directum.asked.length).toBeLessThanOrEqual(30 / 5 + 2);
  });

  it('with a number nobody has seen before is told so, unless nothing can be read any more', async () => {
    expect(await ask(777)).toBe('gone');
    await kept(2);
    expect(await ask(777)).toBe('gone');
    hide([1, 2]);
    bench.directum.put(900);
    expect([await ask(777), await ask(null)]).toEqual(['gone', 'gone']);
    bench.directum.documents.delete(900);
    expect([await ask(777), await ask(null)]).toEqual(['unknown', 'unknown']);
    expect(await bench.held()).toEqual([1, 2]);
  });
});

it('dates of a contract that another question does not show any more are kept', async () => {
  await kept(1);
  bench.directum.dates.set(1, { id: 1, validTill: '2026-03-05', milestones: [] });
  await bench.paced.whole([1]);
  bench.directum.dates.delete(1);
  bench.pass(MINUTE);
  await bench.paced.whole([1]);
  const { rows } = await bench.store.pool.query('SELECT dates FROM document WHERE id = 1');
  expect(bench.store.content.open('document.dates', rows[0].dates)).toMatchObject({
    validTill: '2026-03-05',
  });
});

describe('rights that come back between two questions', () => {
  it('of the only document are not taken for its deletion', async () => {
    await kept(1);
    const back = hide([1]);
    bench.directum.meanwhile = (question) => {
      if (question === 'anyOfTypes') back();
    };
    await round();
    expect(await deleted()).toEqual([]);
    expect(await bench.observer.deletions.absence.ofDocument(1)).toBe('shown');
  });
});

it('many that vanish while the hourly reading is under way are seen as many by a whole one', async () => {
  await kept(50);
  bench.pass(HOUR);
  // Four steps are made: only the last ten are still to be read.
  for (let step = 0; step < 4; step += 1) await bench.watch.rescan();
  hide([...some(11, 3), 47]);
  await bench.rescan();
  expect(await deleted()).toEqual([]);
  expect(await bench.held()).toEqual([...some(11, 3), 47]);
});
