import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseRobotCall } from '../../src/bitrix24/robots/robot-call.ts';
import { parseForm } from '../../src/http/form.ts';
import { toKeptCall, toRunId } from '../../src/runs/intake/kept-call.ts';
import { createSecretKeys, parseSecretKeys } from '../../src/store/secrets/secrets.ts';
import { runCommand } from './command.ts';
import { lostCalls, type Stand, startStand } from './stand.ts';
import { type Database, openDatabase } from './stand-database.ts';

const MIGRATION = new URL('../../src/store/migrations/021_crowds_end.sql', import.meta.url);
const CREATE = 'directum_create_contract';
const [OWN, AWAY] = ['own', 'away'].map((id, n) => `${id}:${Buffer.alloc(32, n + 1).toString('base64')}`) as [
  string,
  string,
];

let stand: Stand;
let database: Database;
beforeAll(async () => {
  stand = await startStand({ settings: { SECRET_KEYS: OWN } });
  database = await openDatabase(stand);
});
afterAll(async () => {
  await database?.close();
  await stand.stop();
});

type Lost = Awaited<ReturnType<typeof lostCalls>>;

/** Keeps calls together as the version before migration 021 did. */
async function keepCrowd(calls: Lost, keyList: string, itemCode?: string): Promise<void> {
  const { memberId } = stand.portal;
  const at = Date.now();
  const kept = calls.map(({ form }) => {
    const call = parseRobotCall(parseForm(new URLSearchParams(form).toString()));
    const id = toRunId(memberId, call.eventToken);
    return [id, itemCode ?? call.documentId[2], true, at, at + 86_400_000, toKeptCall(call)];
  });
  const text = JSON.stringify([{ memberId, portal: memberId, robot: CREATE }, ...kept]);
  const sealed = createSecretKeys(parseSecretKeys(keyList)).encrypt(text, 'crowd');
  await database.query('INSERT INTO crowd (received_at, calls) VALUES (now(), $1)', [sealed]);
}

const left = async () => (await database.query('SELECT id FROM former_crowd')).rows.length;
const contractsOf = (deals: number[]) =>
  deals.map(
    (deal) =>
      stand.directum
        .all('IContracts')
        .filter((contract) => String(contract['ExternalId']).includes(`:DEAL_${deal}:`)).length,
  );
const said = (event: string) => stand.lines.filter((line) => line.includes(`"${event}"`)).length;
const doctor = async () => {
  const { out } = await runCommand('doctor', ['--json'], stand.env);
  return (JSON.parse(out) as { ok: boolean; text: string }[]).filter(
    ({ ok, text }) => !ok && text.includes('calls that are no runs yet'),
  );
};

it('calls that the version before kept together are answered, each once, and those whose key is missing when it is back', async () => {
  const calls = await lostCalls(stand, 8, CREATE, { subject: 'Поставка' });
  const closed = await lostCalls(stand, 2, CREATE, { subject: 'Поставка' });
  const [bad] = await lostCalls(stand, 1, CREATE, { subject: 'Поставка' });
  if (!bad) throw new Error('a call was made');
  await stand.pause();
  const [, down = ''] = (await readFile(MIGRATION, 'utf8')).split('-- Down Migration');
  await database.query(down);
  await database.query(`DELETE FROM schema_migration WHERE name = '021_crowds_end'`);
  await keepCrowd(closed, AWAY);
  await keepCrowd(calls.slice(0, 5), OWN);
  // The same calls came again, beside one that no table can hold.
  await keepCrowd([bad], OWN, 'DEAL_\0');
  await keepCrowd(calls.slice(3), OWN);

  await stand.restart();
  for (const { workflow } of calls)
    expect((await stand.portal.waitForStep(workflow, CREATE, 15_000)).outputs).toMatchObject({ ok: 'Y' });
  const deals = calls.map(({ deal }) => deal);
  expect(contractsOf(deals)).toEqual(deals.map(() => 1));
  expect([await left(), said('crowd.unreadable'), said('crowd.call_refused')]).toEqual([1, 1, 1]);
  expect(await doctor()).toHaveLength(1);

  await stand.restart();
  expect([await left(), said('crowd.unreadable')]).toEqual([1, 2]);
  Object.assign(stand.env, { SECRET_KEYS: `${OWN},${AWAY}` });
  await stand.restart();
  for (const { workflow } of closed)
    expect((await stand.portal.waitForStep(workflow, CREATE, 15_000)).outputs).toMatchObject({ ok: 'Y' });
  expect([await left(), said('crowd.unreadable')]).toEqual([0, 2]);
  expect(await doctor()).toHaveLength(0);
}, 60_000);
