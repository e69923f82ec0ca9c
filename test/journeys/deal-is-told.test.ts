import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';

/** A portal that does not let fields be made: all the rest is none the worse for it. */
let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' }, rescanMs: 3_000, install: false });
  stand.portal.misbehave.removeScopes('userfieldconfig');
  await stand.portal.install(`${stand.url}/bitrix24/install`);
}, 20_000);
afterAll(() => stand.stop());

async function within(ms: number, holds: () => boolean): Promise<void> {
  const limit = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > limit) throw new Error(`it did not come to that in ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function contract() {
  const { deal, user } = addDeal(stand);
  const made = await runStep(stand, deal, 'directum_create_contract', {
    subject: 'Поставка',
    template: 'Типовой договор',
  });
  expect(made).toMatchObject({ ok: 'Y' });
  return { deal, user, id: Number(made['document_id']) };
}

const fired = (deal: number) =>
  stand.portal.triggerRuns.filter(({ id }) => id === deal).map(({ code }) => code);
const told = (user: number) => stand.portal.notices().filter((notice) => notice.userId === user);
const day = (days: number) =>
  `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)}T00:00:00+03:00`;

describe('a deal', () => {
  it('is moved by its contract’s triggers, and its people are told and asked', async () => {
    const { deal, user, id } = await contract();
    const signatory = stand.portal.addUser({
      NAME: 'Пётр',
      LAST_NAME: 'Сидоров',
      EMAIL: 'sidorov@acme.example',
    });
    const started = await runStep(stand, deal, 'directum_start_approval', {});
    expect(started).toMatchObject({ ok: 'Y', task_started: 'Y' });
    await within(15_000, () => stand.portal.tasks().length === 1 && told(signatory).length === 1);
    expect(JSON.stringify(stand.portal.tasks()[0])).toContain(`D_${deal}`);
    expect(JSON.stringify(told(signatory))).toContain('ждёт вашей подписи');
    const before = JSON.stringify(stand.portal.tasks()[0]);
    stand.directum.sign(id);
    await within(10_000, () => fired(deal).length === 2);
    expect(fired(deal)).toEqual(['directum_approved', 'directum_signed_us']);
    await within(15_000, () => JSON.stringify(told(user)).includes('подписан с нашей стороны'));
    await within(5_000, () => JSON.stringify(stand.portal.tasks()[0]) !== before);
    expect(stand.portal.tasks()[0]).toMatchObject({ STATUS: 5 });
    await stand.restart();
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(fired(deal)).toEqual(['directum_approved', 'directum_signed_us']);
    expect(JSON.stringify(stand.portal.activities(2, deal))).toContain('Подписан нами');
    const said = (event: string) => stand.lines.filter((line) => line.includes(`"${event}"`)).length;
    expect(stand.portal.world.userFields).toEqual([]);
    expect([said('deal.refused'), said('fields.not_added')]).toEqual([0, 1]);
  }, 60_000);

  it('is told of dates when they change and when the service starts', async () => {
    const { deal, id } = await contract();
    stand.directum.patch('IContracts', id, { ValidTill: day(5) });
    await within(10_000, () => fired(deal).includes('directum_due'));
    // A change soon after another may carry the same `Modified` and is then seen only by the next whole reading.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    stand.directum.patch('IContracts', id, { ValidTill: day(-2) });
    await within(10_000, () => fired(deal).includes('directum_overdue'));
    await stand.restart();
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(fired(deal)).toEqual(['directum_due', 'directum_overdue']);
  }, 60_000);
});
