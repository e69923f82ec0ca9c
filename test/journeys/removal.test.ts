import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../sandbox/package-settings.ts';
import { type Process, startProcess } from './process.ts';
import { lostCalls, type Stand, startStand } from './stand.ts';
import { type Database, openDatabase } from './stand-database.ts';

const CREATE = 'directum_create_contract';
const WAIT = 'directum_wait_signature';
const OPS_TOKEN = 'canary-ops-token-of-the-removal-test';

let stand: Stand;
let database: Database;
let one: Process;
let two: Process;
beforeAll(async () => {
  stand = await startStand({ settings: { OPS_TOKEN, LOG_LEVEL: 'info' } });
  database = await openDatabase(stand);
  await stand.pause();
  [one, two] = await Promise.all([
    startProcess(stand.env),
    startProcess({ ...stand.env, PORT: String(await freePort()) }),
  ]);
}, 60_000);
afterAll(async () => {
  await Promise.all([one, two].map((each) => each?.kill()));
  await database?.close();
  await stand.stop();
});

const send = (code: string, form: Record<string, string>) =>
  fetch(`${two.url}/bitrix24/robots/${code}`, { method: 'POST', body: new URLSearchParams(form) });

async function gauges({ url }: Process): Promise<Record<string, number>> {
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } });
  const text = await response.text();
  const names = ['queue_age_seconds', 'oldest_unanswered_seconds', 'answers_pending', 'waits'];
  return Object.fromEntries(
    names.map((name) => [name, Number(new RegExp(`^directum_robots_${name} (.*)$`, 'm').exec(text)?.[1])]),
  );
}

it('nothing stays open of a portal that removed the application, whichever process took it', async () => {
  const document = stand.directum.add('IContracts', { Name: 'Договор' });
  const [waiting] = await lostCalls(stand, 1, WAIT, { document_id: String(document) });
  const before = await lostCalls(stand, 3, CREATE, { subject: 'До удаления' });
  const after = await lostCalls(stand, 10, CREATE, { subject: 'После удаления' });
  await send(WAIT, waiting?.form ?? {});
  const states = async () =>
    (
      await database.query(
        `SELECT coalesce(ending, state) AS state, count(*)::int AS count FROM run GROUP BY 1`,
      )
    ).rows;
  await expect.poll(states).toEqual([{ state: 'waiting', count: 1 }]);
  stand.directum.misbehave.down = true;
  await Promise.all(before.map(({ form }) => send(CREATE, form)));

  const removed = () => one.lines.some((line) => line.includes('portal.uninstalled'));
  await stand.portal.uninstall();
  await expect.poll(removed, { interval: 5 }).toBe(true);
  // The other process has the installation in memory for some seconds more.
  let taken = 0;
  for (const { form } of after) {
    if ((await send(CREATE, form)).status === 200) taken += 1;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(taken).toBeGreaterThan(0);
  await expect.poll(states, { timeout: 15_000 }).toEqual([{ state: 'cancelled', count: 4 + taken }]);
  const nothing = { queue_age_seconds: 0, oldest_unanswered_seconds: 0, answers_pending: 0, waits: 0 };
  for (const each of [one, two]) expect(await gauges(each)).toEqual(nothing);
  expect((await database.query('SELECT 1 FROM wait')).rowCount).toBe(0);
  const journal = `SELECT type, actor, count(*)::int, count(DISTINCT data->>'run')::int AS runs FROM journal
    WHERE type IN ('portal.removed', 'run.cancelled') GROUP BY 1, 2 ORDER BY 1`;
  expect((await database.query(journal)).rows).toEqual([
    { type: 'portal.removed', actor: 'service', count: 1, runs: 0 },
    { type: 'run.cancelled', actor: 'service', count: 4 + taken, runs: 4 + taken },
  ]);
}, 60_000);

it('an answer that comes to be afterwards is not kept for a portal that is gone', async () => {
  const { rows } = await database.query(`SELECT id, member_id FROM run LIMIT 1`);
  await database.query(
    `INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, run_id, item_code, payload, created_at, due_at)
     VALUES ($2, 'p', 'answer', 'first', 'x', $1, 'DEAL_1', 'x', now(), now())`,
    [rows[0].id, rows[0].member_id],
  );
  const due = async () => (await database.query(`SELECT 1 FROM outbox WHERE state = 'due'`)).rowCount;
  await expect.poll(due).toBe(0);
});
