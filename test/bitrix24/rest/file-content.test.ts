import { hash } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { FileContent, toJsonBody } from '../../../src/bitrix24/rest/file-content.ts';
import type { StoredFile } from '../../../src/robot/ports/files.ts';
import { fakePortal, installed, MEMBER, type Methods, pair, refuse } from '../fake-portal.ts';

const open: { close(): void; closeAllConnections?(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections?.();
    server.close();
  }
});

async function start(methods: Methods) {
  const portal = await fakePortal(methods);
  open.push(portal);
  return portal;
}

async function startServer(answer: RequestListener): Promise<{ origin: string }> {
  const server = createServer(answer);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  open.push(server);
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** A stored file whose body comes in these pieces, as often as it is read. */
function stored(pieces: Uint8Array[], sha256 = hash('sha256', Buffer.concat(pieces))): StoredFile {
  const body = {
    async *[Symbol.asyncIterator]() {
      yield* pieces;
    },
  };
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return { name: 'договор.pdf', size, sha256, body, cancel: async () => undefined };
}

const PIECES = Array.from({ length: 40 }, (_, index) => Buffer.alloc(64 * 1024 + index, index));
const params = (file: StoredFile) => ({ id: 915, fields: { UF_CRM_A: [file.name, new FileContent(file)] } });
const seen = { id: 915, fields: { UF_CRM_A: ['договор.pdf', Buffer.concat(PIECES).toString('base64')] } };

describe('a file among the parameters of a call', () => {
  it('is its base64 text, however its bytes are cut, and the length is that of the body', async () => {
    const anyFile = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(anyFile, fc.string({ unit: 'grapheme' }), async (pieces, text) => {
        const body = toJsonBody({ text, list: [new FileContent(stored(pieces)), text] });
        if (typeof body === 'string') throw new Error('no stream');
        const sent = Buffer.concat((await body.stream.toArray()).map((piece) => Buffer.from(piece)));
        expect(JSON.parse(sent.toString())).toEqual({
          text,
          list: [Buffer.concat(pieces).toString('base64'), text],
        });
        expect(body.length).toBe(sent.length);
      }),
    );
  });

  it('goes out again whole when the token had expired', async () => {
    const portal = await start({
      'crm.item.update': (_, token) => (token === 'access-2' ? 'yes' : refuse('expired_token', 401)),
    });
    const { access, refresh } = pair(portal, 'access-2');
    portal.oauth.refresh = () => ({
      body: { access_token: access, refresh_token: refresh, expires_in: 3600, user_id: 1, member_id: MEMBER },
    });
    const { rest } = await installed(portal);
    expect(await rest.call(MEMBER, 'crm.item.update', params(stored(PIECES)))).toBe('yes');
    expect(portal.hits.map((hit) => [hit.token, hit.params])).toEqual([
      ['access-1', seen],
      ['access-2', seen],
    ]);
  });

  it('goes to the new address of a portal that moved and answers before it has read the body', async () => {
    const target = await start({ 'crm.item.update': () => 'yes' });
    const old = await startServer((req, res) => {
      res.writeHead(302, { location: `${target.origin}${req.url}` }).end();
    });
    const { rest } = await installed(old, {}, { portals: [old.origin, target.origin] });
    expect(await rest.call(MEMBER, 'crm.item.update', params(stored(PIECES)))).toBe('yes');
    expect(target.hits.map((hit) => hit.params)).toEqual([seen]);
  });

  it('that is no longer what was stored never gets to the portal, and is fetched again', async () => {
    let whole = 0;
    const portal = await startServer((req, res) => {
      req.on('end', () => (whole += 1)).on('error', () => res.destroy());
      req.resume();
    });
    const { rest } = await installed(portal);
    const other = stored(PIECES, hash('sha256', 'other bytes'));
    await expect(rest.call(MEMBER, 'crm.item.update', params(other))).rejects.toMatchObject({
      name: 'PortalError',
      kind: 'network',
      retry: true,
    });
    expect(whole).toBe(0);
  });

  it('has as much time more as its bytes take on a slow line', async () => {
    const portal = await startServer(async (req, res) => {
      let body = '';
      for await (const part of req) body += part;
      const answer = () => res.writeHead(200, { 'content-type': 'application/json' }).end('{"result":"yes"}');
      setTimeout(answer, body.length > 1_000_000 ? 1_000 : 300);
    });
    const { rest } = await installed(portal, {}, { timeoutMs: 200 });
    await expect(rest.call(MEMBER, 'm', {})).rejects.toMatchObject({ code: 'REQUEST_TIMEOUT' });
    expect(await rest.call(MEMBER, 'crm.item.update', params(stored(PIECES)))).toBe('yes');
  });
});
