import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createDirectum, type DirectumService } from '../../src/directum/directum.ts';
import { knowing } from '../../src/robot/failure.ts';
import { field } from '../../src/robot/fields.ts';
import type { DocumentSlotsPort } from '../../src/robot/ports/document-slots.ts';
import type { DocumentState } from '../../src/robot/ports/document-state.ts';
import type { PortalPort } from '../../src/robot/ports/portal.ts';
import { type AnyRobot, defineRobot, type RobotContext, Waiting } from '../../src/robot/robot.ts';
import { toDeadline } from '../../src/runs/intake/kept-call.ts';
import { attemptRun } from '../../src/runs/work/lost-attempts.ts';
import { createClaimedRuns } from '../../src/store/runs/claimed-runs.ts';
import { createIncomingCalls } from '../../src/store/runs/incoming-calls.ts';
import { createRunStore } from '../../src/store/runs/runs.ts';
import { createWaits } from '../../src/store/runs/waits.ts';
import type { Store } from '../../src/store/store.ts';
import { gone, memoryCache, memoryCounterpartyLinks, memoryLocks, quietLog } from '../directum/stand.ts';
import { type Directum, startDirectum } from '../sandbox/directum/directum.ts';
import { type StoreBench, storeBench } from '../store/bench.ts';

/** The real life of runs on the real database and transport, by a clock that jumps to whatever is due next. */
const BEGUN = new Date('2026-03-02T10:00:00Z');
const MINUTE = 60_000;
const now = () => new Date();
/** Nothing is sealed here. */
const open = { encrypt: (text: string) => text, decrypt: (text: string) => text };

let bench: StoreBench;
let store: Store;
let sandbox: Directum;
let directum: DirectumService;
/** Attempts that asked the portal. */
let reads = 0;

beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open();
  sandbox = await startDirectum({ now });
  vi.useFakeTimers({ toFake: ['Date'] });
  vi.spyOn(performance, 'now').mockImplementation(() => Date.now());
});
afterAll(async () => {
  vi.mocked(performance.now).mockRestore();
  vi.useRealTimers();
  await directum?.close();
  await sandbox.stop();
  await bench.close();
});
beforeEach(async () => {
  vi.setSystemTime(BEGUN);
  reads = 0;
  sandbox.misbehave.reset();
  await store.pool.query('TRUNCATE run CASCADE');
  await directum?.close();
  directum = createDirectum({
    baseUrl: sandbox.url,
    webUrl: sandbox.webUrl,
    login: 'bitrix24',
    password: 'secret',
    auth: 'basic',
    cache: memoryCache(),
    now,
    log: quietLog,
    onBack: () =>
      void createRunStore(store.pool, store.asyncCommitPool, store.content).hasten(
        'directum_unavailable',
        now(),
      ),
  });
});

const words = { ru: 'Испытание', en: 'Trial' };
const declare = (code: string, run: (context: RobotContext) => Promise<Record<string, never> | Waiting>) =>
  defineRobot({
    code,
    name: words,
    description: words,
    items: ['deal'],
    inputs: z.object({}),
    outputs: z.object({ document_id: field.int(words).optional() }),
    run: (_inputs, context) => run(context),
  }) as AnyRobot;

/** Reads the deal, then asks Directum something that no cache knows. */
async function ask({ portal, directum: port }: RobotContext): Promise<void> {
  await portal.read();
  await knowing({ document_id: 7 }, () => port.states.read(1));
}

const asking = declare('directum_asking', async (context) => {
  await ask(context);
  return {};
});
const waiting: AnyRobot = declare('directum_waiting', async (context) => {
  const until = context.wait.until(1);
  if (context.wait.left(until) <= 0 && (await context.wait.last())) return {};
  await ask(context);
  return new Waiting({ documentId: 5, waitFor: 'us', until, document: {} as DocumentState, task: null });
});
waiting.waits = true;
const robots = new Map([asking, waiting].map((robot) => [robot.code, robot]));

async function accept(count: number, maxHours = 24, robot = asking.code): Promise<void> {
  const given = Array.from({ length: count }, (_, index) => ({
    id: `${robot}-${maxHours}-${index}`,
    memberId: 'acme',
    portal: 'acme',
    robot,
    itemCode: `DEAL_${robot}${maxHours}${index}`,
    call: JSON.stringify({
      documentId: ['crm', 'CCrmDocumentDeal', 'DEAL_1'],
      eventToken: 'x',
      properties: {},
    }),
    wantsAnswer: true,
    receivedAt: now(),
    deadlineAt: toDeadline(now(), maxHours, 0),
  }));
  const calls = createIncomingCalls({ pool: store.pool, keys: open, now });
  await calls.accept(given);
}

/** Lets time pass: every run is taken up at the moment it is due. */
async function live(until: Date): Promise<void> {
  const runs = createRunStore(store.pool, store.asyncCommitPool, store.content);
  const waits = createWaits(store.pool, store.content);
  const claimed = createClaimedRuns(store.asyncCommitPool, store.content, 'test');
  const lines = [...robots.keys()].map((robot) => ({ memberId: 'acme', robot, running: 0, free: 99 }));
  for (;;) {
    await waits.wakeExpired(now());
    const { rows } = await store.pool.query<{ next: Date | null }>(
      `SELECT least((SELECT min(next_at) FROM run WHERE state = 'accepted'),
         (SELECT min(wait.deadline_at) FROM wait JOIN run ON run.id = run_id WHERE run.state = 'waiting')) AS next`,
    );
    const next = rows[0]?.next ?? null;
    if (next === null || next > until) break;
    vi.setSystemTime(Math.max(next.getTime(), Date.now()));
    await waits.wakeExpired(now());
    const taken = await claimed.claim(now(), 12, lines);
    await Promise.all(
      taken.map((run) =>
        attemptRun(run, {
          runs,
          waits,
          waitMaxHours: 720,
          robots,
          settings: { documentKinds: {}, businessUnit: null, responsible: null, timeZone: 'Europe/Moscow' },
          seal: open,
          contextOf: () => ({
            language: 'ru',
            item: { typeId: 2, id: 1, code: 'DEAL_1' },
            portal: {
              read: async () => {
                reads += 1;
              },
            } as unknown as PortalPort,
            directum: directum.forPortal({
              counterpartyLinks: memoryCounterpartyLinks(),
              locks: memoryLocks(),
              absence: gone,
              log: quietLog,
            }),
            slots: {} as DocumentSlotsPort,
            rules: { fill: async (_robot, properties) => ({ properties, row: null }) },
            proof: { isAccepted: () => true, isForged: () => false, demand: async () => undefined },
            locks: memoryLocks(),
          }),
          languageOf: () => 'ru',
          circuit: directum,
          log: quietLog,
          scope: () => quietLog,
          now,
          random: () => 0,
          onEnd: () => undefined,
          onWait: () => undefined,
          onAnswer: () => undefined,
        }),
      ),
    );
  }
  vi.setSystemTime(until);
}

async function endings(): Promise<Record<string, number>> {
  const { rows } = await store.pool.query<{ ending: string; count: number }>(
    `SELECT coalesce(ending, state) AS ending, count(*)::int AS count FROM run GROUP BY 1`,
  );
  return Object.fromEntries(rows.map(({ ending, count }) => [ending, count]));
}

async function down(ms: number): Promise<number> {
  sandbox.misbehave.down = true;
  const from = sandbox.journal.length;
  await live(new Date(Date.now() + ms));
  sandbox.misbehave.down = false;
  return sandbox.journal.length - from;
}

it('Directum down for ten minutes: asked a few times, and every run is answered soon after', async () => {
  await accept(60);
  const asked = await down(10 * MINUTE);
  expect(await endings()).toEqual({ accepted: 60 });
  // Sixty runs wait; all of them together ask Directum as one would, and the portal hardly more than once each.
  expect(asked).toBeGreaterThan(5);
  expect(asked).toBeLessThan(60);
  expect(reads).toBeLessThan(60 + 20);
  await live(new Date(Date.now() + 5 * MINUTE));
  expect(await endings()).toEqual({ done: 60 });
});

it('Directum down for six hours: bounded questions, honest ends at the limits, the rest is done afterwards', async () => {
  await accept(20);
  await accept(20, 2);
  await accept(3, 720, waiting.code);
  await live(now());
  expect(await endings()).toEqual({ done: 40, waiting: 3 });
  // The waits are woken by a change and cannot be looked at; the others are calls that came into the outage.
  await store.pool.query(`DELETE FROM run WHERE robot = $1`, [asking.code]);
  await accept(20);
  await accept(20, 2);
  await createWaits(store.pool, store.content).wakeChanged([{ id: 5, seen: 'something else' }], now());
  reads = 0;
  const asked = await down(360 * MINUTE);
  expect(await endings()).toEqual({ accepted: 20, directum_unavailable: 20, done: 3 });
  expect(asked).toBeLessThan(400);
  expect(reads).toBeLessThan(43 + 200);
  const late = await store.pool.query(
    `SELECT id, ended_at, deadline_at FROM run WHERE state = 'ended' AND ended_at > deadline_at + interval '1 second'`,
  );
  expect(late.rows).toEqual([]);
  const told = await store.pool.query(
    `SELECT DISTINCT payload::json -> 'values' ->> 'error_text' AS text, payload::json -> 'values' ->> 'document_id' AS known
     FROM outbox JOIN run ON run.id = run_id WHERE ending = 'directum_unavailable'`,
  );
  // What the last attempt knew is told, though no other was worth making.
  expect(told.rows).toEqual([{ text: expect.stringContaining('Directum не отвечает'), known: '7' }]);
  await live(new Date(Date.now() + 6 * MINUTE));
  expect(await endings()).toEqual({ done: 23, directum_unavailable: 20 });
}, 60_000);
