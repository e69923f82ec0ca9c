import { afterAll, beforeAll, expect, it } from 'vitest';
import { written } from '../store/journal/written.ts';
import { runCommand } from './command.ts';
import { addDeal, CLIENT, DIRECTUM, runStep, type Stand, startStand } from './stand.ts';
import { type Database, openDatabase } from './stand-database.ts';

const CREATE = 'directum_create_contract';
let stand: Stand;
let database: Database;
beforeAll(async () => {
  stand = await startStand({ settings: { DIRECTUM_POLL_SECONDS: '1' } });
  database = await openDatabase(stand);
}, 30_000);
afterAll(async () => {
  await database?.close();
  await stand?.stop();
});

const linesOf = (condition: string) => written({ query: database.query }, condition);
/** What happened, without its details. */
const storyOf = async (condition: string) =>
  (await linesOf(condition)).map(([type, , , actor]) => `${type} by ${actor}`);
const person = (NAME: string, LAST_NAME: string, EMAIL: string) =>
  stand.portal.addUser({ NAME, LAST_NAME, EMAIL });

it('tells the whole story of a deal, in order, with who did what and without secrets or names', async () => {
  const { deal } = addDeal(stand);
  person('Пётр', 'Сидоров', 'sidorov@acme.example');
  const item = `DEAL_${deal}`;
  const of = (type: string) => linesOf(`item_code = '${item}' AND type ~ '^(${type})'`);
  const made = await runStep(stand, deal, CREATE, { subject: 'Поставка', template: 'Типовой договор' });
  const id = Number(made['document_id']);
  await expect.poll(() => of('fields.shown')).toHaveLength(2);
  const started = await runStep(stand, deal, 'directum_start_approval', {});
  expect(started).toMatchObject({ ok: 'Y', task_started: 'Y' });
  await expect.poll(() => of('task.sent')).toHaveLength(1);
  stand.directum.sign(id);
  await expect.poll(() => of('task.sent'), { timeout: 15_000 }).toHaveLength(2);
  await expect.poll(() => of('message.sent'), { timeout: 15_000 }).toHaveLength(5);

  const [make, approve] = [made['run_id'], started['run_id']];
  const company = stand.directum.all('ICompanies').at(-1)?.['Id'];
  const kind = (stand.directum.get('IContracts', id)['DocumentKind'] as { Id: number }).Id;
  expect(await linesOf(`actor IN ('run ${make}', 'run ${approve}')`)).toEqual([
    ['call.taken', item, null, `run ${make}`, { run: make, robot: CREATE }],
    [
      'counterparty.made',
      item,
      null,
      `run ${make}`,
      { counterparty: company, type: 'company', of: expect.anything() },
    ],
    ['document.made', item, id, `run ${make}`, { type: 'contract', kind, slot: 'contract' }],
    ['document.bound', item, id, `run ${make}`, { type: 'contract', slot: 'contract', created: true }],
    [
      'run.ended',
      item,
      null,
      `run ${make}`,
      expect.objectContaining({ robot: CREATE, ending: 'done', attempts: 1 }),
    ],
    ['call.taken', item, null, `run ${approve}`, expect.anything()],
    ['run.ended', item, null, `run ${approve}`, expect.objectContaining({ ending: 'done' })],
  ]);
  const statuses = (await of('document.status')).map(([, , , , data]) => data);
  expect(statuses).toMatchObject([
    { status: 'created', before: null, kind },
    { before: 'created', kind },
    ...(statuses.length > 3 ? [{}] : []),
    { status: 'signed_us', kind },
  ]);
  const [begun, ended] = (await of('assignment')).map(([type, , , , data]) => ({
    type,
    ...(data as object),
  }));
  const employee = stand.directum.all('IEmployees').find((one) => one['Email'] === 'sidorov@acme.example')?.[
    'Id'
  ];
  const performer = `directum ${employee}`;
  expect(begun).toMatchObject({ type: 'assignment.begun', kind: 'signing', performer, status: 'InProcess' });
  expect(ended).toMatchObject({ type: 'assignment.ended', kind: 'signing', performer, result: 'Sign' });
  const { rows: people } = await database.query('SELECT key, email FROM journal_person');
  expect(people).toContainEqual({ key: performer, email: 'sidorov@acme.example' });

  const { rows } = await database.query('SELECT row_to_json(journal)::text AS line FROM journal');
  const text = rows.map(({ line }) => line as string).join('\n');
  for (const secret of [CLIENT.clientSecret, DIRECTUM.password, 'Сидоров', 'Иванов', '@acme.example'])
    expect(text).not.toContain(secret);
  // Each line stands behind what caused it.
  const order = await storyOf(`item_code = '${item}' AND type <> 'fields.shown' AND type <> 'message.sent'`);
  const at = (type: string) => order.findIndex((line) => line.startsWith(type));
  const stations = [
    'call.taken',
    'document.made',
    'document.status',
    'assignment.begun',
    'task.sent',
    'assignment.ended',
  ];
  expect(stations.map(at)).toEqual(stations.map(at).toSorted((a, b) => a - b));
}, 60_000);

it('tells who installed the application, and of calls that were refused', async () => {
  const path = `${stand.url}/bitrix24/robots/${CREATE}`;
  const body = { code: CREATE, auth: { member_id: 'somebody', application_token: 'canary' } };
  const headers = { 'content-type': 'application/json' };
  for (const _ of [1, 2])
    expect((await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })).status).toBe(400);
  await stand.restart();
  expect(await linesOf(`type = 'calls.refused'`)).toMatchObject([
    ['calls.refused', null, null, 'service', { calls: [{ robot: CREATE, reason: 'bad', count: 2 }] }],
  ]);
  const story = await storyOf(`type ~ '^(portal|robots)'`);
  expect([story.length, story[0]]).toEqual([2, expect.stringMatching(/^portal.installed by user \d+$/)]);
  expect(story[1]).toBe('robots.registered by service');
}, 30_000);

it('tells that an operator did a failed run again, and what it changed', async () => {
  const { deal } = addDeal(stand);
  const item = `DEAL_${deal}`;
  const made = await runStep(stand, deal, CREATE, { subject: 'Поставка' });
  const failed = await runStep(stand, deal, CREATE, {
    subject: 'Поставка',
    document_kind: 'нет такого',
    if_exists: 'update',
  });
  expect(failed).toMatchObject({ ok: 'N' });
  const run = failed['run_id'];
  await runStep(stand, deal, CREATE, { subject: 'Другое', if_exists: 'update' });
  await runCommand('runs', ['retry', String(run)], { ...stand.env, LOG_LEVEL: 'error' });
  await expect.poll(() => linesOf(`type = 'run.ended' AND data->>'run' = '${run}'`)).toHaveLength(2);
  expect(await linesOf(`type ~ '^(run.retried|document.changed)' AND item_code = '${item}'`)).toMatchObject([
    ['document.changed', item, Number(made['document_id']), expect.anything(), { fields: ['Subject'] }],
    ['run.retried', item, null, 'operator', { run, robot: CREATE, ending: failed['error_code'] }],
  ]);
  await expect
    .poll(() => linesOf(`type = 'failure.shown' AND item_code = '${item}'`), { timeout: 15_000 })
    .toContainEqual([
      'failure.shown',
      item,
      null,
      'service',
      expect.objectContaining({ kind: 'comment', run }),
    ]);
}, 60_000);
