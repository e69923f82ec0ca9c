import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePort } from '../sandbox/package-settings.ts';
import { type Process, startProcess } from './process.ts';
import { lostCalls, type Stand, startStand } from './stand.ts';
import { type Database, openDatabase } from './stand-database.ts';

const CREATE = 'directum_create_contract';
const WAIT = 'directum_wait_signature';

let stand: Stand;
let database: Database;
let one: Process;
let two: Process;

beforeAll(async () => {
  stand = await startStand({ settings: { LOG_LEVEL: 'warn', DIRECTUM_POLL_SECONDS: '3600' } });
  database = await openDatabase(stand);
  await stand.pause();
  one = await startProcess({ ...stand.env, PORT: String(await freePort()) });
}, 60_000);
afterAll(async () => {
  for (const each of [one, two]) {
    each?.thaw();
    await each?.kill();
  }
  await database?.close();
  await stand.stop();
});
afterEach(() => stand.directum.misbehave.reset());

const send = (to: Process, code: string, form: Record<string, string>) =>
  fetch(`${to.url}/bitrix24/robots/${code}`, { method: 'POST', body: new URLSearchParams(form) });

it('a process that stands still while it is alone keeps no place from one that is started beside it', async () => {
  // It has them all.
  const held = async () =>
    (
      await database.query(
        `SELECT count(*)::int AS count FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database() AND locktype = 'advisory' AND mode = 'ExclusiveLock'`,
      )
    ).rows[0].count;
  await expect.poll(held).toBe(20);
  one.freeze();
  two = await startProcess(stand.env);
  const calls = await lostCalls(stand, 6, CREATE, { subject: 'Рядом' });
  await Promise.all(calls.map(({ form }) => send(two, CREATE, form)));
  for (const { workflow } of calls)
    expect((await stand.portal.waitForStep(workflow, CREATE, 30_000)).outputs).toMatchObject({ ok: 'Y' });
  one.thaw();
  const [after] = await lostCalls(stand, 1, CREATE, { subject: 'Снова' });
  await send(one, CREATE, after?.form ?? {});
  expect((await stand.portal.waitForStep(after?.workflow ?? '', CREATE, 30_000)).outputs).toMatchObject({
    ok: 'Y',
  });
  await expect.poll(held).toBe(20);
}, 90_000);

/** The call of a deal's next step, which the portal lost on its way. */
async function callOf(deal: number, code: string) {
  stand.portal.misbehave.dropCalls = true;
  stand.portal.placeRobot(`C1:W${deal}`, code, {});
  const workflow = await stand.portal.moveItem(2, deal, `C1:W${deal}`);
  stand.portal.misbehave.dropCalls = false;
  return { workflow, form: { ...stand.portal.buildRobotCall(workflow, code).form } };
}

async function contract(): Promise<{ deal: number; made: number }> {
  const [call] = await lostCalls(stand, 1, CREATE, { subject: 'Замер' });
  if (!call) throw new Error('a call was made');
  await send(one, CREATE, call.form);
  const { outputs } = await stand.portal.waitForStep(call.workflow, CREATE, 30_000);
  return { deal: call.deal, made: Number(outputs?.['document_id']) };
}

/** How an attempt comes to its write once Directum has answered its question. */
const MOMENTS = [
  { before: 'the end', signed: true, fault: {} },
  { before: 'the putting off', signed: true, fault: { status: 503 } },
  { before: 'the saving of a wait', signed: false, fault: {} },
];

it.each(MOMENTS)(
  'a process that stands still before $before changes nothing of a run that another has taken over',
  async ({ signed, fault }) => {
    const { deal, made } = await contract();
    if (signed) stand.directum.sign(made);
    const call = await callOf(deal, WAIT);
    const row = async () =>
      (
        await database.query(
          `SELECT id, state, holder, takes, attempts FROM run WHERE item_code = $1 AND robot = $2`,
          [`DEAL_${deal}`, WAIT],
        )
      ).rows[0];
    const question = `IOfficialDocuments(${made})`;
    const asked = () =>
      stand.directum.journal.filter(
        ({ verb, path, status }) => verb === 'GET' && path === question && status === 0,
      ).length;

    two.freeze();
    stand.directum.misbehave.next({ verb: 'GET', path: question, delayMs: 1_000, ...fault });
    await send(one, WAIT, call.form);
    await expect.poll(asked, { timeout: 15_000, interval: 5 }).toBe(1);
    one.freeze();
    const first = await row();
    stand.directum.misbehave.next({ verb: 'GET', path: question, delayMs: 6_000 });
    two.thaw();
    await expect
      .poll(async () => (await row()).takes, { timeout: 20_000, interval: 20 })
      .toBeGreaterThan(first.takes);
    await expect.poll(asked, { timeout: 15_000, interval: 20 }).toBe(1);
    const second = await row();
    expect(second).toMatchObject({ state: 'running', attempts: 0 });
    expect(second.holder).not.toBe(first.holder);

    one.thaw();
    const dropped = () =>
      one.lines.some((line) => /attempt\.(dropped|lost)/.test(line) && line.includes(first.id));
    await expect.poll(dropped, { timeout: 5_000, interval: 5 }).toBe(true);
    expect(await row()).toEqual(second);

    if (!signed) {
      await expect.poll(async () => (await row()).state, { timeout: 15_000 }).toBe('waiting');
      expect(await row()).toMatchObject({ holder: second.holder, attempts: 1 });
      stand.directum.sign(made);
      await database.query(`UPDATE run SET state = 'accepted', next_at = now() WHERE id = $1`, [first.id]);
    }
    expect((await stand.portal.waitForStep(call.workflow, WAIT, 30_000)).outputs).toMatchObject({ ok: 'Y' });
    const answers = await database.query(
      `SELECT count(*)::int AS count FROM outbox WHERE run_id = $1 AND lane = 'first'`,
      [first.id],
    );
    expect(answers.rows[0].count).toBe(1);
    expect((await row()).attempts).toBe(signed ? 1 : 2);
  },
  90_000,
);
