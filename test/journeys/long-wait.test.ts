import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

const HOUR_MS = 3_600_000;
let aheadMs = 0;
let stand: Stand;
beforeAll(async () => {
  stand = await startStand({
    settings: { DIRECTUM_POLL_SECONDS: '1' },
    now: () => new Date(Date.now() + aheadMs),
  });
});
afterAll(() => stand.stop());

/** A contract on approval, and the wait robot of its deal, begun. */
async function begin(stage: string) {
  const { deal } = addDeal(stand);
  const made = await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' });
  const document = Number(made['document_id']);
  stand.directum.patch('IContracts', document, { InternalApprovalState: 'OnApproval' });
  stand.portal.placeRobot(stage, 'directum_wait_signature', {});
  const before = waiting();
  const workflow = await stand.portal.moveItem(2, deal, stage);
  await expect.poll(waiting, { timeout: 10_000 }).toBeGreaterThan(before);
  return {
    document,
    answer: (ms: number) => stand.portal.waitForStep(workflow, 'directum_wait_signature', ms),
  };
}

const waiting = () => stand.lines.filter((line) => line.includes('run.waiting')).length;

it('waits 720 hours over three restarts and a new version, hears of the signature, and ends when the time is over', async () => {
  const signed = await begin('C1:LONG');
  const silent = await begin('C1:SILENT');
  for (const hours of [200, 300, 215]) {
    aheadMs += hours * HOUR_MS;
    await stand.restart();
  }
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(stand.lines.filter((line) => /run\.(done|failed).*wait_signature/.test(line))).toEqual([]);

  stand.directum.sign(signed.document);
  // A version added after the signature takes only this flag away (directum.md E.1).
  stand.directum.patch('IContracts', signed.document, { LastVersionApproved: false });
  expect((await signed.answer(10_000)).outputs).toMatchObject({ ok: 'Y', result: 'signed' });

  aheadMs += 6 * HOUR_MS;
  const began = performance.now();
  expect((await silent.answer(10_000)).outputs).toMatchObject({ ok: 'N', result: 'expired' });
  expect(performance.now() - began).toBeLessThan(6_000);
}, 90_000);

const WAIT = 'directum_wait_signature';
/** Runs that are at work at a time. */
const WORKERS = 12;
const told = (word: string) => stand.lines.filter((line) => line.includes(word)).length;

describe('the end of the time, with Directum silent', () => {
  afterEach(() => stand.directum.misbehave.reset());

  it('fires though every worker hangs on Directum', async () => {
    const silent = await begin('C1:BUSY');
    const from = stand.directum.journal.length;
    stand.directum.misbehave.next({ path: /./, hang: true, times: 1_000 });
    const documents = Array.from({ length: 14 }, () => stand.directum.add('IContracts', { Name: 'Договор' }));
    for (const [n, document_id] of documents.entries()) {
      stand.portal.placeRobot(`C1:HANG${n}`, WAIT, { document_id });
      void stand.portal.moveItem(2, addDeal(stand).deal, `C1:HANG${n}`);
    }
    // One question may ask for several of them.
    const hanging = () => {
      const asked = stand.directum.journal.slice(from).filter(({ status }) => status === 0);
      return documents.filter((id) =>
        asked.some(({ path, query }) => `${path}?${query}`.includes(String(id))),
      );
    };
    await expect.poll(() => hanging().length, { timeout: 10_000 }).toBeGreaterThanOrEqual(WORKERS);
    aheadMs += 721 * HOUR_MS;
    const began = performance.now();
    expect((await silent.answer(12_000)).outputs).toMatchObject({ ok: 'N', result: 'expired' });
    expect(performance.now() - began).toBeLessThan(6_000);
  }, 60_000);

  it.each(['down', 'hanging'])(
    'fires though nothing was ever read and Directum is %s',
    async (how) => {
      const { deal } = addDeal(stand);
      const document_id = stand.directum.add('IContracts', { Name: 'Договор' });
      stand.directum.misbehave.down = true;
      stand.portal.placeRobot(`C1:NEVER-${how}`, WAIT, { document_id, max_wait_hours: 1 });
      const before = told('run.postponed');
      const workflow = await stand.portal.moveItem(2, deal, `C1:NEVER-${how}`);
      // So many failures that the next attempt of its own would come minutes later.
      for (let attempt = 1; attempt <= 4; attempt += 1) {
        await expect
          .poll(() => told('run.postponed'), { timeout: 10_000 })
          .toBeGreaterThanOrEqual(before + attempt);
        aheadMs += attempt < 4 ? 6 * 60_000 : 42 * 60_000 - 5_000;
      }
      if (how === 'hanging') {
        stand.directum.misbehave.down = false;
        stand.directum.misbehave.next({ path: /./, hang: true, times: 1_000 });
      }
      const step = await stand.portal.waitForStep(workflow, WAIT, 12_000);
      expect(step.outputs).toMatchObject({ ok: 'N', error_code: 'expired', result: 'expired' });
    },
    60_000,
  );
});
