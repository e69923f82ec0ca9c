import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BodyError, readBody } from '../../src/http/body.ts';

const LIMIT = 1_000;
const server = createServer((incoming, answer) =>
  readBody(incoming, LIMIT, (error, text) => {
    answer.statusCode = error?.status ?? 200;
    answer.end(error === null ? text : (error satisfies BodyError).message);
  }),
);

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => void server.close());

/** Sends a body in pieces, each as a packet of its own. */
async function send(pieces: (string | Buffer)[], headers: IncomingHttpHeaders = {}) {
  const { port } = server.address() as AddressInfo;
  const outgoing = request({ port, host: '127.0.0.1', method: 'POST', headers });
  const heard = once(outgoing, 'response');
  for (const piece of pieces) {
    outgoing.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  outgoing.end();
  const [answer] = await heard;
  const chunks = await answer.toArray();
  return { status: answer.statusCode, text: Buffer.concat(chunks).toString() };
}

it('joins what comes in pieces, also in the middle of a letter', async () => {
  const bytes = Buffer.from('\uFEFFсубъект=Станок');
  expect(await send([...bytes].map((byte) => Buffer.of(byte)))).toEqual({
    status: 200,
    text: 'субъект=Станок',
  });
  expect(await send([])).toEqual({ status: 200, text: '' });
});

it('takes as much as the limit, and answers whoever sends more, declared or not', async () => {
  expect(await send(['x'.repeat(LIMIT)])).toEqual({ status: 200, text: 'x'.repeat(LIMIT) });
  expect((await send(['x'.repeat(LIMIT), 'y'])).status).toBe(413);
  const declared = { 'content-length': String(LIMIT + 1) };
  expect((await send(['x'.repeat(LIMIT + 1)], declared)).status).toBe(413);
});

it('refuses what is packed: a small body could unpack to any size', async () => {
  expect((await send([gzipSync('a=1')], { 'content-encoding': 'gzip' })).status).toBe(400);
  expect(await send(['a=1'], { 'content-encoding': 'Identity' })).toEqual({ status: 200, text: 'a=1' });
});
