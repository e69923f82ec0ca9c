import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { setDateBack } from '../../passing-time.ts';
import { fakePortal, installed, MEMBER, type Methods, pair, refuse } from '../fake-portal.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function start(methods: Methods, raw?: Parameters<typeof fakePortal>[1]) {
  const portal = await fakePortal(methods, raw);
  open.push(portal);
  return portal;
}

const onlyFor = (good: string) => (_: unknown, token: string) =>
  token === good ? 'yes' : refuse('expired_token', 401);

describe('a REST call', () => {
  it('sends JSON with the stored token, once, within the rate', async () => {
    const portal = await start({ echo: (params) => params });
    const made = await installed(portal);
    expect(await made.rest.call(MEMBER, 'echo', { a: [1] }, { priority: 'answer' })).toEqual({ a: [1] });
    expect(portal.hits).toEqual([{ method: 'echo', params: { a: [1] }, token: 'access-1' }]);
    expect(made.taken).toEqual([[MEMBER, 'answer']]);
    expect(made.metrics).toMatchObject([{ method: 'echo' }]);
  });

  it('brings no text that the database cannot hold, in results, in batches and in refusals', async () => {
    const odd = { 'a\0': ['b\ud83d', { c: '\udc00🚀' }] };
    const clean = { 'a\ufffd': ['b\ufffd', { c: '\ufffd🚀' }] };
    const portal = await start({
      odd: () => odd,
      refused: () => refuse(`ODD_\0`, 400, `${'я'.repeat(498)}🚀${'я'.repeat(100)}`),
    });
    const made = await installed(portal);
    expect(await made.rest.call(MEMBER, 'odd', {})).toEqual(clean);
    expect(await made.rest.batch(MEMBER, { w0: { method: 'odd', params: {} } })).toEqual({
      w0: { ok: true, result: clean },
    });
    const refusal = await made.rest.call(MEMBER, 'refused', {}).catch((error) => error);
    expect(refusal).toMatchObject({ code: 'ODD_\ufffd', description: `${'я'.repeat(498)}…` });
  });

  it('reads an answer of the OAuth server alike', async () => {
    const portal = await start({ m: onlyFor('access-2') });
    portal.oauth.refresh = () => ({ status: 400, body: { error: 'odd_\0', error_description: 'x\ud83d' } });
    const made = await installed(portal);
    const refusal = await made.rest.call(MEMBER, 'm', {}).catch((error) => error);
    expect(refusal).toMatchObject({ code: 'odd_\ufffd', description: 'x\ufffd' });
  });

  it.each([
    ['', 400, 'Access denied.', { kind: 'access', code: '', retry: false }],
    [0, 400, 'Not found', { kind: 'gone', code: '0', retry: false }],
    [100, 400, 'missing', { kind: 'refused', code: '100', retry: false }],
    ['OVERLOAD_LIMIT', 503, '', { kind: 'limit', retry: false }],
    ['OPERATION_TIME_LIMIT', 429, '', { kind: 'operating', retry: true, retryAfterMs: 10_000 }],
    ['INTERNAL_SERVER_ERROR', 500, '', { kind: 'server', retry: true }],
    ['insufficient_scope', 401, '', { kind: 'access', retry: false }],
    ['', 200, 'error in a 200', { kind: 'refused', code: '' }],
  ])('error %j with %i is told by its code', async (code, status, text, expected) => {
    const portal = await start({ m: () => refuse(code, status as number, text as string) });
    const made = await installed(portal);
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({ name: 'PortalError', ...expected });
    expect(portal.hits).toHaveLength(1);
  });

  it('goes out although the wall clock was set back by hours', async () => {
    const portal = await start({ echo: (params) => params });
    const made = await installed(portal);
    await made.rest.call(MEMBER, 'echo', {});
    setDateBack(3 * 3_600_000);
    expect(await made.rest.call(MEMBER, 'echo', { a: 1 })).toEqual({ a: 1 });
  }, 5_000);

  it.each([
    [502, true],
    [200, true],
    [403, false],
  ])('a page of HTML with status %i is the server’s trouble, retry %s', async (status, retry) => {
    const portal = await start({}, (_, res) => {
      res.writeHead(status).end('<html>');
      return true;
    });
    const made = await installed(portal);
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({ kind: 'server', retry });
  });

  it('turned away for the number of hits is repeated after growing pauses, three times at the most', async () => {
    const portal = await start({ m: () => refuse('QUERY_LIMIT_EXCEEDED', 503) });
    const made = await installed(portal);
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({ kind: 'limit', retry: true });
    expect(portal.hits).toHaveLength(3);
    expect(made.penalties).toEqual([1_000, 2_000, 4_000]);
    portal.methods['m'] = () => (portal.hits.length < 5 ? refuse('QUERY_LIMIT_EXCEEDED', 503) : 'yes');
    expect(await made.rest.call(MEMBER, 'm', {})).toBe('yes');
    expect(made.taken).toHaveLength(5);
  });

  it('goes to the bare address of the method', async () => {
    const addresses: (string | undefined)[] = [];
    const portal = await start({ 'crm.item.get': () => 'yes' }, (req) => {
      addresses.push(req.url);
      return false;
    });
    await (await installed(portal)).rest.call(MEMBER, 'crm.item.get', { id: 1 });
    expect(addresses).toEqual(['/rest/crm.item.get']);
  });

  it('a method blocked for its operating time is left alone until the portal says, others go on', async () => {
    const portal = await start({ echo: (params) => params }, (req, res) => {
      if (!req.url?.endsWith('/heavy')) return false;
      res.writeHead(429, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          error: 'OPERATION_TIME_LIMIT',
          error_description: 'Method is blocked due to operation time limit.',
          time: { finish: 1_787_300_000, operating_reset_at: 1_787_300_040 },
        }),
      );
      portal.hits.push({ method: 'heavy', params: {}, token: '' });
      return true;
    });
    const made = await installed(portal);
    for (let time = 0; time < 2; time += 1) {
      await expect(made.rest.call(MEMBER, 'heavy', {})).rejects.toMatchObject({
        kind: 'operating',
        retry: true,
        retryAfterMs: expect.closeTo(40_000, -3),
      });
    }
    const answers = await made.rest.batch(MEMBER, {
      a: { method: 'heavy', params: {} },
      b: { method: 'echo', params: { x: '1' } },
    });
    expect(answers).toMatchObject({ a: { ok: false, kind: 'operating', retry: true }, b: { ok: true } });
    expect(portal.hits.map(({ method }) => method)).toEqual(['heavy', 'batch']);
    expect(portal.hits[1]?.params['cmd']).toEqual({ b: 'echo?x=1' });
  });

  it('a method blocked inside a batch is left alone too', async () => {
    const portal = await start({ heavy: () => refuse('OPERATION_TIME_LIMIT', 429) });
    const made = await installed(portal);
    await made.rest.batch(MEMBER, { a: { method: 'heavy', params: {} } });
    await expect(made.rest.call(MEMBER, 'heavy', {})).rejects.toMatchObject({ kind: 'operating' });
    expect(portal.hits).toHaveLength(1);
  });

  it('a cut connection is tried once and is the network', async () => {
    let times = 0;
    const portal = await start({}, (req) => {
      times += 1;
      req.socket.destroy();
      return true;
    });
    const made = await installed(portal);
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({
      kind: 'network',
      retry: true,
      status: null,
    });
    expect(times).toBe(1);
  });

  it('a silent portal is given up after the time limit', async () => {
    const portal = await start({}, () => true);
    const made = await installed(portal, {}, { timeoutMs: 100 });
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({ kind: 'network', retry: true });
  });
});

describe('an expired token', () => {
  it('is renewed once by a form and the call repeated, whatever number of calls met it', async () => {
    const portal = await start({ m: onlyFor('access-2') });
    portal.oauth.refresh = () => ({
      body: {
        access_token: 'access-2',
        refresh_token: 'refresh-2',
        expires_in: 3600,
        user_id: 1,
        member_id: MEMBER,
      },
    });
    const made = await installed(portal);
    const results = await Promise.all(Array.from({ length: 8 }, () => made.rest.call(MEMBER, 'm', {})));
    expect(results).toEqual(Array(8).fill('yes'));
    expect(portal.oauth.asked.map((form) => Object.fromEntries(form))).toEqual([
      expect.objectContaining({ grant_type: 'refresh_token', refresh_token: 'refresh-of-access-1' }),
    ]);
    expect(made.stored.get(MEMBER)?.tokens).toMatchObject({ access: 'access-2', refresh: 'refresh-2' });
    expect(made.lines.join()).not.toMatch(/access-|refresh-|canary/);
  });

  it('that is refused right after its renewal is not renewed for ever', async () => {
    const portal = await start({ m: () => refuse('expired_token', 401) });
    let times = 0;
    portal.oauth.refresh = () => {
      times += 1;
      return { body: { access_token: `access-n${times}`, refresh_token: `r${times}`, member_id: MEMBER } };
    };
    const made = await installed(portal);
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({
      code: 'expired_token',
      retry: true,
    });
    expect(times).toBe(2);
    expect(made.stored.get(MEMBER)).toMatchObject({ state: 'active', tokens: { access: 'access-n2' } });
  });

  it('of an unknown OAuth server is not dead while one of the servers is silent', async () => {
    const portal = await start({ m: () => refuse('expired_token', 401) });
    const silent = await start({}, (req) => {
      req.socket.destroy();
      return true;
    });
    const made = await installed(
      portal,
      { tokens: { ...pair(portal), serverOrigin: null } },
      { oauthServers: [silent.origin, portal.origin] },
    );
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({ kind: 'network', retry: true });
    expect(made.stored.get(MEMBER)?.state).toBe('active');
  });

  it('is not renewed when the store already has a newer pair', async () => {
    const portal = await start({ m: onlyFor('access-2') });
    const made = await installed(portal);
    const known = made.stored.get(MEMBER)!;
    made.stored.set(MEMBER, { ...known, version: 2, tokens: pair(portal, 'access-2') });
    expect(await made.rest.call(MEMBER, 'm', {})).toBe('yes');
    expect(portal.oauth.asked).toHaveLength(0);
  });

  it('falls back to a spare pair when the grant is dead, and pauses without one', async () => {
    const portal = await start({ m: onlyFor('spare') });
    const made = await installed(portal, { spares: { 7: pair(portal, 'spare', 7) } });
    expect(await made.rest.call(MEMBER, 'm', {})).toBe('yes');
    expect(made.stored.get(MEMBER)).toMatchObject({
      state: 'active',
      spares: {},
      tokens: { access: 'spare' },
    });

    portal.methods['m'] = () => refuse('expired_token', 401);
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({
      kind: 'auth',
      code: 'invalid_grant',
    });
    expect(made.stored.get(MEMBER)).toMatchObject({ state: 'paused', pausedReason: 'invalid_grant' });
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({ code: 'PAUSED', retry: true });
  });

  it('never judges the OAuth answer by its status: wrong_client in a 200 pauses', async () => {
    const portal = await start({ m: onlyFor('none') });
    portal.oauth.refresh = () => ({ status: 200, body: { error: 'wrong_client' } });
    const made = await installed(portal, { spares: { 7: pair(portal, 'spare', 7) } });
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({ code: 'wrong_client' });
    expect(made.stored.get(MEMBER)?.state).toBe('paused');
  });

  it('is not sent to an OAuth server that is not listed', async () => {
    const portal = await start({ m: onlyFor('none') });
    const made = await installed(portal, {
      tokens: { ...pair(portal), serverOrigin: 'http://evil.example' },
    });
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({ code: 'OAUTH_SERVER_NOT_LISTED' });
    expect(made.stored.get(MEMBER)?.state).toBe('active');
  });

  it('keeps a renewed pair that the store would not take at first', async () => {
    const portal = await start({ m: onlyFor('access-2') });
    portal.oauth.refresh = () => ({ body: { access_token: 'access-2', refresh_token: 'refresh-2' } });
    const made = await installed(portal);
    const set = made.store.set;
    made.store.set = async () => Promise.reject(new Error('database away'));
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toThrow();
    made.store.set = set;
    expect(await made.rest.call(MEMBER, 'm', {})).toBe('yes');
    expect(portal.oauth.asked).toHaveLength(1);
  });

  it('ends for a dismissed user with his spare colleagues', async () => {
    const portal = await start({
      m: (_, token) => (token === 'spare' ? 'yes' : refuse('authorization_error', 401)),
    });
    const made = await installed(portal, { spares: { 7: pair(portal, 'spare', 7) } });
    expect(await made.rest.call(MEMBER, 'm', {})).toBe('yes');
  });
});

describe('a moved portal', () => {
  it('gets the same POST at its new address when that is listed', async () => {
    const target = await start({ m: (params) => params });
    const old = await start({}, (req, res) => {
      res.writeHead(302, { location: `${target.origin}${req.url}` }).end();
      return true;
    });
    const made = await installed(old, {}, { portals: [old.origin, target.origin] });
    expect(await made.rest.call(MEMBER, 'm', { a: 1 })).toEqual({ a: 1 });
    expect(target.hits).toEqual([{ method: 'm', params: { a: 1 }, token: 'access-1' }]);
    expect(made.stored.get(MEMBER)?.origin).toBe(target.origin);
  });

  it('is not followed elsewhere', async () => {
    let visited = false;
    const evil = createServer((_, res) => {
      visited = true;
      res.end('{}');
    }).listen(0);
    open.push(evil);
    const location = `http://127.0.0.1:${(evil.address() as AddressInfo).port}/rest/m`;
    const old = await start({}, (_, res) => {
      res.writeHead(302, { location }).end();
      return true;
    });
    const made = await installed(old);
    await expect(made.rest.call(MEMBER, 'm', {})).rejects.toMatchObject({ kind: 'network' });
    expect(visited).toBe(false);
    expect(made.stored.get(MEMBER)?.origin).toBe(old.origin);
  });
});

describe('a batch', () => {
  it('answers each command by itself, references and empty codes included', async () => {
    const portal = await start({
      a: () => ({ id: 5 }),
      b: ({ id, list }) => [id, list],
      bad: () => refuse(''),
    });
    const made = await installed(portal);
    const read = await made.rest.batch(MEMBER, {
      one: { method: 'a', params: {} },
      two: { method: 'b', params: { id: '$result[one][id]', list: { x: 'а&б=в', no: null, none: [] } } },
      three: { method: 'bad', params: {} },
    });
    expect(read).toMatchObject({
      one: { ok: true, result: { id: 5 } },
      two: { ok: true, result: ['5', { x: 'а&б=в' }] },
      three: { ok: false, error: '', kind: 'refused' },
    });
    expect(portal.hits).toHaveLength(1);
  });
});
