import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addDeal, type Stand, startStand } from './stand.ts';

let stand: Stand;
let child: ChildProcess | null = null;
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const CODE = 'directum_create_contract';

beforeAll(async () => {
  stand = await startStand({ settings: { LOG_LEVEL: 'error' } });
  await stand.pause();
  await start();
});
afterAll(async () => {
  child?.kill('SIGKILL');
  await stand.stop();
});

async function start(): Promise<void> {
  child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'], ...stand.env },
    stdio: 'ignore',
  });
  for (let tries = 0; tries < 200; tries++) {
    if ((await fetch(`${stand.url}/readyz`).catch(() => null))?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the process did not get ready');
}

async function kill(): Promise<void> {
  const dead = new Promise((resolve) => child?.once('exit', resolve));
  child?.kill('SIGKILL');
  await dead;
}

it.each([
  ['before the contract is made', { verb: 'POST', path: /IContracts$/, hang: true, times: 1 }],
  [
    'after it was made, before its answer',
    { verb: 'POST', path: /IContracts$/, cutAfterEffect: true, delayMs: 2000, times: 1 },
  ],
  ['while the counterparty is looked for', { verb: 'GET', path: /ICompanies/, hang: true, times: 1 }],
])(
  'makes one contract when the process is killed %s',
  async (_name, rule) => {
    const { deal } = addDeal(stand);
    const before = stand.directum.journal.length;
    const stage = `C1:K${deal}`;
    stand.portal.placeRobot(stage, CODE, { subject: 'Убитый' });
    stand.directum.misbehave.next(rule);
    const workflow = await stand.portal.moveItem(2, deal, stage);
    const seen = () =>
      stand.directum.journal
        .slice(before)
        .some((entry) => entry.verb === rule.verb && rule.path.test(entry.path) && entry.status === 0);
    await expect.poll(seen, { timeout: 10_000 }).toBe(true);
    await kill();
    stand.directum.misbehave.reset();
    await start();
    const step = await stand.portal.waitForStep(workflow, CODE, 40_000);
    expect(step.outputs).toMatchObject({ ok: 'Y', created: 'Y' });
    const made = stand.directum
      .all('IContracts')
      .filter((contract) => String(contract['ExternalId']).includes(`:DEAL_${deal}:`));
    expect(made).toHaveLength(1);
  },
  70_000,
);
