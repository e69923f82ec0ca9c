import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Urgency } from '../../../src/bitrix24/rest/urgency.ts';
import { createPortalRate } from '../../../src/store/limits/portal-rate.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../bench.ts';

const PER_SECOND = 20;
const BUCKET = 10;

let bench: StoreBench;
let one: Store;
let two: Store;
beforeAll(async () => {
  bench = await storeBench();
  one = await bench.open({ perSecond: PER_SECOND, bucket: BUCKET });
  two = await bench.open({ perSecond: PER_SECOND, bucket: BUCKET });
}, 20_000);
afterAll(() => bench.close());

/** The portal's own arithmetic: how full its bucket is after hits at these moments. */
function highestLevel(moments: number[]): number {
  let level = 0;
  let highest = 0;
  let last = moments[0]!;
  for (const moment of moments.toSorted((a, b) => a - b)) {
    level = Math.max(0, level - ((moment - last) / 1000) * PER_SECOND) + 1;
    highest = Math.max(highest, level);
    last = moment;
  }
  return highest;
}

/**
 * From now on the database writes down when it grants a hit. A busy process learns of its grants late and of several at once,
 * which says nothing of when they were given.
 */
const recordGrants = () =>
  one.pool.query(`
    CREATE TABLE test_grant (member_id text, at timestamptz);
    CREATE FUNCTION test_grant() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO test_grant VALUES (NEW.member_id, NEW.updated_at);
      RETURN NEW;
    END $$;
    CREATE TRIGGER test_grant AFTER INSERT OR UPDATE ON portal_budget FOR EACH ROW EXECUTE FUNCTION test_grant()`);

async function grantsOf(memberId: string): Promise<number[]> {
  const { rows } = await one.pool.query<{ ms: number }>(
    'SELECT extract(epoch FROM at)::float * 1000 AS ms FROM test_grant WHERE member_id = $1 ORDER BY at',
    [memberId],
  );
  return rows.map(({ ms }) => ms);
}

describe('budget', () => {
  it('never fills the portal’s bucket from two processes, and uses what it allows', {
    timeout: 20_000,
  }, async () => {
    await recordGrants();
    const take = (n: number) => (n % 2 ? one : two).portalRate.take('busy', 'run');
    await Promise.all(Array.from({ length: 60 }, (_, n) => take(n)));
    const moments = await grantsOf('busy');
    expect(moments).toHaveLength(60);
    expect(highestLevel(moments)).toBeLessThanOrEqual(BUCKET);
    const allowed = ((60 - BUCKET) / PER_SECOND) * 1000;
    const gaps = moments.slice(1).map((moment, n) => moment - (moments[n] as number));
    const sum = (some: number[]) => some.reduce((all, gap) => all + gap, 0);
    expect(sum(gaps)).toBeGreaterThan(allowed);
    // A busy machine may stand still once or twice; that is no hit left unused.
    expect(sum(gaps.toSorted((a, b) => a - b).slice(0, -2))).toBeLessThan(allowed * 1.25);
  });

  it('lets runs and answers pass before what is read ahead, and does not starve it', async () => {
    const order: string[] = [];
    const { portalRate } = one;
    const take = (priority: 'run' | 'answer' | 'ahead' | 'repeat', name: string = priority) =>
      portalRate.take('mass', priority).then(() => void order.push(name));
    await Promise.all(Array.from({ length: BUCKET - 3 }, () => portalRate.take('mass', 'run')));
    // More than the two seconds by which it yields, at twenty hits a second.
    const early = [take('repeat'), take('ahead'), take('run', 'first'), take('answer', 'second')];
    const busy = Array.from({ length: 45 }, (_, n) => sleep(n * 50).then(() => take('run', `busy ${n}`)));
    await Promise.all([...early, ...busy]);
    expect(order.slice(0, 2)).toEqual(['first', 'second']);
    expect(order.indexOf('ahead')).toBeGreaterThan(20);
    expect(order.indexOf('ahead')).toBeLessThan(order.length - 1);
    expect(order.at(-1)).toBe('repeat');
  }, 15_000);

  it('lets a repeat leave a fifth of the bucket free', async () => {
    let repeats = 0;
    const waiting = Array.from({ length: 12 }, async () => {
      await one.portalRate.take('polite', 'repeat');
      repeats += 1;
    });
    await sleep(100);
    const early = repeats;
    expect(early).toBeLessThan(BUCKET * 0.8 + 2);
    const began = performance.now();
    await one.portalRate.take('polite', 'answer');
    expect(performance.now() - began).toBeLessThan(60);
    await Promise.all(waiting);
  });

  it('serves those who came first first, repeats last', async () => {
    await one.portalRate.penalize('order', 200);
    const order: string[] = [];
    const take = (name: string, priority: 'run' | 'answer' | 'repeat') =>
      one.portalRate.take('order', priority).then(() => order.push(name));
    await Promise.all([take('repeat', 'repeat'), take('a', 'run'), take('b', 'answer'), take('c', 'run')]);
    expect(order).toEqual(['a', 'b', 'c', 'repeat']);
  });

  it('a repeat whose answer somebody urgent waits for moves up', async () => {
    const rising = new Urgency('repeat');
    await one.portalRate.penalize('rising', 300);
    const order: string[] = [];
    const take = (name: string, priority: Parameters<typeof one.portalRate.take>[1]) =>
      one.portalRate.take('rising', priority).then(() => order.push(name));
    const taken = [take('other repeat', 'repeat'), take('joined', rising), take('a', 'run')];
    rising.raise('repeat');
    rising.raise('answer');
    taken.push(take('b', 'run'));
    await Promise.all(taken);
    expect(order).toEqual(['a', 'joined', 'b', 'other repeat']);
  });

  it('waits out a penalty in every process', async () => {
    await one.portalRate.penalize('refused', 400);
    const began = performance.now();
    await two.portalRate.take('refused', 'run');
    expect(performance.now() - began).toBeGreaterThan(400);
  });

  it('does not freeze when the clock of the database was set back', async () => {
    await one.pool.query(
      "INSERT INTO portal_budget VALUES ('clock', 9, clock_timestamp() + interval '1 hour')",
    );
    await one.pool.query("UPDATE clock SET database_at = clock_timestamp() + interval '1 hour'");
    await one.clock.look();
    const began = performance.now();
    await one.portalRate.take('clock', 'run');
    expect(performance.now() - began).toBeLessThan(1_500);
  });

  it('ends a wait at close', async () => {
    const portalRate = createPortalRate({ pool: one.pool, perSecond: PER_SECOND, bucket: BUCKET });
    await portalRate.penalize('ending', 60_000);
    const last = portalRate.take('ending', 'run');
    portalRate.close();
    await expect(last).rejects.toThrow('closed');
  });
});
