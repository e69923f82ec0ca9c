import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inDatabase } from '../sandbox/in-database.ts';
import { runCommand } from './command.ts';
import { addDeal, runStep, type Stand, startStand, startTask } from './stand.ts';

const CREATE = 'directum_create_contract';
const WAIT = 'directum_wait_signature';
const APPROVE = 'directum_start_approval';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' }, sweepMs: 2_000 });
});
afterAll(() => stand.stop());

const create = (deal: number, properties = {}) =>
  runStep(stand, deal, CREATE, { subject: 'Поставка', ...properties }, 30_000);
const contractsOf = (deal: number) =>
  stand.directum.all('IContracts').filter((one) => String(one['ExternalId']).includes(`:DEAL_${deal}:`));
const statusOf = (deal: number) => stand.portal.item(2, deal)['ufCrmDirectumStatus'];
const readyz = async () => (await (await fetch(`${stand.url}/readyz`)).json()) as { directum: string };
const logged = (event: string, from = 0) =>
  stand.lines.slice(from).filter((line) => line.includes(`"${event}"`));
const within = (check: () => unknown, timeout = 20_000) => expect.poll(check, { timeout });
/** Everything of the kind that the account could read. */
const loseRights = () => stand.directum.misbehave.hide('IElectronicDocuments');
const giveBack = () => stand.directum.misbehave.show('IElectronicDocuments');

/** A deal with its contract, shown in the deal. */
async function withContract() {
  const { deal } = addDeal(stand);
  const made = await create(deal);
  expect(made).toMatchObject({ ok: 'Y', created: 'Y' });
  return { deal, document: Number(made['document_id']) };
}

/** A step that is answered later. */
function begun(work: Promise<Record<string, string | number>>) {
  const state: { outputs: Record<string, string | number> | null } = { outputs: null };
  const answer = work.then((outputs) => {
    state.outputs = outputs;
    return outputs;
  });
  answer.catch(() => undefined);
  return { state, answer };
}

const deals: Awaited<ReturnType<typeof withContract>>[] = [];

describe.each([1, 3, 30])('rights to all documents are lost while there are %i', (count) => {
  it('no second contract is made, no wait is answered and nothing is told until they are back', async () => {
    while (deals.length < count) deals.push(await withContract());
    const [{ deal, document }] = deals as [(typeof deals)[number]];
    const from = stand.lines.length;
    const waiting = begun(runStep(stand, deal, WAIT, {}, 60_000));
    await within(() => logged('run.waiting', from).length).toBe(1);
    await within(() => readyz()).toMatchObject({ directum: 'ok' });

    loseRights();
    try {
      const { deal: again } = deals.at(-1) as (typeof deals)[number];
      const step = begun(create(again));
      await within(() => logged('run.postponed', from).length).toBeGreaterThan(0);
      // The hourly reading has been over all of them at least once.
      await within(() => logged('directum.rights_lost', from).length).toBeGreaterThan(0);
      await within(async () => (await heldCount()) >= count).toBe(true);
      await within(() => readyz()).toMatchObject({ directum: 'down' });
      const doctor = await runCommand('doctor', ['--json'], stand.env);
      const found = (JSON.parse(doctor.out) as { check: string; ok: boolean; text: string }[]).find(
        ({ check }) => check === 'directum documents',
      );
      expect(found).toMatchObject({ ok: false });
      expect(found?.text).toMatch(/rights/);
      expect([step.state.outputs, waiting.state.outputs]).toEqual([null, null]);
      expect(contractsOf(again)).toHaveLength(1);
      expect(deals.map((one) => statusOf(one.deal))).not.toContain('deleted');

      giveBack();
      expect(await step.answer).toMatchObject({ ok: 'Y', created: 'N' });
    } finally {
      giveBack();
    }
    await within(() => readyz()).toMatchObject({ directum: 'ok' });
    expect(logged('directum.rights_back', from)).toHaveLength(1);
    expect(waiting.state.outputs).toBeNull();
    stand.directum.sign(document);
    expect(await waiting.answer).toMatchObject({ ok: 'Y', result: 'signed' });
    expect(logged('document.changed', from).filter((line) => line.includes('"deleted"'))).toEqual([]);
    stand.directum.patch('IContracts', document, { InternalApprovalState: null });
  }, 120_000);
});

const heldCount = () =>
  inDatabase(stand.dataDir, async (client) => {
    const { rows } = await client.query('SELECT count(*)::int AS count FROM missing_document WHERE held');
    return rows[0].count as number;
  });
