import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startProcess } from './process.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

const HOUR_MS = 3_600_000;
const CREATE = 'directum_create_contract';
const WAIT = 'directum_wait_signature';
let aheadMs = 0;
let stand: Stand;
beforeAll(async () => {
  stand = await startStand({
    settings: { DIRECTUM_POLL_SECONDS: '1' },
    now: () => new Date(Date.now() + aheadMs),
  });
  stand.portal.addUser({ NAME: 'Пётр', LAST_NAME: 'Сидоров', EMAIL: 'sidorov@acme.example' });
});
afterAll(() => stand.stop());

const told = (word: string) => stand.lines.filter((line) => line.includes(word)).length;
const taskOf = (deal: number) =>
  stand.portal.tasks().find((task) => JSON.stringify(task).includes(`D_${deal}`)) as
    | Record<string, unknown>
    | undefined;
let stages = 0;

async function enter(deal: number, code: string, properties: Record<string, unknown>) {
  const stage = `C1:CLOCK${++stages}`;
  stand.portal.placeRobot(stage, code, properties);
  const workflow = await stand.portal.moveItem(2, deal, stage);
  return { answer: (ms = 10_000) => stand.portal.waitForStep(workflow, code, ms) };
}

/** A deal whose contract is in its slot and is waited for, and a run that was put off a moment ago. */
async function begin() {
  const { deal } = addDeal(stand);
  const made = await runStep(stand, deal, CREATE, { subject: 'Поставка', template: 'Типовой договор' });
  const document = Number(made['document_id']);
  await runStep(stand, deal, 'directum_start_approval', {});
  await expect.poll(() => taskOf(deal)).toBeDefined();
  const waiting = told('run.waiting');
  const waits = await enter(deal, WAIT, {});
  await expect.poll(() => told('run.waiting')).toBeGreaterThan(waiting);
  const postponed = told('run.postponed');
  stand.directum.misbehave.next({ verb: 'POST', path: /IContracts/, status: 503 });
  const putOff = await enter(addDeal(stand).deal, CREATE, { subject: 'Отложенный' });
  await expect.poll(() => told('run.postponed'), { interval: 10 }).toBeGreaterThan(postponed);
  return { deal, document, waits, putOff };
}

it.each([
  ['by three hours', 3 * HOUR_MS, false],
  ['by a minute', 60_000, false],
  ['by three hours while the service is down', 3 * HOUR_MS, true],
])(
  'what is under way goes on when the clock is set back %s',
  async (_how, ms, restarts) => {
    aheadMs = ms;
    const { deal, document, waits, putOff } = await begin();
    aheadMs = 0;
    if (restarts) await stand.restart();
    const fresh = await enter(addDeal(stand).deal, CREATE, { subject: 'После перевода часов' });
    stand.directum.sign(document);
    expect((await fresh.answer()).outputs).toMatchObject({ ok: 'Y' });
    expect((await putOff.answer()).outputs).toMatchObject({ ok: 'Y' });
    expect((await waits.answer()).outputs).toMatchObject({ ok: 'Y', result: 'signed' });
    await expect
      .poll(() => JSON.stringify(stand.portal.activities(2, deal).map(({ layout }) => layout)))
      .toContain('Подписан нами');
    const fired = () => stand.portal.triggerRuns.filter(({ id }) => id === deal).map(({ code }) => code);
    await expect.poll(fired).toContain('directum_signed_us');
    await expect.poll(() => taskOf(deal)?.['STATUS']).toBe(5);
  },
  60_000,
);

it('a process whose clock an operator sets back goes on, with a database whose clock stays', async () => {
  await stand.pause();
  const service = await startProcess({
    ...stand.env,
    LOG_LEVEL: 'debug',
    NODE_OPTIONS: `--import ${fileURLToPath(new URL('./movable-date.mjs', import.meta.url))}`,
    CLOCK_AHEAD_MS: String(3 * HOUR_MS),
    CLOCK_BACK_MS: String(3 * HOUR_MS),
  });
  try {
    const said = (word: string) => service.lines.join('').split(word).length - 1;
    const { deal } = addDeal(stand);
    const made = await runStep(stand, deal, CREATE, { subject: 'Поставка' });
    const waits = await enter(deal, WAIT, {});
    await expect.poll(() => said('run.waiting')).toBe(1);
    stand.directum.misbehave.down = true;
    const putOff = await enter(addDeal(stand).deal, CREATE, { subject: 'Directum молчит' });
    await expect.poll(() => said('run.postponed')).toBeGreaterThan(0);
    await expect.poll(() => said('directum.circuit_opened'), { timeout: 20_000 }).toBeGreaterThan(0);
    service.signal('SIGUSR2');
    stand.directum.misbehave.down = false;
    stand.directum.sign(Number(made['document_id']));
    const fresh = await enter(addDeal(stand).deal, CREATE, { subject: 'После перевода часов' });
    for (const each of [putOff, fresh])
      expect((await each.answer(20_000)).outputs).toMatchObject({ ok: 'Y' });
    expect((await waits.answer(20_000)).outputs).toMatchObject({ ok: 'Y', result: 'signed' });
  } finally {
    await service.kill();
  }
}, 90_000);
