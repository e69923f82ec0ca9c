import { burst } from './burst.ts';
import { median } from './process.ts';
import { CREATE, startStands } from './stands.ts';

const SECONDS = 10;
const PER_SECOND = 200;
const SAMPLES = 3;
/** As most portals have it, and the default of BITRIX24_RATE: what runs may ask for meanwhile. */
const RATE = { perSecond: 2, bucket: 50 };

/** How fast single calls of a busy hour are taken: the 99th percentile of their answers, and how many were not taken. */
export async function measureAcceptance(): Promise<{ rate: number; p99Ms: number; failed: number }> {
  const stands = await startStands({}, RATE);
  try {
    await stands.startService();
    await stands.install();
    stands.portal.placeRobot('C1:STEADY', CREATE, { subject: 'Замер' });
    const samples = [];
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const calls = [];
      while (calls.length < SECONDS * PER_SECOND) {
        const call = await stands.callOf('C1:STEADY', stands.addDeal());
        calls.push({ ...call, use_subscription: 'N' });
      }
      samples.push(await burst(stands.url, calls, PER_SECOND));
    }
    return {
      rate: PER_SECOND,
      p99Ms: median(samples.map(({ p99Ms }) => p99Ms)),
      failed: samples.reduce((sum, { failed }) => sum + failed, 0),
    };
  } finally {
    await stands.stop();
  }
}
