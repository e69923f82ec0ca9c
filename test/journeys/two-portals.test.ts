import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../sandbox/package-settings.ts';
import { startPortal } from '../sandbox/portal/portal.ts';
import { runCommand } from './command.ts';
import { addDeal, CLIENT, runStep, type Stand, startStand } from './stand.ts';

const CREATE = 'directum_create_contract';
/** Slow enough for the storm to stand in a line of its own. */
const RATE = { perSecond: 5, bucket: 60 };
const STORM = 300;
/** What two busy cores may add to a single answer. */
const NOISE_MS = 700;

/** The same service, seen from its other portal. */
let loud: Stand;
let quiet: Stand;
beforeAll(async () => {
  const port = await freePort();
  const other = await startPortal({ ...CLIENT, rate: RATE });
  const origins = `http://127.0.0.1:${port},${other.url}`;
  loud = await startStand({
    portal: { port, rate: RATE },
    settings: {
      BITRIX24_PORTALS: origins,
      BITRIX24_OAUTH_SERVERS: origins,
      BITRIX24_RATE: `${RATE.perSecond}/${RATE.bucket}`,
    },
  });
  await other.install(`${loud.url}/bitrix24/install`);
  quiet = { ...loud, portal: other };
});
afterAll(async () => {
  await quiet.portal.stop();
  await loud.stop();
});

/** From the deal's move to the answered step, the median of five. */
async function latency(): Promise<number> {
  const all: number[] = [];
  for (let n = 0; n < 5; n++) {
    const { deal } = addDeal(quiet);
    const from = performance.now();
    expect(await runStep(quiet, deal, CREATE, { subject: 'Тихо' }, 60_000)).toMatchObject({ ok: 'Y' });
    all.push(performance.now() - from);
  }
  return all.sort((a, b) => a - b)[2] as number;
}

it('registers on one portal though the other refuses, and says which one did', async () => {
  loud.portal.misbehave.missingMethods.add('bizproc.robot.list');
  quiet.portal.world.robots.delete(CREATE);
  const [refusing, well] = [loud, quiet].map(({ portal }) => new URL(portal.url).host);
  const { code, out, err } = await runCommand('register', ['--apply'], loud.env);
  expect(code).toBe(1);
  expect(out).toMatch(new RegExp(`^${well}\\n(?:[=~+] .*\\n)*\\+ ${CREATE}$`, 'm'));
  expect(err).toMatch(new RegExp(`^ {2}! ${refusing}: The plan of the portal has no automation rules`, 'm'));
  expect(quiet.portal.world.robots.has(CREATE)).toBe(true);
  loud.portal.misbehave.missingMethods.clear();
});

it('answers a quiet portal in its usual time while the other one storms or hangs', {
  timeout: 120_000,
}, async () => {
  await latency();
  const usual = await latency();

  loud.portal.placeRobot('C1:STORM', CREATE, { subject: 'Шторм' });
  const { company, user } = addDeal(loud);
  const deals = Array.from({ length: STORM }, (_, n) =>
    loud.portal.addItem(2, {
      title: `Шторм ${n}`,
      companyId: company,
      assignedById: user,
      opportunity: 1,
      currencyId: 'RUB',
    }),
  );
  await Promise.all(deals.map((deal) => loud.portal.moveItem(2, deal, 'C1:STORM')));
  await loud.portal.settled();
  const taken = loud.portal.deliveries.filter(({ status }) => status === 200).length;
  expect(taken).toBeGreaterThan(STORM / 2);
  const stormed = await latency();
  const answered = [...loud.portal.world.workflows.values()].filter(
    ({ status }) => status === 'completed',
  ).length;
  // The control: the storm was still on.
  expect(answered).toBeLessThan(taken);
  expect(stormed).toBeLessThan(2 * usual + NOISE_MS);

  for (let n = 0; n < 20; n++) loud.portal.misbehave.next({ hang: true });
  const hung = await latency();
  expect(hung).toBeLessThan(2 * usual + NOISE_MS);
  process.stdout.write(`usual ${usual}, storm ${stormed} (${answered} answered), hang ${hung}\n`);
});

it('keeps tokens, runs and documents apart', async () => {
  expect(loud.portal.memberId).not.toBe(quiet.portal.memberId);
  const numbers = new Set(quiet.portal.journal.map(({ params }) => JSON.stringify(params).includes('Шторм')));
  expect(numbers.has(true)).toBe(false);
  const keys = loud.directum.all('IContracts').map(({ ExternalId }) => String(ExternalId).split(':')[1]);
  expect(new Set(keys)).toEqual(new Set([loud.portal.memberId, quiet.portal.memberId]));
  // The same number of a deal on both portals is two deals.
  const [mine, theirs] = [addDeal(quiet).deal, addDeal(loud).deal];
  expect(mine).not.toBe(theirs);
});
