import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from './command.ts';
import { addDeal, runStep, type Stand, startStand, startTask } from './stand.ts';
import { inDatabase, withoutDirectumRate } from './stand-database.ts';

const CREATE = 'directum_create_contract';
const WAIT = 'directum_wait_signature';
const APPROVE = 'directum_start_approval';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' }, rescanMs: 2_000 });
  await withoutDirectumRate(stand);
});
afterAll(() => stand.stop());

const create = (deal: number, properties = {}) =>
  runStep(stand, deal, CREATE, { subject: 'Поставка', ...properties }, 120_000);
const contractsOf = (deal: number) =>
  stand.directum.all('IContracts').filter((one) => String(one['ExternalId']).includes(`:DEAL_${deal}:`));
/** The status a deal's list field shows, as its code; null when it is empty. */
function statusOf(deal: number): string | null {
  const value = stand.portal.item(2, deal)['UF_CRM_DIRECTUM_STATUS'];
  const field = stand.portal.world.userFields.find(({ fieldName }) => fieldName === 'UF_CRM_DIRECTUM_STATUS');
  return field?.list.find((one) => one.id === Number(value))?.xmlId ?? null;
}
const readyz = async () => (await (await fetch(`${stand.url}/readyz`)).json()) as { directum: string };
const logged = (event: string, from = 0) =>
  stand.lines.slice(from).filter((line) => line.includes(`"${event}"`));
const within = (check: () => unknown, timeout = 40_000) => expect.poll(check, { timeout });
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
    const [{ document }] = deals as [(typeof deals)[number]];
    const from = stand.lines.length;
    const { deal: waiter } = addDeal(stand);
    const waiting = begun(runStep(stand, waiter, WAIT, { document_id: document }, 60_000));
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
    await within(() => logged('directum.rights_back', from).length).toBeGreaterThan(0);
    expect(waiting.state.outputs).toBeNull();
    stand.directum.sign(document);
    expect(await waiting.answer).toMatchObject({ ok: 'Y', result: 'signed' });
    expect(logged('document.changed', from).filter((line) => line.includes('"deleted"'))).toEqual([]);
    stand.directum.patch('IContracts', document, { InternalApprovalState: null });
  }, 120_000);
});

describe('among many documents that can be read', () => {
  it('one that was deleted is told, ends its wait and frees its slot', async () => {
    const { deal, document } = await withContract();
    await within(() => statusOf(deal)).toBe('created');
    const from = stand.lines.length;
    const waiting = begun(runStep(stand, deal, WAIT, {}, 60_000));
    await within(() => logged('run.waiting', from).length).toBe(1);
    stand.directum.deleteDocument(document);
    expect(await waiting.answer).toMatchObject({ ok: 'N', error_code: 'deleted', result: 'deleted' });
    await within(() => statusOf(deal)).toBe('deleted');
    const again = await create(deal);
    expect(again).toMatchObject({ ok: 'Y', created: 'Y' });
    expect(again['document_id']).not.toBe(String(document));
    expect(await readyz()).toMatchObject({ directum: 'ok' });
  }, 60_000);

  it('twelve that vanish at once are held; an operator who says that they were deleted ends that', async () => {
    while (deals.length < 50) deals.push(await withContract());
    const gone = deals.slice(-12);
    const last = gone.at(-1) as (typeof deals)[number];
    await within(() => gone.every(({ deal }) => statusOf(deal) === 'created')).toBe(true);
    const from = stand.lines.length;
    const { deal: waiter } = addDeal(stand);
    const waiting = begun(runStep(stand, waiter, WAIT, { document_id: last.document }, 120_000));
    await within(() => logged('run.waiting', from).length).toBe(1);
    for (const { document } of gone) stand.directum.deleteDocument(document);
    await within(heldCount, 60_000).toBe(12);
    expect(await readyz()).toMatchObject({ directum: 'down' });
    const step = begun(create(gone[0]?.deal as number));
    await within(() => logged('run.postponed', from).length).toBeGreaterThan(0);
    expect([step.state.outputs, waiting.state.outputs]).toEqual([null, null]);

    const named = await runCommand('reconcile', [], { ...stand.env, LOG_LEVEL: 'fatal' });
    expect(named.code).toBe(1);
    for (const { deal, document } of gone)
      expect(named.out).toContain(`DEAL_${deal} document ${document}: Directum does not show it`);
    expect(gone.map(({ deal }) => statusOf(deal))).not.toContain('deleted');

    const accepted = await runCommand('reconcile', ['--accept-deletions'], {
      ...stand.env,
      LOG_LEVEL: 'fatal',
    });
    expect(accepted.code).toBe(0);
    // The first has a new contract by then.
    await within(() => gone.slice(1).every(({ deal }) => statusOf(deal) === 'deleted')).toBe(true);
    expect(await waiting.answer).toMatchObject({ result: 'deleted' });
    expect(await step.answer).toMatchObject({ ok: 'Y', created: 'Y' });
    await within(readyz).toMatchObject({ directum: 'ok' });
  }, 180_000);
});

describe('without the right to read', () => {
  it('tasks: no second approval is started', async () => {
    const { deal, document } = await withContract();
    const task = await startTask(stand, document);
    await within(() => knownTasks(document)).toBeGreaterThan(0);
    stand.directum.misbehave.hide('ITasks');
    try {
      const from = stand.lines.length;
      const step = begun(runStep(stand, deal, APPROVE, { approval_type: 'rule' }, 30_000));
      await within(() => logged('run.postponed', from).length).toBeGreaterThan(0);
      expect(step.state.outputs).toBeNull();
      stand.directum.misbehave.show('ITasks');
      expect(await step.answer).toMatchObject({ ok: 'Y', task_started: 'N', task_id: String(task) });
    } finally {
      stand.directum.misbehave.reset();
    }
  }, 60_000);

  it('employees: nobody is said to be unknown, and the step goes on when they are back', async () => {
    const { deal } = addDeal(stand, { email: 'sidorov@acme.example' });
    stand.directum.misbehave.hide('IEmployees');
    try {
      const from = stand.lines.length;
      const step = begun(create(deal));
      await within(() => logged('run.postponed', from).length).toBeGreaterThan(0);
      expect(step.state.outputs).toBeNull();
      stand.directum.misbehave.show('IEmployees');
      expect(await step.answer).not.toMatchObject({ error_code: 'directum_unavailable' });
    } finally {
      stand.directum.misbehave.reset();
    }
  }, 60_000);

  it('documents: an id given to a robot is not said to be none', async () => {
    const [{ document }] = deals as [(typeof deals)[number]];
    const { deal } = addDeal(stand);
    loseRights();
    try {
      const from = stand.lines.length;
      const steps = [
        begun(create(deal, { link_document_id: document })),
        begun(runStep(stand, addDeal(stand).deal, WAIT, { document_id: document }, 60_000)),
      ];
      await within(() => logged('run.postponed', from).length).toBeGreaterThan(1);
      expect(steps.map(({ state }) => state.outputs)).toEqual([null, null]);
      giveBack();
      expect(await steps[0]?.answer).toMatchObject({ ok: 'Y', created: 'N', document_id: String(document) });
    } finally {
      giveBack();
    }
  }, 60_000);
});

const inService = async (query: string, values: unknown[] = []) =>
  inDatabase(stand, async (client) => {
    const { rows } = await client.query(query, values);
    return rows[0].count as number;
  });
const heldCount = () => inService('SELECT count(*)::int AS count FROM missing_document WHERE held');
const knownTasks = (document: number) =>
  inService('SELECT count(*)::int AS count FROM document_task WHERE document_id = $1', [document]);
