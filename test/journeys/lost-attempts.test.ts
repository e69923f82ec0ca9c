import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { loadSecretKeys } from '../../src/store/secrets/secrets.ts';
import { runCommand } from './command.ts';
import { addDeal, inn, ROMASHKA, runStep, type Stand, startStand } from './stand.ts';
import { type Database, openDatabase } from './stand-database.ts';

const CREATE = 'directum_create_contract';
const SYNC = 'directum_sync_counterparty';
const WAIT = 'directum_wait_signature';
const keyOf = (id: string, fill: number) => `${id}:${Buffer.alloc(32, fill).toString('base64')}`;
const [OLD, NEW] = [keyOf('old', 1), keyOf('new', 2)];

let stand: Stand;
let database: Database;
beforeAll(async () => {
  stand = await startStand({ settings: { SECRET_KEYS: OLD } });
  database = await openDatabase(stand);
});
afterAll(async () => {
  await database?.close();
  await stand.stop();
});
afterEach(() => stand.directum.misbehave.reset());

let seed = 0;
/** A run that Directum does not answer, with the row it waits in. */
async function held(properties: Record<string, string> = {}) {
  stand.directum.misbehave.down = true;
  const { deal } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(++seed) } });
  const stage = `C1:L${deal}`;
  stand.portal.placeRobot(stage, CREATE, { subject: 'Поставка', ...properties });
  const workflow = await stand.portal.moveItem(2, deal, stage);
  const row = async () =>
    (await database.query(`SELECT * FROM run WHERE item_code = $1 AND robot <> $2`, [`DEAL_${deal}`, SYNC]))
      .rows[0];
  await expect.poll(async () => (await row())?.last_code).toBe('directum_unavailable');
  const id = (await row()).id as string;
  return { deal, workflow, id, row };
}

/** Another robot of the same deal is not held up. */
async function isFree(deal: number): Promise<void> {
  expect(await runStep(stand, deal, SYNC, {})).toMatchObject({ ok: 'Y' });
}

const failed = {
  ok: 'N',
  error_code: 'internal_error',
  error_text: expect.stringContaining('Внутренняя ошибка'),
};
const outputsOf = async (workflow: string, code = CREATE) =>
  (await stand.portal.waitForStep(workflow, code, 20_000)).outputs;

it('a call whose text is damaged is answered by what can be read of it, and the deal goes on', async () => {
  const { deal, workflow, id } = await held();
  const keys = await loadSecretKeys({ secretKeys: OLD, dataDir: stand.dataDir });
  const { rows } = await database.query('SELECT call FROM run WHERE id = $1', [id]);
  const text = keys.decrypt(rows[0].call);
  await database.query('UPDATE run SET call = $2 WHERE id = $1', [id, keys.encrypt(text.slice(0, -9))]);
  stand.directum.misbehave.down = false;
  expect(await outputsOf(workflow)).toMatchObject({ ...failed, run_id: id });
  await isFree(deal);
  const { out } = await runCommand('runs', ['show', id], stand.env);
  expect(out).toMatch(/state +ended: internal_error/);
  expect(stand.lines.join('')).toContain('the kept call is no JSON');
  expect(stand.lines.join('')).not.toContain('Поставка');
});

it('a run whose robot is no more ends', async () => {
  const { deal, workflow, id } = await held();
  await database.query(
    `UPDATE run SET robot = 'directum_gone', state = 'accepted', holder = NULL, next_at = now() - interval '2 minutes' WHERE id = $1`,
    [id],
  );
  stand.directum.misbehave.down = false;
  expect(await outputsOf(workflow)).toMatchObject({ ...failed, run_id: id });
  await isFree(deal);
});

it('a run that takes its process with it each time ends', async () => {
  const { deal, workflow, id } = await held();
  await database.query('UPDATE run SET abandoned = 10 WHERE id = $1', [id]);
  stand.directum.misbehave.down = false;
  expect(await outputsOf(workflow)).toMatchObject({ ...failed, run_id: id });
  await isFree(deal);
});

it('a check that is given up or cancelled tells nobody but its step', async () => {
  const failures = async (id: string) =>
    (await database.query('SELECT code FROM failure WHERE run_id = $1', [id])).rows;
  const work = await held();
  const [given, cancelled] = [await held({ check_only: 'Y' }), await held({ check_only: 'Y' })];
  for (const { id } of [work, given])
    await database.query('UPDATE run SET abandoned = 10 WHERE id = $1', [id]);
  await database.query('UPDATE run SET wants_answer = false WHERE id = $1', [cancelled.id]);
  // Directum was asked before the portal, so none of their calls is proven yet.
  for (const { id } of [work, given, cancelled])
    await database.query('UPDATE run SET proven = true WHERE id = $1', [id]);
  expect(await runCommand('runs', ['cancel', cancelled.id], stand.env)).toMatchObject({ code: 0 });
  stand.directum.misbehave.down = false;
  expect(await outputsOf(given.workflow)).toMatchObject({ ...failed, created: 'N' });
  expect(await outputsOf(work.workflow)).toMatchObject(failed);
  expect(await failures(work.id)).toEqual([{ code: 'internal_error' }]);
  expect(await failures(given.id)).toEqual([]);
  expect(await failures(cancelled.id)).toEqual([]);
});

/** The database refuses, as values that it cannot hold, what is written of a deal's run. */
async function refusing(deal: number, when: string): Promise<void> {
  await database.query(`
    CREATE OR REPLACE FUNCTION test_refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'unsupported Unicode escape sequence' USING ERRCODE = '22P05'; END $$;
    CREATE TRIGGER test_refuse_${deal} BEFORE UPDATE ON run FOR EACH ROW
      WHEN (NEW.item_code = 'DEAL_${deal}' AND ${when}) EXECUTE FUNCTION test_refuse()`);
}

it.each([
  ['the end', `NEW.state = 'ended' AND NEW.ending <> 'internal_error'`, {}],
  ['the putting off', `NEW.state = 'accepted' AND NEW.last_code = 'directum_unavailable'`, { down: true }],
])(
  'values that the database refuses at %s end the run with plain texts',
  async (_, when, { down = false }: { down?: boolean }) => {
    const { deal } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(++seed) } });
    await refusing(deal, when);
    stand.directum.misbehave.down = down;
    expect(await runStep(stand, deal, CREATE, { subject: 'Поставка' })).toMatchObject(failed);
    await database.query(`DROP TRIGGER test_refuse_${deal} ON run`);
    stand.directum.misbehave.down = false;
    await isFree(deal);
  },
);

it('values that the database refuses at the saving of a wait end the run with plain texts', async () => {
  const { deal } = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(++seed) } });
  await runStep(stand, deal, CREATE, { subject: 'Поставка' });
  await refusing(deal, `NEW.state = 'waiting'`);
  expect(await runStep(stand, deal, WAIT, {})).toMatchObject(failed);
  await isFree(deal);
});

it('a key that left: the service starts, names it, keeps calls, and ends what cannot be opened', async () => {
  const [open, cancelled] = [await held(), await held()];
  (stand.env as Record<string, string>)['SECRET_KEYS'] = NEW;
  stand.directum.misbehave.down = true;
  await stand.restart();
  stand.directum.misbehave.down = false;

  const ready = await (await fetch(`${stand.url}/readyz`)).json();
  expect(ready).toMatchObject({ ready: true, portals: { total: 1, ok: 0 } });
  const sealed = stand.lines.filter((line) => line.includes('installation.sealed'));
  expect(sealed).toHaveLength(1);
  const { out: checks, code } = await runCommand('doctor', ['--json'], stand.env);
  const keys = (JSON.parse(checks) as { check: string; ok: boolean; text: string }[]).find(
    ({ check }) => check === 'keys',
  );
  expect({ code, keys }).toMatchObject({
    code: 1,
    keys: { ok: false, text: expect.stringMatching(/no key with id old .*installations: 1, open runs: \d/) },
  });

  const cancel = await runCommand('runs', ['cancel', cancelled.id], stand.env);
  expect(cancel).toMatchObject({ code: 0, out: expect.stringContaining('cannot be answered') });
  await expect.poll(async () => (await open.row()).ending, { timeout: 20_000 }).toBe('internal_error');
  const { out: shown } = await runCommand('runs', ['show', open.id], stand.env);
  expect(shown).toMatch(/cannot be opened/);
  expect(shown).toMatch(/state +ended: internal_error/);
  const told = stand.lines.filter((line) => line.includes('run.given_up') && line.includes(open.id));
  expect(told.join()).toContain('SECRET_KEYS');

  // A call that comes meanwhile is kept, and done once the portal has been installed anew.
  const late = addDeal(stand, { requisite: { ...ROMASHKA, RQ_INN: inn(++seed) } }).deal;
  stand.portal.placeRobot('C1:LATE', CREATE, { subject: 'Поставка' });
  const workflow = await stand.portal.moveItem(2, late, 'C1:LATE');
  await expect.poll(() => stand.portal.deliveries.at(-1)?.status).toBe(200);
  const { status } = await stand.portal.install(`${stand.url}/bitrix24/install`);
  expect(status).toBe(200);
  expect(await outputsOf(workflow)).toMatchObject({ ok: 'Y' });
  await isFree(open.deal);
  // Under the same key as before: nobody's contract is made twice.
  const contract = stand.directum
    .all('IContracts')
    .find((row) => String(row['ExternalId']).includes(`DEAL_${late}:`));
  const { rows } = await database.query('SELECT DISTINCT portal FROM run');
  expect(rows).toHaveLength(1);
  expect(contract?.['ExternalId']).toBe(`b24:${rows[0].portal}:DEAL_${late}:contract`);
  const comments = () => JSON.stringify(stand.portal.world.timeline.get(`2:${open.deal}`) ?? []);
  await expect.poll(comments, { timeout: 20_000 }).toContain(open.id);
}, 90_000);
