import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasOpenssl, makeCertificate } from '../certificate.ts';
import { adapter } from './stand.ts';

describe.skipIf(!hasOpenssl)('a private certificate authority', () => {
  const folder = mkdtempSync(join(tmpdir(), 'directum-ca-'));
  let server: ReturnType<typeof createServer>;
  let at: { url: string; webUrl: string };
  let ca: string;

  beforeAll(async () => {
    const { key, cert } = makeCertificate(folder);
    ca = cert;
    server = createServer({ key, cert }, (_, response) => response.end('{}')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    at = { url: `${origin}/Integration/odata`, webUrl: origin };
  });
  afterAll(() => {
    server?.closeAllConnections();
    server?.close();
    rmSync(folder, { recursive: true });
  });

  it('is trusted when given and refused when not', async () => {
    const trusting = adapter(at, { ca });
    await expect(trusting.service.ping()).resolves.toBeUndefined();
    const plain = adapter(at);
    await expect(plain.service.ping()).rejects.toMatchObject({ code: 'directum_unavailable' });
    await trusting.service.close();
    await plain.service.close();
  });
});
