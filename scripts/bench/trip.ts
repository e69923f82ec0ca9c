import { freePort } from '../../test/sandbox/package-settings.ts';
import { median } from './process.ts';
import { CREATE, type Stands } from './stands.ts';

const STAGE = 'C1:TRIP';
const WARM = 30;
const RUNS = 80;

/** Milliseconds from sending the call to its answer's arrival at the portal. */
async function tripOf({ portal }: Stands, url: string, form: Record<string, string>): Promise<number> {
  const from = portal.journal.length;
  const began = performance.timeOrigin + performance.now();
  const answer = await fetch(`${url}/bitrix24/robots/${CREATE}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  });
  if (answer.status !== 200) throw new Error(`a call was answered with ${answer.status}`);
  for (let waited = 0; waited < 20_000; waited += 1) {
    const sent = portal.journal.slice(from).find((entry) => entry.method === 'bizproc.event.send');
    if (sent) {
      const values = JSON.stringify(sent.params);
      if (!values.includes('"ok":"Y"')) throw new Error(`a run failed: ${values}`);
      return sent.at.getTime() - began;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  throw new Error('a call was not answered');
}

/** One contract after another, ours and the naive script's in turn, and what ours costs of both platforms. */
export async function measureTrips(stands: Stands) {
  const { portal, directum, url, secrets } = stands;
  portal.placeRobot(STAGE, CREATE, { subject: 'Замер' });
  const call = () => stands.callOf(STAGE, stands.addDeal());
  await tripOf(stands, url, await call());
  const made = directum.journal.findLast((entry) => entry.verb === 'POST' && entry.path === 'IContracts');
  const port = await freePort();
  const naiveUrl = `http://127.0.0.1:${port}`;
  await stands.start(
    'scripts/bench/naive-contract.ts',
    {
      PORT: String(port),
      PORTAL_URL: portal.url,
      DIRECTUM_URL: directum.url,
      DIRECTUM_LOGIN: secrets.login,
      DIRECTUM_PASSWORD: secrets.password,
      CONTRACT: JSON.stringify(made?.body),
    },
    naiveUrl,
  );
  const ours: number[] = [];
  const naive: number[] = [];
  let [rest, odata] = [0, 0];
  for (let run = 0; run < WARM + RUNS; run++) {
    const form = await call();
    const [hits, requests] = [portal.journal.length, directum.journal.length];
    const own = await tripOf(stands, url, form);
    const [restHits, odataRequests] = [portal.journal.slice(hits), directum.journal.slice(requests)];
    const bare = await tripOf(stands, naiveUrl, await call());
    if (run < WARM) continue;
    ours.push(own);
    naive.push(bare);
    rest += restHits.filter((entry) => !entry.viaBatch && isOfTheRun(entry)).length;
    odata += odataRequests.filter((entry) => isOfTheRobot(entry.path, entry.query)).length;
  }
  return { ours: median(ours), naive: median(naive), rest: rest / RUNS, odata: odata / RUNS };
}

/** Answers are counted on their own; what deals show is written beside the runs, for many deals at once. */
function isOfTheRun({ method, params }: { method: string; params: unknown }): boolean {
  return (
    method !== 'bizproc.event.send' &&
    !/bizproc\.event\.send|crm\.item\.update|crm\.activity\./.test(JSON.stringify(params))
  );
}

function isOfTheRobot(path: string, query: string): boolean {
  return !path.startsWith('Docflow/GetCurrentCultureName') && !query.includes('Modified');
}
