import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { robots as all } from '../../robots/index.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

const CREATE = 'directum_create_contract';
const DAY_MS = 24 * 3_600_000;
let aheadMs = 0;
let stand: Stand;
const really = performance.now.bind(performance);
beforeAll(async () => {
  // Time passes for the service, by its wall clock and by what its process counts.
  vi.spyOn(performance, 'now').mockImplementation(() => really() + aheadMs);
  stand = await startStand({ settings: { RUN_MAX_HOURS: '240' }, now: () => new Date(Date.now() + aheadMs) });
});
afterAll(async () => {
  await stand.stop();
  vi.mocked(performance.now).mockRestore();
});
afterEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const robots = () => stand.portal.robots().length;
/** Hits that list, register or bind; what deals show is written beside them, and answers ask whether robots are there. */
const hits = () =>
  stand.portal.journal.filter(
    ({ viaBatch, method, params }) =>
      !viaBatch &&
      method !== 'bizproc.robot.list' &&
      /bizproc\.robot\.|event\.bind|trigger\.(list|add)|userfield/.test(
        `${method} ${JSON.stringify(params)}`,
      ),
  ).length;
const sent = () => stand.portal.journal.filter(({ method }) => method === 'bizproc.event.send');
const refusal = {
  status: 400,
  body: { error: 'ERROR_ACTIVITY_ADD_FAILURE', error_description: 'Save error' },
};
let stages = 0;

/** A registration comes to its first new robot, or to the one of that code, and gets no further before it is let through. */
function holdRobots(holding = '') {
  const { promise, resolve } = Promise.withResolvers<void>();
  stand.portal.misbehave.next({ method: 'bizproc.robot.add', holding, until: promise });
  const reached = () => expect.poll(() => stand.portal.world.rules.length, { timeout: 15_000 }).toBe(0);
  return { reached, letThrough: resolve };
}

/** A deal's step whose answer is ready only when Directum is back. */
async function pendingStep() {
  const stage = `C1:R${++stages}`;
  stand.portal.placeRobot(stage, CREATE, { subject: 'Поставка' });
  stand.directum.misbehave.down = true;
  stand.lines.length = 0;
  const workflow = await stand.portal.moveItem(2, addDeal(stand).deal, stage);
  await expect
    .poll(() => stand.lines.some((line) => line.includes('run.postponed')), { timeout: 10_000 })
    .toBe(true);
  stand.lines.length = 0;
  return workflow;
}
const whole = { ok: 'Y', error_code: '', document_id: expect.stringMatching(/^\d+$/) };
const ended = (count = 1) =>
  expect
    .poll(() => stand.lines.filter((line) => line.includes('"run.done"')).length, { timeout: 25_000 })
    .toBe(count);

it('sends no answer between an update of the application and the new registration', async () => {
  const workflow = await pendingStep();
  const before = sent().length;
  const held = holdRobots();
  const updated = stand.portal.update();
  await held.reached();
  stand.directum.misbehave.down = false;
  await ended();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(robots()).toBe(0);
  expect(sent()).toHaveLength(before);
  held.letThrough();
  await updated;
  expect(robots()).toBe(all.length);
  expect((await stand.portal.waitForStep(workflow, CREATE, 15_000)).outputs).toMatchObject(whole);
}, 60_000);

it('repeats a registration that failed half-way, and only then lets answers go', async () => {
  const workflow = await pendingStep();
  const before = sent().length;
  stand.portal.misbehave.next({ method: 'bizproc.robot.add', holding: CREATE, ...refusal });
  // The second try.
  const held = holdRobots(CREATE);
  await stand.portal.update();
  await held.reached();
  expect(robots()).toBe(all.length - 1);
  stand.directum.misbehave.down = false;
  await ended();
  expect(sent()).toHaveLength(before);
  held.letThrough();
  expect((await stand.portal.waitForStep(workflow, CREATE, 30_000)).outputs).toMatchObject(whole);
  expect(robots()).toBe(all.length);
}, 60_000);

it('repeats a registration that the portal could not take at all', async () => {
  stand.portal.misbehave.next({ method: 'batch', status: 502, body: '<html>' });
  const from = stand.lines.length;
  await stand.portal.update();
  // Robots may be there again by now: a second try comes with the next tick.
  expect(stand.lines.slice(from).join('')).toContain('robots.not_registered');
  await expect.poll(robots, { timeout: 15_000 }).toBe(all.length);
  expect(stand.portal.world.events.map(({ event }) => event).sort()).toEqual([
    'ONAPPINSTALL',
    'ONAPPUNINSTALL',
    'ONAPPUPDATE',
    'ONCRMTIMELINEITEMACTION',
  ]);
}, 30_000);

it('looks once a day: two hits at most while nothing is missing, and vanished robots are added again', async () => {
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const from = hits();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(hits() - from).toBe(0);
  aheadMs += DAY_MS + 60_000;
  await expect.poll(hits, { timeout: 5_000 }).toBeGreaterThan(from);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(hits() - from).toBeLessThanOrEqual(2);

  stand.portal.world.robots.delete(CREATE);
  const lines = stand.lines.length;
  aheadMs += DAY_MS + 60_000;
  await expect.poll(robots, { timeout: 10_000 }).toBe(all.length);
  // The next day may begin only when this one's registration is written down.
  await expect
    .poll(() => stand.lines.slice(lines).some((line) => line.includes('robots.registered')))
    .toBe(true);
  expect(stand.lines.some((line) => line.includes('robots.vanished'))).toBe(true);
}, 60_000);

it('holds the answer of a robot that vanished while its step waited until the robot is back', async () => {
  const workflow = await pendingStep();
  stand.portal.world.robots.delete(CREATE);
  const before = sent().length;
  const held = holdRobots();
  const from = stand.lines.length;
  aheadMs += DAY_MS + 60_000;
  await expect
    .poll(() => stand.lines.slice(from).some((line) => line.includes('robots.vanished')), { timeout: 15_000 })
    .toBe(true);
  await held.reached();
  stand.directum.misbehave.down = false;
  await ended();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(robots()).toBe(all.length - 1);
  expect(sent()).toHaveLength(before);
  held.letThrough();
  expect((await stand.portal.waitForStep(workflow, CREATE, 40_000)).outputs).toMatchObject(whole);
  expect(robots()).toBe(all.length);
}, 90_000);

it('notices within a minute, by asking before an answer leaves, that the portal dropped the robots untold', async () => {
  const workflow = await pendingStep();
  stand.portal.world.robots.clear();
  aheadMs += 61_000;
  stand.directum.misbehave.down = false;
  expect((await stand.portal.waitForStep(workflow, CREATE, 40_000)).outputs).toMatchObject(whole);
  expect(robots()).toBe(all.length);
  const asked = () => stand.portal.journal.filter(({ method }) => method === 'bizproc.robot.list').length;
  const before = asked();
  expect(await runStep(stand, addDeal(stand).deal, CREATE, { subject: 'Поставка' })).toMatchObject(whole);
  expect(asked()).toBe(before);
}, 60_000);

it('registers a changed declaration when the service starts, and only then', async () => {
  const handler = () => stand.portal.world.robots.get(CREATE)?.handler;
  const { PUBLIC_URL } = stand.env;
  const from = hits();
  await stand.restart();
  await new Promise((resolve) => setTimeout(resolve, 1_250));
  expect(hits() - from).toBe(0);
  stand.env.PUBLIC_URL = PUBLIC_URL.replace('127.0.0.1', '127.0.0.2');
  await stand.restart();
  await expect.poll(handler, { timeout: 10_000 }).toContain('127.0.0.2');
  stand.env.PUBLIC_URL = PUBLIC_URL;
  await stand.restart();
  await expect.poll(handler, { timeout: 10_000 }).toContain(PUBLIC_URL);
}, 60_000);
