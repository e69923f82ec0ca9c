import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addDeal, type Stand, startStand } from '../journeys/stand.ts';

/** OWASP API1, API2, API3: nobody but the portal itself has an effect, whatever a call says, and nothing is taken over. */
const CODE = 'directum_create_contract';
/** `FORGED_CALLS=10000` for the long run. */
const CALLS = Number(process.env['FORGED_CALLS'] ?? 800);

let stand: Stand;
let genuine: Record<string, string>;

beforeAll(async () => {
  stand = await startStand({ settings: { LOG_LEVEL: 'error' } });
  const { deal } = addDeal(stand);
  stand.portal.placeRobot('C1:N', CODE, { subject: 'Подделка' });
  stand.portal.misbehave.dropCalls = true;
  const workflow = await stand.portal.moveItem(2, deal, 'C1:N');
  genuine = stand.portal.buildRobotCall(workflow, CODE).form;
});
afterAll(() => stand.stop());

const post = (path: string, body: string, type = 'application/x-www-form-urlencoded') =>
  fetch(stand.url + path, { method: 'POST', headers: { 'content-type': type }, body }).then(
    ({ status }) => status,
  );

/** Everything the outside would see of an effect. */
const effects = () => ({
  directum: stand.directum.journal.filter(({ verb }) => verb !== 'GET').length,
  answers: stand.portal.journal.filter(({ method }) => /event\.send|item\.(add|update)|batch/.test(method))
    .length,
  robots: stand.portal.robots().length,
});

const name = fc.oneof(
  fc.constantFrom(
    'event',
    'auth',
    'auth[member_id]',
    'document_id',
    'document_id[0]',
    'document_id[99999]',
    'event_token',
  ),
  fc.constantFrom(
    '__proto__[admin]',
    'constructor[prototype][x]',
    'auth[__proto__][application_token]',
    'a[b][c][d][e]',
  ),
  fc.constantFrom(
    'properties[subject]',
    'properties',
    'code',
    'auth[client_endpoint]',
    'auth[access_token]',
    'ts',
  ),
  fc.string({ maxLength: 20 }),
);
const value = fc.oneof(
  fc.constantFrom(
    '',
    '0',
    'null',
    'true',
    '[]',
    '{}',
    'http://evil.example/rest/',
    'ONAPPUNINSTALL',
    '\u0000',
    "' OR 1=1 --",
    'CCrmDocumentDeal',
  ),
  fc.string({ unit: 'binary', maxLength: 60 }),
);
/** A call of one who knows everything but the application token. */
const forged = fc
  .record({
    token: fc.oneof(fc.constantFrom('', 'f'.repeat(32)), fc.string({ minLength: 1, maxLength: 40 })),
    changes: fc.array(fc.tuple(name, value), { maxLength: 6 }),
    without: fc.subarray(['auth[access_token]', 'auth[member_id]', 'event_token', 'code', 'document_id[1]']),
    asJson: fc.boolean(),
  })
  .map(({ token, changes, without, asJson }) => {
    const form: Record<string, string> = Object.fromEntries(
      Object.entries({ ...genuine, 'auth[application_token]': token }).filter(
        ([key]) => !(without as string[]).includes(key),
      ),
    );
    const fields = [...Object.entries(form), ...changes];
    return asJson
      ? {
          type: 'application/json',
          body: JSON.stringify({ ...form, auth: Object.fromEntries(changes), nested: fields }),
        }
      : {
          type: 'application/x-www-form-urlencoded',
          body: new URLSearchParams(
            fields.map(([k, v]) => [k.toWellFormed(), v.toWellFormed()] as [string, string]),
          ).toString(),
        };
  });

it('forged and mangled calls and events are refused and have no effect', async () => {
  const before = effects();
  const statuses = new Map<number, number>();
  const paths = [
    `/bitrix24/robots/${CODE}`,
    `/bitrix24/robots/${CODE}`,
    '/bitrix24/events',
    '/bitrix24/install',
  ];
  const samples = fc.sample(fc.tuple(forged, fc.constantFrom(...paths)), CALLS);
  for (let from = 0; from < samples.length; from += 50)
    await Promise.all(
      samples.slice(from, from + 50).map(async ([{ body, type }, path]) => {
        const status = await post(path, body, type);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }),
    );
  expect([...statuses.keys()].filter((status) => status !== 400 && status !== 403)).toEqual([]);
  expect(statuses.get(403)).toBeGreaterThan(CALLS / 10);
  expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  expect(effects()).toEqual(before);
  // The control: the same call with its token is taken and done.
  expect(await post(`/bitrix24/robots/${CODE}`, new URLSearchParams(genuine).toString())).toBe(200);
  await expect.poll(() => stand.directum.all('IContracts').length, { timeout: 10_000 }).toBe(1);
}, 120_000);

it('deep, wide and broken bodies are refused without a fault', async () => {
  const deep = `a${'[x]'.repeat(5_000)}=1`;
  const wide = Array.from({ length: 30_000 }, (_, index) => `k${index}=1`).join('&');
  const nested = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
  for (const [body, type] of [
    [deep, 'application/x-www-form-urlencoded'],
    [wide, 'application/x-www-form-urlencoded'],
    ['%E0%A4%A', 'application/x-www-form-urlencoded'],
    [nested, 'application/json'],
    ['{"auth":', 'application/json'],
    ['{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}', 'application/json'],
    ['x', 'text/plain'],
  ] as const)
    expect([
      body.slice(0, 20),
      [400, 403, 413].includes(await post(`/bitrix24/robots/${CODE}`, body, type)),
    ]).toEqual([body.slice(0, 20), true]);
  expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  expect(await post(`/bitrix24/robots/${CODE}`, `x=${'y'.repeat(1_100_000)}`)).toBe(413);
  expect((await fetch(`${stand.url}/healthz`)).status).toBe(200);
});

it('a living installation is not taken over, updated or removed without its proof', async () => {
  const robots = stand.portal.robots();
  const event = (what: string, auth: Record<string, string>) =>
    post(
      what === 'ONAPPINSTALL' ? '/bitrix24/install' : '/bitrix24/events',
      new URLSearchParams({
        event: what,
        'data[CLEAN]': '1',
        ...Object.fromEntries(
          Object.entries({
            member_id: stand.portal.memberId,
            access_token: 'stolen',
            refresh_token: 'stolen',
            client_endpoint: `${stand.portal.url}/rest/`,
            server_endpoint: `${stand.portal.url}/rest/`,
            application_token: 'f'.repeat(32),
            ...auth,
          }).map(([key, text]) => [`auth[${key}]`, text]),
        ),
      }).toString(),
    );
  // A webhook of the same portal is a valid token, but not of our application.
  const webhook = new URL(stand.portal.addWebhook()).pathname.split('/')[3] as string;
  for (const auth of [
    {},
    { access_token: webhook },
    { client_endpoint: 'http://evil.example/rest/' },
    { server_endpoint: 'http://evil.example/rest/' },
  ])
    for (const what of ['ONAPPINSTALL', 'ONAPPUPDATE', 'ONAPPUNINSTALL'])
      expect([what, auth, await event(what, auth as Record<string, string>)]).toEqual([what, auth, 403]);
  expect(stand.portal.robots()).toEqual(robots);
  const { deal } = addDeal(stand);
  stand.portal.misbehave.dropCalls = false;
  stand.portal.placeRobot('C1:A', CODE, { subject: 'После нападения' });
  const workflow = await stand.portal.moveItem(2, deal, 'C1:A');
  expect((await stand.portal.waitForStep(workflow, CODE, 15_000)).outputs).toMatchObject({ ok: 'Y' });
});
