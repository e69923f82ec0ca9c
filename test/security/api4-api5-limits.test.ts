import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Stand, startStand } from '../journeys/stand.ts';

/** OWASP API4: a slow caller holds nothing. OWASP API5: what administrators do needs an administrator's proof. */
let stand: Stand;
const open: Socket[] = [];

beforeAll(async () => {
  stand = await startStand({ settings: { LOG_LEVEL: 'error', OPS_TOKEN: 'canary-ops-token' } });
});
afterAll(async () => {
  for (const socket of open) socket.destroy();
  await stand.stop();
});

/** Says `first`, then one byte every half a second; how long it was borne with, and what it heard. */
async function trickle(first: string): Promise<{ ms: number; heard: string }> {
  const socket = connect(Number(new URL(stand.url).port), '127.0.0.1');
  open.push(socket);
  const began = performance.now();
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString();
  });
  socket.on('error', () => undefined);
  socket.write(first);
  const timer = setInterval(() => socket.write('x'), 500);
  // The last bytes may meet a closed connection, whose reset is no end other than the one waited for: `once` of node:events
  // would take it for a failure.
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(timer);
  return { ms: performance.now() - began, heard };
}

it('callers that trickle their headers or their body are closed in time, and the others go on', {
  timeout: 60_000,
}, async () => {
  const path = 'POST /bitrix24/robots/directum_create_contract HTTP/1.1\r\nHost: x\r\n';
  const form = 'Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\na=';
  const slow = Promise.all([
    ...Array.from({ length: 100 }, () => trickle(`${path}X-Slow: `)),
    trickle(path + form),
  ]);
  expect((await fetch(`${stand.url}/healthz`)).status).toBe(200);
  const all = await slow;
  const last = all.pop();
  expect(Math.max(...all.map(({ ms }) => ms))).toBeLessThan(10_000);
  expect(all[0]?.heard).toMatch(/^HTTP\/1\.1 408 /);
  expect(last?.ms).toBeLessThan(15_000);
  expect((await fetch(`${stand.url}/readyz`)).status).toBe(200);
});

it('only an administrator installs, and only the bearer of the token reads the metrics', async () => {
  const robots = stand.portal.robots();
  const employee = stand.portal.addUser({ NAME: 'Пётр', EMAIL: 'petr@acme.example' });
  const install = (userId: number) => {
    const pair = stand.portal.tokens(userId);
    return fetch(
      `${stand.url}/bitrix24/install?DOMAIN=${new URL(stand.portal.url).host}&PROTOCOL=0&LANG=ru`,
      {
        method: 'POST',
        body: new URLSearchParams({
          AUTH_ID: pair.accessToken,
          REFRESH_ID: pair.refreshToken,
          AUTH_EXPIRES: '3600',
          member_id: stand.portal.memberId,
          PLACEMENT: 'DEFAULT',
        }),
      },
    ).then(async (answer) => ({ status: answer.status, html: await answer.text() }));
  };
  const asked = stand.portal.journal.length;
  const calm = await install(employee);
  expect(calm).toMatchObject({ status: 200, html: expect.stringContaining('обращайтесь к нему') });
  const changing = () =>
    stand.portal.journal.slice(asked).filter(({ method }) => /bind|robot|batch/.test(method)).length;
  expect([stand.portal.robots(), changing()]).toEqual([robots, 0]);
  // The control: the same page of an administrator.
  expect((await install(1)).status).toBe(200);
  expect(changing()).toBeGreaterThan(0);
  for (const authorization of ['', 'Bearer ', 'Bearer canary-ops-toke', 'Basic canary-ops-token'])
    expect((await fetch(`${stand.url}/metrics`, { headers: { authorization } })).status).toBe(401);
  for (const path of ['/bitrix24/runs', '/runs', '/admin', '/bitrix24/backup'])
    expect((await fetch(stand.url + path, { method: 'POST' })).status).toBe(404);
});
