import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPortals } from '../../../src/bitrix24/portals.ts';
import type { Store } from '../../../src/store/store.ts';
import { type StoreBench, storeBench } from '../../store/bench.ts';
import { CLIENT, fakePortal, installation, MEMBER, memoryLocks, robots } from '../fake-portal.ts';

let bench: StoreBench;
let store: Store;
beforeAll(async () => {
  bench = await storeBench();
  store = await bench.open({ perSecond: 20, bucket: 10 });
}, 20_000);
afterAll(() => bench.close());

it('a first answer that joins the question of a second one is not kept behind all reading', async () => {
  const portal = await fakePortal({ 'bizproc.robot.list': () => robots.map(({ code }) => code) });
  const stored = installation(portal, {
    registered: Object.fromEntries(robots.map(({ code }) => [code, 'x'])),
    registeredAt: '2020-01-01T00:00:00Z',
  });
  let hits = 0;
  /** How many had read when the question's hit was let through. */
  let passedAt = 0;
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const portals = createPortals({
    config: {
      portals: [portal.origin],
      oauthServers: [portal.origin],
      clientId: CLIENT,
      clientSecret: 'x',
      publicUrl: 'https://directum.example',
    },
    store: { get: async () => stored, set: async () => undefined, list: async () => [stored] },
    locks: memoryLocks(),
    portalRate: {
      take: async (memberId, asked) => {
        await store.portalRate.take(memberId, asked);
        passedAt = hits;
      },
    },
    robots: () => robots,
    now: () => new Date(),
    log: quiet,
  });
  await portals.installations.load();
  // Reading goes on and on, as in the middle of a mass: the line of what is urgent is never empty.
  let reading = true;
  const read = async () => {
    while (reading) {
      await store.portalRate.take(MEMBER, 'run');
      hits += 1;
    }
  };
  const readers = Array.from({ length: 4 }, read);
  await expect.poll(() => hits).toBeGreaterThan(6);

  let isThere: boolean | undefined;
  const second = portals.installedRobots.isThere(MEMBER, 'repeat').then((answer) => {
    isThere = answer;
  });
  const from = hits;
  await expect.poll(() => hits - from, { timeout: 10_000 }).toBeGreaterThan(10);
  // The control: a second answer alone lets reading go first.
  expect(isThere).toBeUndefined();
  const joined = hits;
  expect(await portals.installedRobots.isThere(MEMBER, 'answer')).toBe(true);
  // It stood behind those that read at that moment, and no others.
  expect(passedAt - joined).toBeLessThanOrEqual(readers.length + 1);
  reading = false;
  await Promise.all([second, ...readers]);
  portal.close();
}, 30_000);
