import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FurtherType, SETS, TYPES } from './document-sets.ts';
import { type Process, startProcess } from './process.ts';
import { addDeal, runStep, type Stand, startStand } from './stand.ts';
import { inDatabase } from './stand-database.ts';

const CODE = 'directum_create_document';

let stand: Stand;
let service: Process;
beforeAll(async () => {
  stand = await startStand({ settings: { LOG_LEVEL: 'warn', DIRECTUM_POLL_SECONDS: '1' } });
}, 60_000);
afterAll(async () => {
  await service?.kill();
  await stand.stop();
});

const madeOf = (type: FurtherType, deal: number) =>
  stand.directum.all(SETS[type]).filter((one) => String(one['ExternalId']).includes(`:DEAL_${deal}:`));

/** A deal with a contract, which is there before anybody is killed. */
async function dealOf(): Promise<{ deal: number; contract: number }> {
  const { deal } = addDeal(stand);
  const made = await runStep(stand, deal, 'directum_create_contract', { subject: 'Поставка' });
  return { deal, contract: Number(made['document_id']) };
}

interface Step {
  name: string;
  type: FurtherType;
  deal: number;
  contract: number;
  workflow: string;
}

/** What a run writes besides its card: the request at which it is stopped, and a run that comes to it. */
const LATER: {
  name: string;
  type: FurtherType;
  verb: string;
  path: RegExp;
  properties: Record<string, unknown>;
}[] = [
  {
    name: 'leading document',
    type: 'waybill',
    verb: 'PATCH',
    path: /^IWaybills\(/,
    properties: {},
  },
  {
    name: 'registration',
    type: 'act',
    verb: 'POST',
    path: /RegisterDocument$/,
    properties: { date: '02.03.2026' },
  },
  {
    name: 'template',
    type: 'supplementary_agreement',
    verb: 'POST',
    path: /CreateVersionFromTemplate$/,
    properties: { template: 'Типовое допсоглашение' },
  },
];

async function begin(
  name: string,
  type: FurtherType,
  { deal, contract }: { deal: number; contract: number },
  properties: Record<string, unknown>,
): Promise<Step> {
  const stage = `C1:X${name.replaceAll(' ', '')}${deal}`;
  stand.portal.placeRobot(stage, CODE, { document_type: type, subject: 'О поставке', ...properties });
  const workflow = await stand.portal.moveItem(2, deal, stage);
  const isTaken = () =>
    stand.portal.deliveries.some((one) => one.status === 200 && one.form['workflow_id'] === workflow);
  await expect.poll(isTaken, { interval: 20, message: `${name}: taken` }).toBe(true);
  return { name, type, deal, contract, workflow };
}

it('a process killed before and after every write of every type: one document, whole, and one right answer', async () => {
  const deals = await Promise.all(Array.from({ length: 2 * (TYPES.length + LATER.length) }, dealOf));
  await stand.pause();
  const steps: Step[] = [];
  const next = () => deals.pop() as Awaited<ReturnType<typeof dealOf>>;

  for (const side of ['before', 'after'] as const) {
    const how = side === 'before' ? { hang: true } : { hangAfterEffect: true };
    for (const round of ['card', 'later'] as const) {
      service = await startProcess(stand.env, 'main');
      stand.directum.misbehave.counterpartyLast = true;
      const from = stand.directum.journal.length;
      const stops =
        round === 'card'
          ? TYPES.map((type) => ({
              ...{ name: `${type} ${side}`, type, verb: 'POST', path: new RegExp(`^${SETS[type]}$`) },
              properties: {},
            }))
          : LATER.map((one, at) => ({
              ...one,
              name: `${one.name} ${side}`,
              properties: {
                ...one.properties,
                ...('date' in one.properties && { number: `К-${side}-${at}` }),
              },
            }));
      for (const { verb, path } of stops) stand.directum.misbehave.next({ verb, path, ...how });
      for (const { name, type, properties } of stops) steps.push(await begin(name, type, next(), properties));
      const caught = () =>
        stops.every(({ verb, path }) =>
          stand.directum.journal
            .slice(from)
            .some((one) => one.verb === verb && path.test(one.path) && one.status === 0),
        );
      await expect.poll(caught, { timeout: 20_000, interval: 20, message: `${round} ${side}` }).toBe(true);
      await service.kill();
      stand.directum.misbehave.reset();
    }
  }

  service = await startProcess(stand.env, 'main');
  const seen = await Promise.all(
    steps.map(async ({ name, type, deal, workflow }) => {
      const { outputs } = await stand.portal
        .waitForStep(workflow, CODE, 60_000)
        .catch((error: Error) => ({ outputs: { error: error.message } }));
      const cards = madeOf(type, deal);
      const { ok, created, leading_id } = outputs as Record<string, unknown>;
      const leading = type === 'incoming_invoice' ? 'Contract' : 'LeadingDocument';
      return {
        name,
        ...{ ok, created, leading_id },
        documents: cards.length,
        belongsTo: type === 'simple' ? 0 : (cards[0]?.[leading] as { Id: number } | null)?.Id,
        ...(name.startsWith('registration') && { state: cards[0]?.['RegistrationState'] }),
        ...(name.startsWith('template') && {
          versions: stand.directum.versions(Number(cards[0]?.['Id'])).length,
        }),
      };
    }),
  );
  expect(seen).toEqual(
    steps.map(({ name, type, contract }) => ({
      name,
      ...{ ok: 'Y', created: 'Y', leading_id: type === 'simple' ? '' : String(contract) },
      documents: 1,
      belongsTo: type === 'simple' ? 0 : contract,
      ...(name.startsWith('registration') && { state: 'Registered' }),
      ...(name.startsWith('template') && { versions: 1 }),
    })),
  );
  await inDatabase(stand, async ({ query }) => {
    const { rows } = await query(
      `SELECT document_id, count(*)::int AS lines FROM journal WHERE type = 'document.made' GROUP BY 1`,
    );
    expect(rows.filter(({ lines }) => lines !== 1)).toEqual([]);
    expect(rows).toHaveLength(2 * steps.length);
  });
}, 180_000);
