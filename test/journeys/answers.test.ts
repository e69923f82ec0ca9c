import { afterAll, beforeAll, expect, it } from 'vitest';
import { addDeal, type Stand, startStand } from './stand.ts';

/** Answers of a storm on the plan that most portals have: two hits a second, fifty at once. */
const CODE = 'directum_create_contract';
let stand: Stand;
let aheadMs = 0;

beforeAll(async () => {
  const rate = { perSecond: 2, bucket: 50 };
  stand = await startStand({
    portal: { rate },
    settings: { BITRIX24_RATE: '2/50', BITRIX24_ANSWER_BATCH: '50', LOG_LEVEL: 'warn' },
    now: () => new Date(Date.now() + aheadMs),
  });
});
afterAll(() => stand.stop());

/** So many calls at once whose field is empty: their answers are all that the portal is asked for. */
async function storm(name: string, count: number): Promise<string[]> {
  const { deal } = addDeal(stand);
  const workflows: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const item = stand.portal.addItem(2, { ...stand.portal.item(2, deal), id: undefined });
    stand.portal.placeRobot(`C1:${name}${index}`, CODE, { subject: '' });
    workflows.push(await stand.portal.moveItem(2, item, `C1:${name}${index}`));
  }
  return workflows;
}

const isAnswered = (workflow: string) => stand.portal.step(workflow, CODE).status === 'closed';
const hitsSince = (from: number) => stand.portal.journal.slice(from).filter(({ viaBatch }) => !viaBatch);
const overLimit = () => stand.portal.journal.filter(({ error }) => error === 'QUERY_LIMIT_EXCEEDED');

it('an answer that the portal dropped with a true is sent once more, 30 s later at the earliest', async () => {
  const from = stand.portal.journal.length;
  const sent = () =>
    stand.portal.journal.slice(from).filter(({ method }) => method === 'bizproc.event.send').length;
  const pass = (seconds: number) => {
    aheadMs += seconds * 1_000;
    return new Promise((resolve) => setTimeout(resolve, 1_000));
  };
  stand.portal.misbehave.lockedSteps = 1;
  const [workflow] = (await storm('D', 1)) as [string];
  // The 30 s are counted from when the first sending was settled.
  const isSettled = () => stand.lines.some((line) => line.includes('outbox.sent'));
  await expect.poll(isSettled, { timeout: 10_000 }).toBe(true);
  await pass(20);
  expect([sent(), isAnswered(workflow)]).toEqual([1, false]);
  aheadMs += 11_000;
  await expect.poll(() => isAnswered(workflow), { timeout: 10_000 }).toBe(true);
  await pass(600);
  expect(sent()).toBe(2);
});

it('hundreds of answers leave fifty to a hit, and the portal never says that it is too much', async () => {
  const from = stand.portal.journal.length;
  const workflows = await storm('B', 200);
  await expect.poll(() => workflows.every(isAnswered), { timeout: 25_000, interval: 50 }).toBe(true);
  // Hits that carry answers: how many runs read in one hit depends on how fast the machine is.
  const hits = hitsSince(from).filter(({ params }) => JSON.stringify(params).includes('bizproc.event.send'));
  const sent = stand.portal.journal
    .slice(from)
    .filter(({ method }) => method === 'bizproc.event.send').length;
  expect(sent).toBeGreaterThanOrEqual(200);
  expect(hits.length).toBeLessThan(40);
  expect(overLimit()).toEqual([]);
  expect(stand.portal.step(workflows[0] as string, CODE).outputs).toMatchObject({
    ok: 'N',
    error_code: 'input_missing',
  });
}, 60_000);

it('where only one at a time is wanted they wait for the budget', async () => {
  await stand.stop();
  // A faster plan than most, so that the bucket is empty for seconds only.
  stand = await startStand({
    portal: { rate: { perSecond: 10, bucket: 50 } },
    settings: { BITRIX24_RATE: '10/50', BITRIX24_ANSWER_BATCH: '1', LOG_LEVEL: 'warn' },
  });
  const from = stand.portal.journal.length;
  // More than the bucket holds.
  const workflows = await storm('S', 55);
  await expect.poll(() => workflows.every(isAnswered), { timeout: 40_000, interval: 50 }).toBe(true);
  const hits = hitsSince(from).filter(({ method }) => method === 'bizproc.event.send');
  expect(hits.length).toBeGreaterThanOrEqual(55);
  expect(overLimit()).toEqual([]);
}, 60_000);
