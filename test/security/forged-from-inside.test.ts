import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { addDeal, runStep, type Stand, startStand } from '../journeys/stand.ts';
import { inDatabase } from '../journeys/stand-database.ts';

/**
 * An employee of the portal knows the application token (bitrix24.md A2b) and makes calls of his own. What he cannot
 * make is an event token that the portal has signed (D3).
 */
const CREATE = 'directum_create_contract';
let stand: Stand;
beforeAll(async () => {
  stand = await startStand({ settings: { OPS_TOKEN: 'canary-ops-token', DIRECTUM_POLL_SECONDS: '1' } });
});
afterAll(() => stand.stop());
afterEach(() => {
  stand.portal.misbehave.reset();
  stand.directum.misbehave.reset();
});

const mark = () => ({
  directum: stand.directum.journal.length,
  portal: stand.portal.journal.length,
  lines: stand.lines.length,
});
type Mark = ReturnType<typeof mark>;
/** What was changed or told anywhere since then. */
const effects = (since: Mark) => [
  ...stand.directum.journal
    .slice(since.directum)
    .filter(({ verb }) => verb !== 'GET')
    .map(({ verb, path }) => `${verb} ${path}`),
  ...stand.portal.journal
    .slice(since.portal)
    .filter(({ method }) => /\.(add|update|send|execute|delete)$/.test(method))
    .map(({ method }) => method),
];
const logged = (since: Mark, event: string) =>
  stand.lines.slice(since.lines).filter((line) => line.includes(`"${event}"`)).length;
const proofs = (since: Mark) =>
  stand.portal.journal.slice(since.portal).filter(({ method }) => method === 'bizproc.activity.log');
const post = (code: string, form: Record<string, string>) =>
  fetch(`${stand.url}/bitrix24/robots/${code}`, { method: 'POST', body: new URLSearchParams(form) }).then(
    ({ status }) => status,
  );
async function forgedRuns(): Promise<number> {
  const headers = { authorization: 'Bearer canary-ops-token' };
  const text = await (await fetch(`${stand.url}/metrics`, { headers })).text();
  return [...text.matchAll(/runs_total\{[^}]*ending="forged"[^}]*\} (\d+)/g)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

let stages = 0;
/** A genuine call that the portal lost on its way. */
async function lostCall(
  deal: number,
  code: string,
  properties: Record<string, unknown>,
  options: { useSubscription?: 'Y' | 'N' } = {},
) {
  const stage = `C1:F${++stages}`;
  stand.portal.misbehave.dropCalls = true;
  stand.portal.placeRobot(stage, code, properties, options);
  const workflow = await stand.portal.moveItem(2, deal, stage);
  stand.portal.misbehave.dropCalls = false;
  return { workflow, form: { ...stand.portal.buildRobotCall(workflow, code).form } };
}
const made = (form: Record<string, string>) => {
  const [workflow, activity] = String(form['event_token']).split('|');
  return `${workflow}|${activity}|${'a'.repeat(32)}.${'b'.repeat(64)}`;
};
/** A contract of another deal, which also shows that the portal accepts calls this way. */
async function contract(): Promise<number> {
  const { deal } = addDeal(stand);
  const outputs = await runStep(stand, deal, CREATE, { subject: 'Поставка' });
  expect(outputs).toMatchObject({ ok: 'Y' });
  // Until the deal shows it, which is an effect too.
  const shown = () => [
    stand.portal.activities(2, deal).length,
    stand.portal.item(2, deal)['UF_CRM_DIRECTUM_ID'],
  ];
  await expect.poll(shown, { timeout: 15_000 }).toEqual([1, Number(outputs['document_id'])]);
  await stand.portal.settled();
  return Number(outputs['document_id']);
}

it('a made-up event token has no effect, whichever robot it calls and whatever that would come to', async () => {
  const document = await contract();
  const company = stand.portal.addCompany({ TITLE: 'Подделка' });
  const cases: [string, Record<string, unknown>, 'Y' | 'N'][] = [
    [CREATE, { subject: 'Подделка' }, 'Y'],
    [CREATE, { subject: 'Подделка', link_document_id: String(document), slot: 'b' }, 'Y'],
    ['directum_start_approval', { document_id: String(document) }, 'Y'],
    ['directum_wait_signature', { document_id: String(document) }, 'Y'],
    ['directum_sync_counterparty', { company_id: String(company) }, 'Y'],
    // Without its proof a failure is told to nobody either.
    [CREATE, { subject: 'Подделка', amount: 'сто' }, 'N'],
    ['directum_start_approval', { approval_type: 'free' }, 'N'],
  ];
  const before = await forgedRuns();
  const genuine: [string, Record<string, string>][] = [];
  for (const [index, [code, properties, useSubscription]] of cases.entries()) {
    const { deal } = addDeal(stand);
    const { form } = await lostCall(deal, code, properties, { useSubscription });
    const since = mark();
    expect(await post(code, { ...form, event_token: made(form) })).toBe(200);
    await expect.poll(forgedRuns, { timeout: 15_000 }).toBe(before + index + 1);
    expect([code, properties, effects(since)]).toEqual([code, properties, []]);
    expect(proofs(since)).toMatchObject([
      { params: { LOG_MESSAGE: '' }, error: 'ACCESS_DENIED', viaBatch: true },
    ]);
    expect(stand.portal.activities(2, deal)).toEqual([]);
    expect(stand.portal.timeline(2, deal)).toEqual([]);
    if (useSubscription === 'Y' && code !== 'directum_wait_signature') genuine.push([code, form]);
  }
  // The control: the very calls with their own tokens are done, also after the forged ones.
  const since = mark();
  for (const [code, form] of genuine) expect(await post(code, form)).toBe(200);
  const sent = () => effects(since).filter((effect) => effect === 'bizproc.event.send').length;
  await expect.poll(sent, { timeout: 15_000 }).toBeGreaterThanOrEqual(genuine.length);
  // What those that failed leave in their items comes after their answers, and is no effect of the next test.
  const untold = () =>
    inDatabase(stand, async (database) => {
      const { rows } = await database.query(
        `SELECT (SELECT count(*) FROM failure WHERE told IS NULL)::int
           + (SELECT count(*) FROM outbox WHERE kind = 'comment' AND state = 'due')::int AS count`,
      );
      return rows[0].count;
    });
  await expect.poll(untold, { timeout: 15_000 }).toBe(0);
}, 120_000);

it('a token of another workflow than the call names has no effect', async () => {
  await contract();
  const { deal } = addDeal(stand);
  const other = await lostCall(deal, CREATE, { subject: 'Другая' });
  const { form } = await lostCall(addDeal(stand).deal, CREATE, { subject: 'Подмена' });
  const before = await forgedRuns();
  const since = mark();
  for (const change of [
    { workflow_id: String(other.form['workflow_id']) },
    { workflow_id: '', event_token: String(other.form['event_token']) },
    { workflow_id: '$result[item]', event_token: '$result[item]|A1|x' },
  ])
    expect(await post(CREATE, { ...form, ...change })).toBe(200);
  await expect.poll(forgedRuns, { timeout: 15_000 }).toBe(before + 3);
  expect(effects(since)).toEqual([]);
}, 60_000);

it('a portal that has never accepted a call loses none by its refusals, and none has an effect', async () => {
  const fresh = await startStand();
  const keep = stand;
  stand = fresh;
  try {
    const refusal = { status: 403, body: { error: 'ACCESS_DENIED', error_description: 'Access denied!' } };
    fresh.portal.misbehave.next({ method: 'bizproc.activity.log', ...refusal, times: 2 });
    const since = mark();
    const { deal } = addDeal(fresh);
    fresh.portal.placeRobot('C1:N', CREATE, { subject: 'Первый' });
    const workflow = await fresh.portal.moveItem(2, deal, 'C1:N');
    await expect.poll(() => logged(since, 'run.postponed'), { timeout: 15_000 }).toBe(2);
    expect(fresh.directum.journal.filter(({ verb }) => verb !== 'GET')).toEqual([]);
    expect((await fresh.portal.waitForStep(workflow, CREATE, 20_000)).outputs).toMatchObject({ ok: 'Y' });
    expect(logged(since, 'run.forged')).toBe(0);
  } finally {
    stand = keep;
    await fresh.stop();
  }
}, 60_000);

it('where the whole hit is refused the run is tried up to its limit and answered then', async () => {
  await contract();
  const lapsed = {
    status: 401,
    body: { error: 'ACCESS_DENIED', error_description: 'REST is available only on commercial plans.' },
  };
  const { deal } = addDeal(stand);
  const { workflow, form } = await lostCall(deal, CREATE, { subject: 'Тариф' });
  const since = mark();
  stand.portal.misbehave.next({ method: 'batch', ...lapsed, times: 1_000 });
  expect(await post(CREATE, { ...form, timeout_duration: '4' })).toBe(200);
  const step = await stand.portal.waitForStep(workflow, CREATE, 30_000);
  expect(step.outputs).toMatchObject({ ok: 'N', error_code: 'portal_access_denied' });
  expect(logged(since, 'run.postponed')).toBeGreaterThan(1);
  expect(stand.directum.journal.slice(since.directum).filter(({ verb }) => verb !== 'GET')).toEqual([]);
}, 60_000);

it('any other answer is no refusal: it is asked again, and the run is done', async () => {
  await contract();
  const answers: [string, object][] = [
    ['no such method', { status: 404, body: { error: 'ERROR_METHOD_NOT_FOUND', error_description: 'x' } }],
    [
      'other words',
      { status: 403, body: { error: 'ACCESS_DENIED', error_description: 'Access denied! Later' } },
    ],
    ['lost scope', { status: 401, body: { error: 'insufficient_scope', error_description: 'x' } }],
    ['no answer', { status: 500, body: { error: 'INTERNAL_SERVER_ERROR', error_description: 'x' } }],
    ['expired', { status: 401, body: { error: 'expired_token', error_description: 'x' } }],
    ['done', { status: 200, body: { result: true } }],
  ];
  for (const [name, answer] of answers) {
    const since = mark();
    stand.portal.misbehave.next({ method: 'bizproc.activity.log', ...answer });
    const { deal } = addDeal(stand);
    expect([name, await runStep(stand, deal, CREATE, { subject: name })]).toMatchObject([name, { ok: 'Y' }]);
    expect([name, logged(since, 'run.postponed'), logged(since, 'run.forged')]).toEqual([name, 1, 0]);
  }
}, 60_000);

it('a portal that takes the question in no batch is asked alone', async () => {
  await contract();
  stand.portal.misbehave.refuseInBatch.add('bizproc.activity.log');
  const { deal } = addDeal(stand);
  const since = mark();
  expect(await runStep(stand, deal, CREATE, { subject: 'Отдельно' })).toMatchObject({ ok: 'Y' });
  expect(proofs(since).map(({ viaBatch, error }) => [viaBatch, error])).toEqual([
    [true, 'ERROR_BATCH_METHOD_NOT_ALLOWED'],
    [false, 'ERROR_EMPTY_LOG_MESSAGE'],
  ]);
});

it('a contract costs one hit for proof and reading together, and a proof is asked once a run', async () => {
  await contract();
  const { deal } = addDeal(stand);
  const since = mark();
  await runStep(stand, deal, CREATE, { subject: 'Один запрос' });
  const own = () =>
    stand.portal.journal
      .slice(since.portal)
      .filter(({ method, viaBatch }) => method === 'batch' && !viaBatch);
  expect(own().length).toBe(1);
  expect(JSON.stringify(own()[0]?.params)).toContain('bizproc.activity.log');

  stand.directum.misbehave.down = true;
  const { workflow } = await (async () => {
    const stage = `C1:F${++stages}`;
    stand.portal.placeRobot(stage, 'directum_sync_counterparty', {});
    return { workflow: await stand.portal.moveItem(2, addDeal(stand).deal, stage) };
  })();
  await expect.poll(() => proofs(since).length, { timeout: 15_000 }).toBe(2);
  await expect.poll(() => logged(since, 'run.postponed'), { timeout: 15_000 }).toBeGreaterThan(0);
  await stand.restart();
  stand.directum.misbehave.down = false;
  await stand.portal.waitForStep(workflow, 'directum_sync_counterparty', 30_000);
  expect(proofs(since).length).toBe(2);
}, 60_000);

it('proofs that are asked in one hit are told apart', async () => {
  await contract();
  const calls: { workflow: string; form: Record<string, string> }[] = [];
  for (let n = 0; n < 12; n += 1) calls.push(await lostCall(addDeal(stand).deal, CREATE, { subject: '' }));
  const before = await forgedRuns();
  const since = mark();
  const sent = calls.map(({ form }, n) => (n % 2 ? form : { ...form, event_token: made(form) }));
  expect(await Promise.all(sent.map((form) => post(CREATE, form)))).toEqual(sent.map(() => 200));
  await expect.poll(forgedRuns, { timeout: 15_000 }).toBe(before + 6);
  const status = () => calls.map(({ workflow }) => stand.portal.step(workflow, CREATE).status);
  await expect.poll(status, { timeout: 15_000 }).toEqual(calls.map((_, n) => (n % 2 ? 'closed' : 'waiting')));
  expect(proofs(since)).toHaveLength(12);
  const hits = stand.portal.journal
    .slice(since.portal)
    .filter(({ params, viaBatch }) => !viaBatch && JSON.stringify(params).includes('bizproc.activity.log'));
  expect(hits.length).toBeLessThan(6);
}, 60_000);

it.each([
  ['that is woken needs no new proof', false],
  ['that an earlier version began is asked about when it is woken', true],
])(
  'a wait %s',
  async (_, isOlder) => {
    const document = await contract();
    const { deal } = addDeal(stand);
    const since = mark();
    const stage = `C1:F${++stages}`;
    stand.portal.placeRobot(stage, 'directum_wait_signature', { document_id: String(document) });
    const workflow = await stand.portal.moveItem(2, deal, stage);
    await expect.poll(() => logged(since, 'run.waiting'), { timeout: 15_000 }).toBe(1);
    await stand.restart();
    if (isOlder) {
      await inDatabase(stand, (database) =>
        database.query(`UPDATE run SET proven = DEFAULT WHERE state = 'waiting'`),
      );
    }
    stand.directum.patch('IContracts', document, { InternalApprovalState: 'Signed' });
    const { outputs } = await stand.portal.waitForStep(workflow, 'directum_wait_signature', 30_000);
    expect(outputs).toMatchObject({ result: 'signed' });
    expect(proofs(since).length).toBe(isOlder ? 2 : 1);
  },
  60_000,
);

const removal = (change: Record<string, string> = {}) =>
  fetch(`${stand.url}/bitrix24/events`, {
    method: 'POST',
    body: new URLSearchParams({
      event: 'ONAPPUNINSTALL',
      'data[LANGUAGE_ID]': 'ru',
      'data[CLEAN]': '1',
      'auth[member_id]': stand.portal.memberId,
      'auth[client_endpoint]': `${stand.portal.url}/rest/`,
      'auth[application_token]': stand.portal.applicationToken,
      ...change,
    }),
  }).then(({ status }) => status);
const portals = async () =>
  ((await (await fetch(`${stand.url}/readyz`)).json()) as { portals: { total: number; ok: number } }).portals;

it('a removal that the portal does not confirm drops nothing, and all goes on', async () => {
  const { deal } = addDeal(stand);
  const first = await runStep(stand, deal, CREATE, { subject: 'Остаётся' });
  const since = mark();
  const started = performance.now();
  expect(await removal()).toBe(200);
  // The event does not wait for the portal's word.
  expect(performance.now() - started).toBeLessThan(1_000);
  await expect.poll(() => logged(since, 'removal.not_confirmed'), { timeout: 10_000 }).toBe(1);
  expect(await portals()).toEqual({ total: 1, ok: 1 });
  expect(await runStep(stand, deal, CREATE, { subject: 'Остаётся' })).toMatchObject({
    created: 'N',
    document_id: first['document_id'],
  });
  // A restart forgets no removal that is still in doubt; it is asked again until the ten minutes are over.
  await stand.restart();
  await expect.poll(() => logged(since, 'removal.not_confirmed'), { timeout: 15_000 }).toBeGreaterThan(2);
  expect(await portals()).toEqual({ total: 1, ok: 1 });
}, 60_000);

it('a removal that was in doubt is believed when the portal confirms it within the ten minutes', async () => {
  const since = mark();
  expect(await removal()).toBe(200);
  await expect.poll(() => logged(since, 'removal.not_confirmed'), { timeout: 10_000 }).toBe(1);
  stand.portal.world.app.present = false;
  await expect.poll(() => logged(since, 'portal.uninstalled'), { timeout: 15_000 }).toBe(1);
  expect(await portals()).toEqual({ total: 0, ok: 0 });
  stand.portal.world.app.present = true;
  expect((await stand.portal.install(`${stand.url}/bitrix24/install`)).status).toBe(200);
}, 60_000);

it('an update with the right secret and other tokens brings neither tokens nor scopes', async () => {
  const since = mark();
  const forged = await removal({
    event: 'ONAPPUPDATE',
    'auth[access_token]': 'f'.repeat(70),
    'auth[refresh_token]': 'f'.repeat(70),
    'auth[server_endpoint]': `${stand.portal.oauthUrl}/rest/`,
    'auth[scope]': 'crm',
  });
  expect(forged).toBe(200);
  const { deal } = addDeal(stand);
  stand.portal.misbehave.withoutTokens = true;
  expect(await runStep(stand, deal, CREATE, { subject: 'После обновления' })).toMatchObject({ ok: 'Y' });
  expect(logged(since, 'installation.paused')).toBe(0);
  expect(stand.portal.journal.slice(since.portal).filter(({ method }) => method === 'oauth.token')).toEqual(
    [],
  );
}, 60_000);
