import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOutbound } from '../../../src/bitrix24/rest/outbound.ts';
import { createSdkClient } from '../../../src/bitrix24/rest/sdk-client.ts';
import { hasOpenssl, makeCertificate } from '../../certificate.ts';
import { startProxy } from '../../sandbox/proxy.ts';

describe.skipIf(!hasOpenssl)('a portal on https', () => {
  const folder = mkdtempSync(join(tmpdir(), 'outbound-'));
  const usual = getCACertificates();
  let server: ReturnType<typeof createServer>;
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  let origin: string;
  let heard: string[] = [];
  let ports: (number | undefined)[] = [];

  beforeAll(async () => {
    const { key, cert } = makeCertificate(folder);
    setDefaultCACertificates([...usual, cert]);
    server = createServer({ key, cert }, (request, response) => {
      heard.push(`${request.method} ${request.url}`);
      ports.push(request.socket.remotePort);
      const answer = { result: 'done', access_token: 'a', time: {} };
      response.setHeader('content-type', 'application/json');
      request.resume().on('end', () => response.end(JSON.stringify(answer)));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await startProxy();
    origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    setDefaultCACertificates(usual);
    proxy.close();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  async function ask(address: string | undefined): Promise<void> {
    heard = [];
    ports = [];
    const { agents, postForm, fetchFile } = createOutbound(address);
    const client = createSdkClient({ origin, access: 'x', timeoutMs: 5_000, agents });
    expect(await client.call('app.info', {})).toBe('done');
    const form = new URLSearchParams({ grant_type: 'refresh_token' });
    const answer = await postForm(`${origin}/oauth/token/`, form, AbortSignal.timeout(5_000));
    expect(await answer.toArray()).toHaveLength(1);
    const file = await fetchFile(`${origin}/rest/download.json`, { headers: {}, headersTimeout: 5_000 });
    expect(file.statusCode).toBe(200);
    await file.body.dump();
    expect(heard).toEqual(['POST /rest/app.info', 'POST /oauth/token/', 'GET /rest/download.json']);
  }

  it('is reached through a tunnel of the proxy, which sees no address and no secret', async () => {
    await ask(`http://us%40er:pass%3Aword@127.0.0.1:${proxy.port}/`);
    const basic = `Basic ${Buffer.from('us@er:pass:word').toString('base64')}`;
    expect(ports.every((port) => proxy.tunnels.has(port))).toBe(true);
    for (const one of proxy.asked)
      expect(one).toEqual({ what: `CONNECT ${new URL(origin).host}`, authorization: basic });
  });

  it('is reached straight without one', async () => {
    proxy.asked.length = 0;
    await ask(undefined);
    expect(ports.some((port) => proxy.tunnels.has(port))).toBe(false);
    expect(proxy.asked).toEqual([]);
  });
});
