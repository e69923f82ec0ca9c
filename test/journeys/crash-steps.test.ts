import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Process, startProcess } from './process.ts';
import { addDeal, inn, ROMASHKA, runStep, type Stand, startStand } from './stand.ts';
import { inDatabase } from './stand-database.ts';
import { openStoreStops } from './store-stops.ts';

const CREATE = 'directum_create_contract';
const SYNC = 'directum_sync_counterparty';
const APPROVE = 'directum_start_approval';
const WAIT = 'directum_wait_signature';

let stand: Stand;
let stops: Awaited<ReturnType<typeof openStoreStops>>;
let service: Process;

/** Every write of a run to our store. */
const STORE = {
  intent: { on: 'INSERT OR UPDATE ON document_intent' },
  slot: { on: 'INSERT OR UPDATE ON document_slot' },
  pair: { on: 'INSERT OR UPDATE ON counterparty_pair' },
  waiting: { on: 'UPDATE ON run', when: "NEW.state = 'waiting'" },
  file: { on: 'INSERT OR UPDATE ON saved_file' },
  ended: { on: 'UPDATE ON run', when: "NEW.state = 'ended'" },
  begun: { on: 'INSERT OR UPDATE ON begun_change' },
  line: { on: 'INSERT ON journal', when: "NEW.type = 'counterparty.changed'" },
};
type StoreStep = keyof typeof STORE;

beforeAll(async () => {
  stand = await startStand({ settings: { LOG_LEVEL: 'warn', DIRECTUM_POLL_SECONDS: '1' } });
  stand.portal.addUserField('CRM_DEAL', 'UF_CRM_FILE', 'file');
  stand.portal.addUserField('CRM_DEAL', 'UF_CRM_SIGNED', 'file');
  stops = await openStoreStops(
    stand.databaseUrl as string,
    (['before', 'after'] as const).flatMap((side) =>
      Object.entries(STORE).map(([name, stop]) => ({ name: `${name} ${side}`, ...stop })),
    ),
  );
}, 60_000);
afterAll(async () => {
  await service?.kill();
  await stops?.close();
  await stand.stop();
});

interface Run {
  step: string;
  code: string;
  workflow: string;
  right: Record<string, unknown>;
  /** What is there in Directum or in the deal; must be one of each. */
  effects: () => Record<string, number>;
}

const ok = { ok: 'Y', error_code: '' };
let seed = 0;
/** Companies that somebody made by hand, by their INN. */
const known = new Set<string>();
const requisite = () => ({ ...ROMASHKA, RQ_INN: inn(++seed) });
const companies = (tin: string) =>
  stand.directum.all('ICompanies').filter((one) => one['TIN'] === tin).length;
const contracts = (deal: number) =>
  stand.directum.all('IContracts').filter((one) => String(one['ExternalId']).includes(`:DEAL_${deal}:`));
const tasks = (document: number) =>
  stand.directum
    .all('ITasks')
    .filter((task) =>
      (task['AttachmentDetails'] as { AttachmentId: number }[]).some((row) => row.AttachmentId === document),
    );

async function begin(step: string, deal: number, code: string, properties: Record<string, unknown>) {
  const stage = `C1:X${deal}`;
  stand.portal.placeRobot(stage, code, properties);
  const workflow = await stand.portal.moveItem(2, deal, stage);
  // A call on its way dies with the process, and the portal does not repeat it.
  const isAccepted = () =>
    stand.portal.deliveries.some((one) => one.status === 200 && one.form['workflow_id'] === workflow);
  await expect.poll(isAccepted, { interval: 20, message: `${step}: accepted` }).toBe(true);
  return { step, code, workflow };
}

async function create(step: string, properties: Record<string, unknown> = {}): Promise<Run> {
  const firm = requisite();
  const { deal } = addDeal(stand, { requisite: firm });
  if (properties['file_field'])
    stand.portal.addFile(2, deal, 'UF_CRM_FILE', 'договор.docx', Buffer.from('text'));
  const withBody = Object.keys(properties).length > 0;
  return {
    ...(await begin(step, deal, CREATE, { subject: 'Поставка', ...properties })),
    right: ok,
    effects: () => ({
      companies: companies(firm.RQ_INN),
      contracts: contracts(deal).length,
      ...(withBody && {
        versions: contracts(deal).flatMap((one) => stand.directum.versions(Number(one['Id']))).length,
      }),
    }),
  };
}

async function sync(step: string, isKnown = false): Promise<Run> {
  const firm = requisite();
  const { deal } = addDeal(stand, { requisite: firm });
  if (isKnown) known.add(firm.RQ_INN);
  if (isKnown)
    stand.directum.add('ICompanies', { Name: 'Ромашка', TIN: firm.RQ_INN, TRRC: null, Status: 'Active' });
  return {
    ...(await begin(step, deal, SYNC, {})),
    right: ok,
    effects: () => ({ companies: companies(firm.RQ_INN) }),
  };
}

/** Contracts that the other robots work on, made before anybody is killed. */
async function contractOf(): Promise<{ deal: number; document: number; user: number }> {
  const { deal, user } = addDeal(stand, { requisite: requisite() });
  const made = await runStep(stand, deal, CREATE, { subject: 'Поставка', template: 'Типовой договор' });
  return { deal, user, document: Number(made['document_id']) };
}
type Contract = Awaited<ReturnType<typeof contractOf>>;

async function approve(step: string, { deal, document, user }: Contract, free = false): Promise<Run> {
  const properties = free ? { approval_type: 'free', approvers: [`user_${user}`] } : {};
  return {
    ...(await begin(step, deal, APPROVE, properties)),
    right: ok,
    effects: () => ({ tasks: tasks(document).length }),
  };
}

async function update(step: string, { deal }: Contract): Promise<Run> {
  return {
    ...(await begin(step, deal, CREATE, { subject: 'Другое', if_exists: 'update' })),
    right: { ...ok, created: 'N' },
    effects: () => ({ updated: contracts(deal).filter((one) => one['Subject'] === 'Другое').length }),
  };
}

async function waitFor(step: string, { deal, document }: Contract, signed: boolean): Promise<Run> {
  if (signed) stand.directum.sign(document);
  const run = await begin(step, deal, WAIT, signed ? { signed_file_field: 'UF_CRM_SIGNED' } : {});
  return {
    ...run,
    right: { ...ok, result: 'signed', watched_document_id: String(document) },
    effects: (): Record<string, number> =>
      signed ? { files: [stand.portal.item(2, deal)['UF_CRM_SIGNED']].flat().filter(Boolean).length } : {},
  };
}

/** Every write to the outside, with a run that comes to it. */
const OUTSIDE: [
  name: string,
  path: RegExp | string,
  start: (step: string, contract: Contract) => Promise<Run>,
][] = [
  ['POST', /^ICompanies$/, (step) => sync(step)],
  ['PATCH', /^ICompanies\(/, (step) => sync(step, true)],
  ['POST', /^ICompanies$/, (step) => create(step)],
  ['POST', /^IContracts$/, (step) => create(step)],
  ['POST', /CreateVersionFromTemplate$/, (step) => create(step, { template: 'Типовой договор' })],
  ['POST', /^IContracts\(\d+\)\/Versions$/, (step) => create(step, { file_field: 'UF_CRM_FILE' })],
  ['PUT', /Body\/\$value$/, (step) => create(step, { file_field: 'UF_CRM_FILE' })],
  ['POST', /CreateDocumentFlowTask$/, (step, contract) => approve(step, contract)],
  ['POST', /CreateFreeApprovalTask$/, (step, contract) => approve(step, contract, true)],
  ['POST', /StartTask$/, (step, contract) => approve(step, contract)],
  ['portal', 'crm.item.update', (step, contract) => waitFor(step, contract, true)],
  ['PATCH', /^IContracts\(/, update],
];

async function stopOutside(side: 'before' | 'after', index: number, contract: Contract): Promise<Run> {
  const [verb, path, start] = OUTSIDE[index] as (typeof OUTSIDE)[number];
  const how = side === 'before' ? { hang: true } : { hangAfterEffect: true };
  if (typeof path === 'string') stand.portal.misbehave.next({ method: path, ...how });
  else stand.directum.misbehave.next({ verb, path, ...how });
  const from = stand.directum.journal.length;
  const run = await start(`${verb} ${path} ${side}`, contract);
  const isCaught = () =>
    typeof path === 'string'
      ? stand.portal.world.rules.length === 0
      : stand.directum.journal
          .slice(from)
          .some((one) => one.verb === verb && path.test(one.path) && one.status === 0);
  await expect.poll(isCaught, { timeout: 10_000, interval: 20, message: run.step }).toBe(true);
  return run;
}

async function stopInside(side: 'before' | 'after', name: StoreStep, contract: Contract): Promise<Run> {
  const step = `${name} ${side}`;
  await stops.arm(step);
  const starts: Record<StoreStep, () => Promise<Run>> = {
    intent: () => create(step),
    slot: () => create(step),
    pair: () => sync(step),
    waiting: () => waitFor(step, contract, false),
    file: () => waitFor(step, contract, true),
    ended: () => sync(step),
    begun: () => sync(step, true),
    line: () => sync(step, true),
  };
  const run = await starts[name]();
  await expect.poll(() => stops.isCaught(step), { timeout: 90_000, interval: 20, message: step }).toBe(true);
  if (name === 'waiting') stand.directum.sign(contract.document);
  return run;
}

it('a process killed before and after every write, outside and to our store: one effect and one right answer', async () => {
  const contracts = await Promise.all(Array.from({ length: 14 }, contractOf));
  await stand.pause();
  const next = () => contracts.pop() as Contract;
  const needed = (index: number) => (index >= 7 ? next() : (contracts[0] as Contract));
  const runs: Run[] = [];

  for (const side of ['before', 'after'] as const) {
    service = await startProcess(stand.env, 'main');
    // Runs of one line pass the stops of those behind them, so they come one by one.
    await Promise.all(
      [[0, 1, 2, 3, 4, 5, 6, 11], [7, 9], [8], [10]].map(async (line) => {
        for (const index of line) runs.push(await stopOutside(side, index, needed(index)));
      }),
    );
    await service.kill();
    stand.portal.misbehave.reset();
    stand.directum.misbehave.reset();
  }

  service = await startProcess(stand.env, 'main');
  const inside: string[] = [];
  await Promise.all(
    [['intent', 'slot', 'pair', 'ended', 'begun', 'line'] as const, ['waiting', 'file'] as const].map(
      async (line) => {
        for (const name of line)
          for (const side of ['before', 'after'] as const) {
            const contract = name === 'waiting' || name === 'file' ? next() : (contracts[0] as Contract);
            runs.push(await stopInside(side, name, contract));
            inside.push(`${name} ${side}`);
          }
      },
    ),
  );
  await service.kill();
  for (const step of inside) await (step.endsWith('before') ? stops.undo(step) : stops.finish(step));

  service = await startProcess(stand.env, 'main');
  const answered = await Promise.all(
    runs.map(async ({ step, code, workflow, right, effects }) => {
      const { outputs } = await stand.portal
        .waitForStep(workflow, code, 60_000)
        .catch((error: Error) => ({ outputs: { error: error.message } }));
      const seen = effects();
      return {
        step,
        outputs: Object.fromEntries(
          Object.keys(right).map((key) => [key, (outputs as Record<string, unknown>)[key]]),
        ),
        effects: seen,
      };
    }),
  );
  expect(answered).toEqual(
    runs.map(({ step, right, effects }) => ({
      step,
      outputs: right,
      effects: Object.fromEntries(Object.keys(effects()).map((key) => [key, 1])),
    })),
  );
  await expectLines();
}, 240_000);

/** Each fact has one line in the journal, whoever was killed before or after it. */
async function expectLines(): Promise<void> {
  await inDatabase(stand, async ({ query }) => {
    const idsOf = async (type: string, id: string) => {
      const { rows } = await query(`SELECT ${id} AS id FROM journal WHERE type = $1 ORDER BY 1`, [type]);
      return rows.map((row) => String(row.id));
    };
    const runs = (await query('SELECT id FROM run ORDER BY 1')).rows.map((row) => String(row.id));
    expect(await idsOf('call.taken', `data->>'run'`)).toEqual(runs);
    expect(await idsOf('run.ended', `data->>'run'`)).toEqual(runs);
    const all = (set: string, isOurs: (one: Record<string, unknown>) => boolean) =>
      stand.directum
        .all(set)
        .filter(isOurs)
        .map((one) => String(one['Id']))
        .toSorted();
    const made = all('IContracts', (one) => String(one['ExternalId']).startsWith('b24:'));
    expect(await idsOf('document.made', 'document_id::text')).toEqual(made);
    expect(await idsOf('document.bound', 'document_id::text')).toEqual(made);
    const updated = all('IContracts', (one) => one['Subject'] === 'Другое');
    expect(await idsOf('document.changed', 'document_id::text')).toEqual(updated);
    const isKnown = (one: Record<string, unknown>) => known.has(String(one['TIN']));
    const ofRobots = (one: Record<string, unknown>) => String(one['ExternalId']).startsWith('b24:');
    const companies = all('ICompanies', (one) => ofRobots(one) && !isKnown(one));
    expect(await idsOf('counterparty.made', `data->>'counterparty'`)).toEqual(companies);
    expect(await idsOf('counterparty.changed', `data->>'counterparty'`)).toEqual(all('ICompanies', isKnown));
  });
}

it('SIGTERM ends the process in time, though Directum does not answer it', async () => {
  stand.directum.misbehave.next({ verb: 'GET', path: /./, hang: true, times: 50 });
  const from = stand.directum.journal.length;
  const run = await sync('terminated');
  await expect.poll(() => stand.directum.journal.length, { timeout: 10_000 }).toBeGreaterThan(from);
  const { code, ms } = await service.terminate();
  expect(code).toBe(0);
  expect(ms).toBeLessThan(10_000);
  stand.directum.misbehave.reset();
  service = await startProcess(stand.env, 'main');
  const { outputs } = await stand.portal.waitForStep(run.workflow, SYNC, 40_000);
  expect([outputs, run.effects()]).toMatchObject([run.right, { companies: 1 }]);
}, 70_000);
