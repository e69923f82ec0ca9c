import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createTransport } from '../../../src/directum/http/transport.ts';
import { contract } from '../../../src/documents/types/document-types.ts';
import { passingTime, setDateBack } from '../../passing-time.ts';
import { type Directum, startDirectum } from '../../sandbox/directum/directum.ts';
import { adapter, label, quietLog } from '../stand.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function listening(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/odata/`;
}

function bareTransport(baseUrl: string) {
  const transport = createTransport({
    ...{ baseUrl, login: 'bitrix24', password: 'secret', auth: 'basic' },
    now: () => new Date(),
    log: quietLog,
  });
  open.push(() => transport.close());
  return { transport };
}

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

async function serve(answer: Answer, options: Parameters<typeof adapter>[1] = {}) {
  let count = 0;
  const server: Server = createServer((request, response) => {
    count += 1;
    answer(request, response, count);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const bench = adapter({ url: `${origin}/Integration/odata`, webUrl: `${origin}/Client` }, options);
  open.push(
    () => bench.service.close(),
    async () => {
      server.closeAllConnections();
      server.close();
    },
  );
  return {
    ...bench,
    count: () => count,
    ping: () =>
      bench.service.ping().then(
        () => 'ok',
        (error) => error,
      ),
  };
}

async function stand(options: Parameters<typeof startDirectum>[0], bench: Parameters<typeof adapter>[1]) {
  const sandbox: Directum = await startDirectum(options);
  const made = adapter(sandbox, bench);
  open.push(
    () => sandbox.stop(),
    () => made.service.close(),
  );
  return { sandbox, ...made };
}

describe('text that the database cannot hold', () => {
  const lost = 'a\ufffdb';
  it.each([
    ['an escape', 'a\\ud83db'],
    ['an escaped NUL', 'a\\u0000b'],
    ['a bare NUL', 'a\0b'],
    ['bytes that are no UTF-8', Buffer.from([0x61, 0xff, 0x62])],
  ])('is cleaned out of rows, refusals and plain texts (%s)', async (_, text) => {
    const body = (before: string, after: string) =>
      Buffer.concat([Buffer.from(before), Buffer.from(text), Buffer.from(after)]);
    const seen: unknown[] = [];
    const { transport } = bareTransport(
      await listening((request, response) => {
        const isRefusal = request.url?.includes('refused') === true;
        response.writeHead(isRefusal ? 400 : 200);
        response.end(
          request.url?.includes('xml')
            ? body('<x a="', '"/>')
            : body(isRefusal ? '{"error":"' : '{"value":[{"Name":"', isRefusal ? '"}' : '"}]}'),
        );
      }),
    );
    seen.push(await transport.get('rows'));
    seen.push(await transport.send('POST', 'refused', {}).catch((error) => error.text.ru));
    seen.push(await transport.getText('xml', 'application/xml'));
    expect(seen[0]).toEqual({ value: [{ Name: lost }] });
    expect(seen[1]).toContain(`«${lost}»`);
    expect(String(seen[2])).not.toContain('\0');
  });
});

describe('answers', () => {
  it.each([
    [401, '', 'directum_unavailable', 'DIRECTUM_PASSWORD'],
    [403, '{"error":"нет прав"}', 'directum_access_denied', '«нет прав»'],
    [400, '{"error":{"code":"","message":"плохо"}}', 'directum_refused', '«плохо»'],
    [400, '{"error":{"message":{"value":"плохо"}}}', 'directum_refused', '«плохо»'],
    [400, '"голая строка"', 'directum_refused', '«голая строка»'],
    [400, 'просто текст', 'directum_refused', '«просто текст»'],
    [400, '{"error":"Карточка заблокирована Петровой"}', 'directum_locked', 'Петровой'],
    [500, '{"error":"Entity is locked by Petrova"}', 'directum_locked', 'Petrova'],
    [423, '', 'directum_locked', '423'],
    [412, '{"error":"Карточка заблокирована Петровой"}', 'directum_locked', 'Петровой'],
    [412, '', 'directum_refused', '412'],
    [500, '{"error":"ой"}', 'directum_unavailable', '«ой»'],
    [400, '{"error":"Unblocked clock"}', 'directum_refused', 'Unblocked'],
    [400, '{"error":"Контрагент «Fort Lock» не прошёл проверку"}', 'directum_refused', 'Fort Lock'],
    [502, '<html>nginx</html>', 'directum_unavailable', '502'],
    [429, '', 'directum_unavailable', '429'],
    [400, '{"title":"Плохой запрос"}', 'directum_refused', 'Плохой запрос'],
    [400, `{"error":"${'я'.repeat(250)} заблокирована"}`, 'directum_locked', 'яя'],
    [302, '', 'directum_unavailable', 'DIRECTUM_URL'],
    [200, '<html>login</html>', 'directum_unavailable', 'DIRECTUM_URL'],
  ])('%i %s is %s', async (status, body, code, words) => {
    const { ping, count } = await serve((_, response) => {
      response.writeHead(status, { location: 'http://127.0.0.1:1/', 'content-type': 'text/html' }).end(body);
    });
    const failed = await ping();
    expect(failed.code).toBe(code);
    expect(failed.text.ru).toContain(words);
    expect(failed.text.ru.length).toBeLessThanOrEqual(450);
    expect(count()).toBe(1);
  });

  it('never quotes a secret or a long text whole', async () => {
    const basic = Buffer.from('bitrix24:secret').toString('base64');
    const { ping } = await serve((_, response) => {
      response.writeHead(400).end(JSON.stringify({ error: `secret ${basic}\n${'я'.repeat(5000)}` }));
    });
    const { text } = await ping();
    expect(text.ru).not.toContain('secret');
    expect(text.ru).not.toContain(basic.slice(0, 12));
    expect(text.ru.length).toBeLessThanOrEqual(450);
  });

  it('takes no endless answer', async () => {
    const { ping } = await serve((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(1 << 20, 32)));
      };
      response.on('drain', more);
      more();
    });
    expect((await ping()).code).toBe('directum_unavailable');
  });

  it('falls back to the service document where the function is absent', async () => {
    const paths: string[] = [];
    const { ping } = await serve((request, response) => {
      paths.push(String(request.url));
      response.writeHead(paths.length === 1 ? 404 : 200).end('{}');
    });
    expect(await ping()).toBe('ok');
    expect(paths).toEqual(['/Integration/odata/Docflow/GetCurrentCultureName()', '/Integration/odata/']);
  });
});

describe('network', () => {
  it('reads again once when the connection dies, and writes never', async () => {
    const { ping, count } = await serve((request, response, n) =>
      n === 1 ? request.socket.destroy() : response.end('{}'),
    );
    expect(await ping()).toBe('ok');
    expect(count()).toBe(2);

    const { sandbox, directum } = await stand({}, {});
    sandbox.misbehave.next({ verb: 'POST', path: 'CreateVersionFromTemplate', cutBefore: true });
    await expect(directum.versions.fromTemplate(contract, 1, 1)).rejects.toMatchObject({
      code: 'directum_unavailable',
    });
    expect(sandbox.journal.filter(({ verb }) => verb === 'POST')).toHaveLength(1);
  });

  it('waits no longer than its limits', async () => {
    const { ping, made } = await serve(() => {}, {
      timeouts: { connectMs: 200, headersMs: 300, bodyMs: 300 },
    });
    const started = Date.now();
    expect((await ping()).code).toBe('directum_unavailable');
    expect(Date.now() - started).toBeLessThan(2_500);
    expect(made).toEqual([
      {
        operation: 'GET Docflow/GetCurrentCultureName',
        status: 'network',
        errorCode: 'directum_unavailable',
      },
    ]);
  });

  it('stops asking after five faults in a row and asks again some seconds later', async () => {
    let down = true;
    const { ping, count } = await serve((_, response) => response.writeHead(down ? 503 : 200).end('{}'));
    for (let n = 0; n < 8; n += 1) expect((await ping()).code).toBe('directum_unavailable');
    expect(count()).toBe(5);
    down = false;
    const passing = passingTime();
    passing.pass(4_000);
    expect((await ping()).code).toBe('directum_unavailable');
    // Whatever the wall clock is set to meanwhile.
    setDateBack(3 * 3_600_000);
    passing.pass(1_100);
    expect(await ping()).toBe('ok');
  });

  it.each(['{"error":"ой"}', 'Произошла непредвиденная ошибка'])(
    "does not stop for one card's own error %s",
    async (words) => {
      const { ping, count } = await serve((_, response) => response.writeHead(500).end(words));
      for (let n = 0; n < 8; n += 1) await ping();
      expect(count()).toBe(8);
    },
  );

  it("does not take a proxy's 404 for a deleted card", async () => {
    const { sandbox, directum } = await stand({}, {});
    const id = sandbox.add('ICompanies', { Name: 'ООО' });
    const { id: document } = await directum.documents.create(contract, 'k', {
      subject: 'x',
      documentKindId: 1,
      counterpartyId: id,
    });
    const page = { status: 404, html: true };
    sandbox.misbehave.next({ ...page, path: `IContracts(${document})` });
    expect(await directum.documents.byId(contract, document)).toMatchObject({ id: document });
    sandbox.misbehave.next({ ...page, path: 'IContracts', times: 2 });
    await expect(directum.documents.byId(contract, document)).rejects.toMatchObject({
      code: 'directum_unavailable',
    });
    expect(await directum.documents.byId(contract, 999_999)).toBeNull();
  });
});

describe('tokens', () => {
  it('fetches one token for many and renews it after a 401', async () => {
    const { sandbox, directum, service } = await stand({}, { auth: 'token' });
    await Promise.all(['20%', '10%', '22%'].map((name) => directum.catalogue.vatRate(name, label)));
    const fetched = () => sandbox.journal.filter(({ path }) => path.includes('oken')).length;
    expect(fetched()).toBe(1);
    sandbox.misbehave.next({ path: 'GetCurrentCultureName', status: 401, body: '' });
    await service.ping();
    expect(fetched()).toBe(2);
  });

  it('renews before the token expires', async () => {
    const tokenOf = (exp: number) => `a.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.c`;
    let time = 1_000_000_000_000;
    const passing = passingTime();
    let tokens = 0;
    const { service } = await serve(
      (request, response) => {
        if (!request.url?.endsWith('/Integration/token')) return response.end('{}');
        tokens += 1;
        return response.end(tokenOf(time / 1000 + 600));
      },
      { auth: 'token', now: () => new Date(time) },
    );
    await service.ping();
    passing.pass(500_000);
    // Whatever the wall clock is set to.
    time -= 3 * 3_600_000;
    await service.ping();
    expect(tokens).toBe(1);
    passing.pass(50_000);
    await service.ping();
    expect(tokens).toBe(2);
  });

  it('renews for many at once without taking the 401s for an outage', async () => {
    let current = 0;
    const { service } = await serve(
      (request, response) => {
        // Late, so that every request has seen its 401 before.
        if (request.url?.endsWith('/Integration/token'))
          return setTimeout(() => response.end(`t${++current}`), 100);
        const known = request.headers.authorization === `Bearer t${current}`;
        return response.writeHead(known ? 200 : 401).end(known ? '{}' : '');
      },
      { auth: 'token' },
    );
    await service.ping();
    current += 1;
    await Promise.all(Array.from({ length: 8 }, () => service.ping()));
    expect(current).toBe(3);
  });

  it('names the setting when Directum has no token certificate, and goes on trying', async () => {
    const accepts: unknown[] = [];
    const { ping } = await serve(
      (request, response) => {
        accepts.push(request.headers.accept);
        response.writeHead(400).end('{"error":"нет сертификата"}');
      },
      { auth: 'token' },
    );
    const failed = await ping();
    expect(failed).toMatchObject({ code: 'directum_unavailable', heals: true });
    expect(failed.text.ru).toContain('DIRECTUM_AUTH');
    expect(accepts).toEqual(['*/*']);
  });

  it('sends a login that is not Latin as UTF-8', async () => {
    const { sandbox, service } = await stand(
      { login: 'Битрикс', password: 'Пароль' },
      { login: 'Битрикс', password: 'Пароль' },
    );
    await service.ping();
    expect(sandbox.journal.at(-1)?.status).toBe(200);
  });
});
