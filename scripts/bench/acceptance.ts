import { startEmbedded } from '../../src/store/embedded.ts';
import { inDatabase } from '../../test/sandbox/in-database.ts';
import { burst } from './burst.ts';
import { SWITCH } from './forgetful-spooling.ts';
import type { BurstResult, Load } from './load.ts';
import { median } from './process.ts';
import { CREATE, startStands } from './stands.ts';

/**
 * Five times each place in the order of the five. What the machine gives changes within seconds, so bursts are short, and
 * the ratios of single rounds are anything from a half to more than one.
 */
const ROUNDS = 25;
const BURST_SECONDS = 3;
const WARM_CALLS = 10_000;
/** A service that stood still for seconds first does what became due meanwhile. */
const CATCH_UP_MS = 1_000;
const STEADY = { seconds: 10, rate: 500 };
const STEADY_SAMPLES = 5;
const SUSTAINED_SECONDS = 60;
const SUSTAINED_BASE_SECONDS = 5;
/** As most portals have it, and the default of BITRIX24_RATE: what runs may ask for meanwhile. */
const RATE = { perSecond: 2, bucket: 50 };

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export interface Acceptance {
  /**
   * Medians of the rounds: calls a second of the service in a burst, against each baseline's in the same round.
   * `forgetful` is the same process with the keeping left out.
   */
  burst: { forgetful: number; unkept: number; bare: number; least: number; leastOfUnkept: number };
  sustained: { forgetful: number; unkept: number; bare: number };
  /** Medians of the samples. */
  steadyP99Ms: { own: number; bare: number };
  failed: number;
}

/**
 * How fast calls are taken. What the machine gives changes from second to second, so the service and its baselines are
 * measured in turn; it stands still while another process is. After each burst its calls are taken away.
 */
export async function measureAcceptance(): Promise<Acceptance> {
  const stands = await startStands({}, RATE);
  const { child } = await stands.startService('scripts/bench/forgetful-service.ts');
  await stands.install();
  const postgres = await startEmbedded({ dataDir: stands.dataDir, log: quiet });
  try {
    stands.portal.placeRobot('C1:BURST', CREATE, { subject: 'Замер' });
    const call = await stands.callOf('C1:BURST', stands.addDeal());
    const form: Record<string, string> = { ...call, use_subscription: 'N' };
    const settings = { APPLICATION_TOKEN: form['auth[application_token]'] ?? '', DATABASE_URL: postgres.url };
    const urls = {
      bare: await stands.startBaseline('bare-express', settings),
      unkept: await stands.startBaseline('without-storage', settings),
      least: await stands.startBaseline('least-durable', settings),
      forgetful: stands.url,
      own: stands.url,
    };
    type Party = keyof typeof urls;
    const parties = Object.keys(urls) as Party[];
    let keeps = true;
    let failed = 0;
    async function measure(of: Party, limit: Load['limit']): Promise<BurstResult> {
      const isService = urls[of] === stands.url;
      if (isService && keeps !== (of === 'own')) {
        child.kill(SWITCH);
        keeps = !keeps;
      }
      if (isService) await pause(CATCH_UP_MS);
      else child.kill('SIGSTOP');
      const result = await burst(urls[of], form, limit);
      child.kill('SIGCONT');
      failed += result.failed;
      if (isService && (await isKept()) !== keeps) throw new Error(`kept or not is not as told: ${of}`);
      return result;
    }
    const isKept = async () =>
      inDatabase(stands.dataDir, async (client) => {
        const { rows } = await client.query(
          'SELECT EXISTS (SELECT FROM crowd) OR EXISTS (SELECT FROM run) AS kept',
        );
        return rows[0].kept;
      });
    const rate = async (of: Party, seconds: number) => (await measure(of, { seconds })).perSecond;
    const baseRates = async () => ({
      bare: await rate('bare', SUSTAINED_BASE_SECONDS),
      unkept: await rate('unkept', SUSTAINED_BASE_SECONDS),
      forgetful: await rate('forgetful', SUSTAINED_BASE_SECONDS),
    });
    async function takeAway(): Promise<void> {
      for (let times = 0; times < 3; times++) {
        await pause(300);
        await inDatabase(stands.dataDir, (client) =>
          client.query('TRUNCATE crowd, run, bench_calls CASCADE'),
        );
      }
      await pause(500);
    }

    for (const party of parties) await measure(party, { calls: WARM_CALLS });
    await takeAway();
    const rounds: Record<Party, number>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const rates = { bare: 0, unkept: 0, least: 0, forgetful: 0, own: 0 };
      const first = round % parties.length;
      for (const party of [...parties.slice(first), ...parties.slice(0, first)]) {
        rates[party] = await rate(party, BURST_SECONDS);
        await takeAway();
      }
      rounds.push(rates);
    }
    const ratio = (of: (round: (typeof rounds)[0]) => number) => median(rounds.map(of));

    const steady = { bare: [] as number[], own: [] as number[] };
    for (let sample = 0; sample < STEADY_SAMPLES; sample++) {
      for (const party of ['bare', 'own'] as const) steady[party].push((await measure(party, STEADY)).p99Ms);
      await takeAway();
    }

    const before = await baseRates();
    const sustained = await rate('own', SUSTAINED_SECONDS);
    await takeAway();
    const after = await baseRates();
    const lasting = (of: keyof typeof before) => (2 * sustained) / (before[of] + after[of]);
    return {
      burst: {
        forgetful: ratio(({ own, forgetful }) => own / forgetful),
        unkept: ratio(({ own, unkept }) => own / unkept),
        bare: ratio(({ own, bare }) => own / bare),
        least: ratio(({ own, least }) => own / least),
        leastOfUnkept: ratio(({ least, unkept }) => least / unkept),
      },
      sustained: { forgetful: lasting('forgetful'), unkept: lasting('unkept'), bare: lasting('bare') },
      steadyP99Ms: { own: median(steady.own), bare: median(steady.bare) },
      failed,
    };
  } finally {
    await postgres.stop();
    await stands.stop();
  }
}
