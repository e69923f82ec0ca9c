import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addDeal, CLIENT, DIRECTUM, runStep, type Stand, startStand } from '../journeys/stand.ts';
import { inDatabase } from '../journeys/stand-database.ts';

/** OWASP API8: no secret lies open in a log line, a metric, an answer or a column, whatever happens. */
const CODE = 'directum_create_contract';
const OPS = 'canary-ops-token';
const key = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
const [one, two] = [key('one'), key('two')];
let stand: Stand;

beforeAll(async () => {
  stand = await startStand({ settings: { OPS_TOKEN: OPS, LOG_LEVEL: 'trace', SECRET_KEYS: one } });
});
afterAll(() => stand.stop());

const known = new Set<string>();
/** Every token that the portal has ever given out. */
function secrets(): string[] {
  const { world } = stand.portal;
  for (const token of [...world.access.keys(), ...world.refresh.keys(), stand.portal.applicationToken])
    known.add(token);
  for (const { form } of stand.portal.deliveries)
    for (const [name, text] of Object.entries(form))
      if (/token/.test(name) && text.length > 8) known.add(text);
  const basic = Buffer.from(`${DIRECTUM.login}:${DIRECTUM.password}`).toString('base64');
  return [
    ...known,
    CLIENT.clientSecret,
    DIRECTUM.password,
    basic,
    OPS,
    ...[one, two].map((text) => text.split(':')[1] as string),
  ];
}

async function columns(): Promise<string> {
  return inDatabase(stand, async (client) => {
    const { rows } = await client.query(
      `SELECT format('SELECT t::text AS row FROM %I.%I t', table_schema, table_name) AS sql
       FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'`,
    );
    const texts: string[] = [];
    for (const { sql } of rows)
      texts.push(...(await client.query(sql)).rows.map((found: { row: string }) => found.row));
    return texts.join('\n');
  });
}

it('a journey with every kind of trouble leaves no secret in the open', async () => {
  secrets();
  expect(await runStep(stand, addDeal(stand).deal, CODE, { subject: 'Хорошо' })).toMatchObject({ ok: 'Y' });
  stand.portal.misbehave.expireAccessTokens();
  secrets();
  stand.directum.misbehave.next({ verb: 'GET', path: /./, status: 500, body: `Basic ${DIRECTUM.password}` });
  stand.portal.misbehave.next({ status: 500, body: '<html>', times: 2 });
  const bad = await runStep(stand, addDeal(stand).deal, CODE, { subject: 'x', amount: 'много' }, 30_000);
  expect(bad).toMatchObject({ ok: 'N' });
  for (const path of ['/readyz', '/bitrix24/robots/x', '/metrics'])
    expect(
      await (await fetch(stand.url + path, { headers: { Authorization: 'Bearer x' } })).text(),
    ).not.toContain('canary');
  const metrics = await (
    await fetch(`${stand.url}/metrics`, { headers: { Authorization: `Bearer ${OPS}` } })
  ).text();
  const all = { log: stand.lines.join(''), metrics, database: await columns(), outputs: JSON.stringify(bad) };
  expect(all.database.length).toBeGreaterThan(1_000);
  const found = secrets().flatMap((secret) =>
    Object.entries(all).flatMap(([where, text]) => (text.includes(secret) ? [`${where}: ${secret}`] : [])),
  );
  expect(secrets().length).toBeGreaterThan(6);
  expect(found).toEqual([]);
  expect(metrics).not.toContain(new URL(stand.portal.url).host);
}, 60_000);

it('keys are changed under load: added behind, then put first, and no call fails', async () => {
  for (const keys of [`${one},${two}`, `${two},${one}`]) {
    // Calls that are at work while the service restarts with the next keys.
    stand.directum.misbehave.down = true;
    const begun = await Promise.all(
      [1, 2, 3].map(async (index) => {
        const stage = `C1:K${keys.startsWith('one') ? 1 : 2}${index}`;
        stand.portal.placeRobot(stage, CODE, { subject: 'Ключи' });
        return stand.portal.moveItem(2, addDeal(stand).deal, stage);
      }),
    );
    await stand.portal.settled();
    Object.assign(stand.env, { SECRET_KEYS: keys });
    await stand.restart();
    stand.directum.misbehave.down = false;
    for (const workflow of begun)
      expect((await stand.portal.waitForStep(workflow, CODE, 30_000)).outputs).toMatchObject({ ok: 'Y' });
  }
  expect(stand.lines.filter((line) => /SecretError|internal_error/.test(line))).toEqual([]);
  expect(await columns()).toContain('v1.two.');
}, 90_000);
