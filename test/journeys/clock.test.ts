import { afterAll, beforeAll, expect, it } from 'vitest';
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
});
afterAll(() => stand.stop());

const told = (word: string) => stand.lines.filter((line) => line.includes(word)).length;
let stages = 0;

async function enter(deal: number, code: string, properties: Record<string, unknown>) {
  const stage = `C1:CLOCK${++stages}`;
  stand.portal.placeRobot(stage, code, properties);
  const workflow = await stand.portal.moveItem(2, deal, stage);
  return { answer: () => stand.portal.waitForStep(workflow, code, 10_000) };
}

/** A deal whose contract is in its slot and is waited for, and a run that was put off a moment ago. */
async function begin() {
  const { deal } = addDeal(stand);
  const made = await runStep(stand, deal, CREATE, { subject: 'Поставка' });
  const document = Number(made['document_id']);
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
  },
  60_000,
);
