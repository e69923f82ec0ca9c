import type { ChildProcess } from 'node:child_process';
import type { startDirectum } from '../../test/sandbox/directum/directum.ts';
import { freePort } from '../../test/sandbox/package-settings.ts';
import type { startPortal } from '../../test/sandbox/portal/portal.ts';
import { median, startProcess } from './process.ts';

const WARM = 30;
const RUNS = 80;

export interface Stands {
  portal: Awaited<ReturnType<typeof startPortal>>;
  directum: Awaited<ReturnType<typeof startDirectum>>;
  secrets: { login: string; password: string };
}

/** A deal of a known company, entering the stage without its call being delivered. */
async function callOf(stands: Stands, stage: string, code: string, fields: Record<string, unknown>) {
  const { portal } = stands;
  portal.misbehave.dropCalls = true;
  const deal = portal.addItem(2, { title: 'Замер', opportunity: 10, currencyId: 'RUB', ...fields });
  const workflow = await portal.moveItem(2, deal, stage);
  portal.misbehave.dropCalls = false;
  return portal.buildRobotCall(workflow, code).form;
}

/** Milliseconds from sending the call to its answer's arrival at the portal. */
async function tripOf(
  { portal }: Stands,
  url: string,
  code: string,
  form: Record<string, string>,
): Promise<number> {
  const from = portal.journal.length;
  const began = performance.timeOrigin + performance.now();
  const answer = await fetch(`${url}/bitrix24/robots/${code}`, {
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
export async function measureTrips(
  stands: Stands,
  url: string,
  code: string,
  stage: string,
  fields: Record<string, unknown>,
  children: ChildProcess[],
) {
  const { portal, directum } = stands;
  await tripOf(stands, url, code, await callOf(stands, stage, code, fields));
  const made = directum.journal.findLast((entry) => entry.verb === 'POST' && entry.path === 'IContracts');
  const port = await freePort();
  const naiveUrl = `http://127.0.0.1:${port}`;
  const env = {
    PORT: String(port),
    PORTAL_URL: portal.url,
    DIRECTUM_URL: directum.url,
    DIRECTUM_LOGIN: stands.secrets.login,
    DIRECTUM_PASSWORD: stands.secrets.password,
    CONTRACT: JSON.stringify(made?.body),
  };
  children.push((await startProcess('scripts/bench/naive-contract.ts', env, naiveUrl)).child);
  const ours: number[] = [];
  const naive: number[] = [];
  let [rest, odata] = [0, 0];
  for (let run = 0; run < WARM + RUNS; run++) {
    const form = await callOf(stands, stage, code, fields);
    const [hits, requests] = [portal.journal.length, directum.journal.length];
    const own = await tripOf(stands, url, code, form);
    const [restHits, odataRequests] = [portal.journal.slice(hits), directum.journal.slice(requests)];
    const bare = await tripOf(stands, naiveUrl, code, await callOf(stands, stage, code, fields));
    if (run < WARM) continue;
    ours.push(own);
    naive.push(bare);
    rest += restHits.filter((entry) => !entry.viaBatch && entry.method !== 'bizproc.event.send').length;
    odata += odataRequests.filter((entry) => !entry.path.startsWith('Docflow/GetCurrentCultureName')).length;
  }
  return { ours: median(ours), naive: median(naive), rest: rest / RUNS, odata: odata / RUNS };
}
