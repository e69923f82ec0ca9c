import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { addDeal, inn, type Stand, startStand } from './stand.ts';

const CREATE = 'directum_create_contract';
const DEALS = 120;
let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_CONCURRENCY: '4' } });
});
afterAll(() => stand.stop());
afterEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const post = (form: Record<string, string>) =>
  fetch(`${stand.url}/bitrix24/robots/${CREATE}`, { method: 'POST', body: new URLSearchParams(form) }).then(
    ({ status }) => status,
  );

let seed = 0;
/** Deals of their own companies and amounts, each with one of three responsible people, and their calls, not delivered. */
async function mass(count: number) {
  const { portal, directum } = stand;
  const people = ['ivanov', 'sidorov', 'petrova'].map((name) => {
    const email = `${name}@acme.example`;
    const employee = Number(directum.all('IEmployees').find((one) => one['Email'] === email)?.['Id']);
    return { user: portal.addUser({ NAME: name, EMAIL: email }), employee };
  });
  const stage = `C1:MASS${++seed}`;
  const given = Array.from({ length: count }, (_, n) => {
    const person = people[n % people.length] as (typeof people)[number];
    const tin = inn(++seed);
    const changes = {
      requisite: { RQ_INN: tin, RQ_KPP: '770101001', RQ_COMPANY_NAME: `ООО ${tin}` },
      deal: { title: `Сделка ${tin}`, opportunity: 1_000 + n, assignedById: person.user },
    };
    return { ...addDeal(stand, changes), tin, amount: 1_000 + n, person };
  });
  portal.placeRobot(stage, CREATE, { subject: 'Масса' });
  portal.misbehave.dropCalls = true;
  const calls = [];
  for (const one of given) {
    const workflow = await portal.moveItem(2, one.deal, stage);
    calls.push({ ...one, workflow, form: portal.buildRobotCall(workflow, CREATE).form });
  }
  portal.misbehave.dropCalls = false;
  return calls;
}

const contractsOf = (deal: number) =>
  stand.directum.all('IContracts').filter(({ ExternalId }) => String(ExternalId).includes(`:DEAL_${deal}:`));
/** What reading and proofs cost since then, without answers and what deals show. */
const readings = (from: number) =>
  stand.portal.journal
    .slice(from)
    .filter(({ viaBatch }) => !viaBatch)
    .filter(
      ({ params }) => !/event\.send|item\.update|activity\.(list|conf)|notify/.test(JSON.stringify(params)),
    )
    .filter(({ method }) => method === 'batch' || /^crm\.|user\.get|activity\.log/.test(method));

it('deals that enter a stage together are read together, and each contract has what its own deal says', async () => {
  const calls = await mass(DEALS);
  const from = stand.portal.journal.length;
  expect(new Set(await Promise.all(calls.map(({ form }) => post(form))))).toEqual(new Set([200]));
  for (const { workflow, deal, tin, amount, person } of calls) {
    const { outputs } = await stand.portal.waitForStep(workflow, CREATE, 60_000);
    expect(outputs).toMatchObject({ ok: 'Y' });
    const [contract, ...others] = contractsOf(deal);
    expect(others).toEqual([]);
    expect(contract).toMatchObject({ TotalAmount: amount, ResponsibleEmployee: { Id: person.employee } });
    const counterparty = stand.directum.get('ICompanies', Number(outputs['counterparty_id']));
    expect(counterparty).toMatchObject({ TIN: tin });
  }
  expect(readings(from).length).toBeLessThan(DEALS / 3);
}, 90_000);

it('a forged call in a mass has no effect, and the others have theirs', async () => {
  const calls = await mass(DEALS);
  const forged = calls.filter((_, n) => n % 10 === 7);
  const toForged = (form: Record<string, string>) => ({
    ...form,
    event_token: `${String(form['event_token']).split('.')[0]}.${'b'.repeat(64)}`,
  });
  await Promise.all(calls.map((call) => post(forged.includes(call) ? toForged(call.form) : call.form)));
  for (const call of calls.filter((one) => !forged.includes(one)))
    expect((await stand.portal.waitForStep(call.workflow, CREATE, 60_000)).outputs).toMatchObject({
      ok: 'Y',
    });
  const ended = () => stand.lines.filter((line) => line.includes('"run.forged"')).length;
  await expect.poll(ended, { timeout: 20_000 }).toBe(forged.length);
  expect(forged.flatMap(({ deal }) => contractsOf(deal))).toEqual([]);
}, 90_000);

it('a process that stops in a mass leaves each contract to be made once, by the next one', async () => {
  const calls = await mass(DEALS);
  const before = stand.directum.all('IContracts').length;
  const made = () => stand.directum.all('IContracts').length - before;
  await Promise.all(calls.map(({ form }) => post(form)));
  await expect.poll(made, { timeout: 20_000, interval: 10 }).toBeGreaterThan(5);
  await stand.restart();
  for (const { workflow, deal } of calls) {
    expect((await stand.portal.waitForStep(workflow, CREATE, 60_000)).outputs).toMatchObject({ ok: 'Y' });
    expect(contractsOf(deal)).toHaveLength(1);
  }
}, 90_000);

it('a portal that refuses lists is read deal by deal, and nothing else is different', async () => {
  stand.portal.misbehave.missingMethods.add('crm.item.list');
  const calls = await mass(DEALS);
  await Promise.all(calls.map(({ form }) => post(form)));
  for (const { workflow, deal, amount } of calls) {
    expect((await stand.portal.waitForStep(workflow, CREATE, 60_000)).outputs).toMatchObject({ ok: 'Y' });
    expect(contractsOf(deal)).toMatchObject([{ TotalAmount: amount }]);
  }
  expect(stand.lines.filter((line) => line.includes('"portal.not_read_ahead"'))).toHaveLength(1);
}, 90_000);
