import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../sandbox/package-settings.ts';
import { runCommand } from './command.ts';
import { type Process, startProcess } from './process.ts';
import { addDeal, lostCalls, runStep, type Stand, startStand } from './stand.ts';
import { type Database, openDatabase } from './stand-database.ts';

/** Ended runs are deleted KEEP_RUNS_DAYS after their end, and nothing else (interface.md §1). */
const CREATE = 'directum_create_contract';
const WAIT = 'directum_wait_signature';
let stand: Stand;
let database: Database;
beforeAll(async () => {
  stand = await startStand({ settings: { KEEP_RUNS_DAYS: '30', DIRECTUM_POLL_SECONDS: '1' } });
  database = await openDatabase(stand);
});
afterAll(async () => {
  await database?.close();
  await stand.stop();
});

const send = (url: string, form: Record<string, string>) =>
  fetch(`${url}/bitrix24/robots/${CREATE}`, { method: 'POST', body: new URLSearchParams(form) }).then(
    ({ status }) => status,
  );
const runOf = async (itemCode: string) =>
  (await database.query('SELECT id FROM run WHERE item_code = $1 ORDER BY received_at', [itemCode])).rows.map(
    ({ id }) => id as string,
  );
const contractsOf = (deal: number) =>
  stand.directum.all('IContracts').filter((row) => String(row['ExternalId']).includes(`:DEAL_${deal}:`))
    .length;

it('old runs vanish; one that is open or waits, and one with an answer still due, stay; a replayed call does nothing', async () => {
  const [call] = await lostCalls(stand, 1, CREATE, { subject: 'Старый' });
  if (!call) throw new Error('a call was made');
  expect(await send(stand.url, call.form)).toBe(200);
  await stand.portal.waitForStep(call.workflow, CREATE, 15_000);
  const answered = addDeal(stand).deal;
  await runStep(stand, answered, CREATE, { subject: 'Ответ ещё не ушёл' });
  const failed = addDeal(stand).deal;
  await runStep(stand, failed, CREATE, { subject: '' });
  await expect.poll(() => stand.portal.timeline(2, failed).length).toBe(1);
  const waits = addDeal(stand).deal;
  const contract = await runStep(stand, waits, CREATE, { subject: 'Ждёт' });
  stand.portal.placeRobot('C1:KEEP', WAIT, {});
  const waiting = await stand.portal.moveItem(2, waits, 'C1:KEEP');
  const state = async () =>
    (await database.query('SELECT state FROM run WHERE robot = $1', [WAIT])).rows[0]?.state;
  await expect.poll(state).toBe('waiting');
  const open = addDeal(stand).deal;
  await runStep(stand, open, CREATE, { subject: 'Ещё не закончен' });
  const young = addDeal(stand).deal;
  await runStep(stand, young, CREATE, { subject: 'Молодой' });

  const [old = ''] = await runOf(`DEAL_${call.deal}`);
  await stand.pause();
  // Thirty-one days later: everything was told but one answer, and one run has still to be tried again.
  await database.query(`
    UPDATE run SET received_at = received_at - interval '31 days', ended_at = ended_at - interval '31 days' WHERE item_code <> 'DEAL_${young}';
    UPDATE run SET state = 'accepted', ended_at = NULL, ending = NULL, next_at = now() + interval '1 hour' WHERE item_code = 'DEAL_${open}';
    UPDATE outbox SET state = 'sent' WHERE kind = 'answer';
    UPDATE outbox SET due_at = now() + interval '1 hour', state = 'due' WHERE run_id IN (SELECT id FROM run WHERE item_code = 'DEAL_${answered}');
    UPDATE outbox SET state = 'sent' WHERE failure_id IS NOT NULL`);
  const told = await database.query('SELECT count(*) FROM outbox WHERE document_id IS NOT NULL');
  await stand.restart();

  const robotRuns = async () =>
    (await database.query('SELECT item_code, robot FROM run ORDER BY item_code, robot')).rows.map(
      (row) => `${row.item_code} ${row.robot}`,
    );
  await expect
    .poll(robotRuns)
    .toEqual(
      [
        `DEAL_${answered} ${CREATE}`,
        `DEAL_${open} ${CREATE}`,
        `DEAL_${waits} ${WAIT}`,
        `DEAL_${young} ${CREATE}`,
      ].toSorted(),
    );
  expect(stand.lines.join('')).toContain('runs.deleted');
  for (const table of ['run_attempt', 'outbox', 'failure'])
    expect(
      (await database.query(`SELECT FROM ${table} WHERE run_id NOT IN (SELECT id FROM run)`)).rowCount,
    ).toBe(0);
  expect((await database.query('SELECT count(*) FROM outbox WHERE document_id IS NOT NULL')).rows).toEqual(
    told.rows,
  );

  expect(await send(stand.url, call.form)).toBe(200);
  expect(await runOf(`DEAL_${call.deal}`)).toEqual([]);
  expect(contractsOf(call.deal)).toBe(1);
  // Its contract is known all the same.
  const again = await runStep(stand, call.deal, CREATE, { subject: 'Ещё раз' });
  expect(again).toMatchObject({ ok: 'Y', created: 'N' });
  expect(contractsOf(call.deal)).toBe(1);

  for (const [LANG, words] of [
    ['en_US.UTF-8', `run ${old} was deleted for its age: ended runs are kept for KEEP_RUNS_DAYS days`],
    ['ru_RU.UTF-8', `запуск ${old} удалён за давностью: законченные запуски хранятся KEEP_RUNS_DAYS дней`],
  ] as const)
    for (const order of ['show', 'retry', 'cancel']) {
      const { code, out, err } = await runCommand('runs', [order, old], { ...stand.env, LANG });
      expect({ code, out, err }).toEqual({ code: 1, out: '', err: expect.stringContaining(words) });
    }
  stand.directum.sign(Number(contract['document_id']));
  expect((await stand.portal.waitForStep(waiting, WAIT, 15_000)).outputs).toMatchObject({ result: 'signed' });
}, 90_000);

it('a process killed in a step, then two at once: each run is there whole or deleted whole, and its call known', async () => {
  const MANY = 3_000;
  const [call] = await lostCalls(stand, 1, CREATE, { subject: 'Дважды' });
  if (!call) throw new Error('a call was made');
  expect(await send(stand.url, call.form)).toBe(200);
  await stand.portal.waitForStep(call.workflow, CREATE, 15_000);
  await stand.pause();
  await database.query('DELETE FROM past_run');
  await database.query(`
    UPDATE outbox SET state = 'sent' WHERE kind = 'answer';
    UPDATE run SET ended_at = now() - interval '40 days' WHERE item_code = 'DEAL_${call.deal}';
    INSERT INTO run (id, member_id, portal, robot, item_code, call, wants_answer, state, received_at, deadline_at, next_at, ending, ended_at)
      SELECT 'old' || n, 'm', 'p', '${CREATE}', 'DEAL_9' || n, 'x', true, 'ended', now(), now(), now(), 'done', now() - interval '31 days' - interval '1 minute' * n
      FROM generate_series(1, ${MANY}) AS n;
    INSERT INTO run_attempt SELECT 'old' || n, 1, now(), now(), 'done' FROM generate_series(1, ${MANY}) AS n`);
  const counted = async () => {
    const { rows } = await database.query(`
      SELECT (SELECT count(*) FROM run_attempt WHERE run_id LIKE 'old%')::int AS there,
        (SELECT count(*) FROM past_run WHERE id LIKE 'old%')::int AS past`);
    expect(rows[0].there + rows[0].past).toBe(MANY);
    return rows[0].past as number;
  };

  // Somebody is in the way of a step in its middle, when its runs are deleted already and their attempts are not.
  const blocker = await openDatabase(stand);
  await blocker.query('BEGIN');
  await blocker.query(`SELECT FROM run_attempt WHERE run_id = 'old${MANY - 300}' FOR UPDATE`);
  const blocked = async () =>
    (
      await database.query(
        `SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'
           AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%past runs%')`,
      )
    ).rows[0].n > 0;
  const settings = { ...stand.env, LOG_LEVEL: 'warn' };
  const start = async () => startProcess({ ...settings, PORT: String(await freePort()) });
  const killed = await start();
  let both: Process[] = [];
  try {
    await expect.poll(blocked, { timeout: 20_000, interval: 5 }).toBe(true);
    await killed.kill();
    // The step before took the run of the call, too.
    expect(await counted()).toBe(199);
    await blocker.query('ROLLBACK');
    both = await Promise.all([start(), start()]);
    await expect.poll(counted, { timeout: 40_000, interval: 20 }).toBe(MANY);
    const isPast = async () => (await runOf(`DEAL_${call.deal}`)).length === 0;
    await expect.poll(isPast).toBe(true);
    for (const { url } of both) expect(await send(url, call.form)).toBe(200);
    expect(await runOf(`DEAL_${call.deal}`)).toEqual([]);
    expect(contractsOf(call.deal)).toBe(1);
  } finally {
    await blocker.close();
    await Promise.all([killed, ...both].map((each) => each.kill()));
  }
}, 120_000);
