import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type AppPorts, createApp } from '../../src/http/app.ts';
import { createSlowProofServer } from '../../src/http/server.ts';
import { quietLog } from '../directum/stand.ts';

const LIMIT = 1024 * 1024;
const taken: unknown[] = [];
const counted: string[] = [];
const server = createSlowProofServer(
  createApp({
    knownRobot: (code: string) => code === 'known',
    takeCall: async (_code: string, body: unknown) => {
      taken.push(JSON.parse(JSON.stringify(body)));
      return { result: 'accepted' };
    },
    count: (robot: string, result: string) => void counted.push(`${robot} ${result}`),
    log: quietLog,
  } as unknown as AppPorts),
);

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => void server.close());
beforeEach(() => {
  taken.length = 0;
  counted.length = 0;
});

function open(headers: IncomingHttpHeaders = {}, code = 'known') {
  const { port } = server.address() as AddressInfo;
  const path = `/bitrix24/robots/${code}`;
  return request({ port, host: '127.0.0.1', method: 'POST', path, headers });
}

/** Sends a body in pieces, each as a packet of its own; the status that is heard. */
async function send(pieces: (string | Buffer)[], headers?: IncomingHttpHeaders, code?: string) {
  const outgoing = open(headers, code);
  const heard = once(outgoing, 'response');
  for (const piece of pieces) {
    await new Promise((resolve) => outgoing.write(piece, resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  outgoing.end();
  const [answer] = await heard;
  await answer.resume().toArray();
  return answer.statusCode;
}

it('joins what comes in pieces, also in the middle of a letter, and passes over a byte order mark', async () => {
  const bytes = Buffer.from('\uFEFFтема=Станок');
  expect(await send([...bytes].map((byte) => Buffer.of(byte)))).toBe(200);
  const json = { 'content-type': 'application/json' };
  expect(await send(['\uFEFF{"тема":"Станок\\u0000"}'], json)).toBe(200);
  expect(taken).toEqual([{ тема: 'Станок' }, { тема: 'Станок\uFFFD' }]);
});

it.each([
  undefined,
  '',
  'nothing',
  'text/plain',
  'multipart/form-data',
  'application/x-www-form-urlencoded; charset=windows-1251',
  'application/x-www-form-urlencoded; charset="no such"',
  'application/x-www-form-urlencoded; charset=',
])('reads a form of the type %j as UTF-8', async (type) => {
  const headers = type === undefined ? {} : { 'content-type': type };
  expect(await send(['a[0]=Станок&b=%D0%9F'], headers)).toBe(200);
  expect(taken).toEqual([{ a: { 0: 'Станок' }, b: 'П' }]);
});

it.each(['application/json', 'application/JSON; charset=koi8-r', 'text/json', 'application/vnd.x+json'])(
  'reads JSON of the type %s as UTF-8',
  async (type) => {
    expect(await send(['{"a":["Станок"]}'], { 'content-type': type })).toBe(200);
    expect(await send(['{"a":'], { 'content-type': type })).toBe(400);
    expect(await send([''], { 'content-type': type })).toBe(400);
    expect(taken).toEqual([{ a: ['Станок'] }]);
    expect(counted).toEqual(['known accepted', 'known bad', 'known bad']);
  },
);

it('takes no body for an empty form', async () => {
  expect(await send([])).toBe(200);
  expect(await send([], { 'content-length': '0' })).toBe(200);
  expect(taken).toEqual([{}, {}]);
});

it('takes as much as the limit, and answers whoever sends more, declared or not', async () => {
  expect(await send([`a=${'x'.repeat(LIMIT - 2)}`])).toBe(200);
  expect(await send([`a=${'x'.repeat(LIMIT - 2)}`, 'y'])).toBe(413);
  const declared = { 'content-length': String(2 * LIMIT) };
  expect(await send(['x'.repeat(LIMIT), 'y'.repeat(LIMIT)], declared)).toBe(413);
  expect(taken).toHaveLength(1);
  expect(counted).toEqual(['known accepted', 'known bad', 'known bad']);
});

it('refuses a form of more fields than any call has', async () => {
  expect(await send(['a=1&'.repeat(19_999)])).toBe(200);
  expect(await send(['a=1&'.repeat(20_000)])).toBe(400);
});

it('refuses what is packed: a small body could unpack to any size', async () => {
  for (const packed of [gzipSync('a=1'), gzipSync(Buffer.alloc(64 * LIMIT)), Buffer.alloc(2 * LIMIT)])
    expect(await send([packed], { 'content-encoding': 'gzip' })).toBe(400);
  expect(await send(['a=1'], { 'content-encoding': 'br' })).toBe(400);
  expect(await send(['a=1'], { 'content-encoding': 'Identity' })).toBe(200);
  expect(taken).toEqual([{ a: '1' }]);
});

it('asks for the robot before it looks at the body', async () => {
  expect(await send(['x'.repeat(LIMIT), 'y'], {}, 'unknown')).toBe(404);
  expect(
    await send(['{'], { 'content-type': 'application/json', 'content-encoding': 'gzip' }, 'unknown'),
  ).toBe(404);
  expect(counted).toEqual([]);
});

it('a call that is broken off is no call', async () => {
  const outgoing = open({ 'content-length': '100' });
  outgoing.on('error', () => undefined);
  const came = once(server, 'request');
  outgoing.write('a=1');
  const [incoming] = await came;
  outgoing.destroy();
  incoming.on('error', () => undefined);
  await new Promise((resolve) => incoming.once('close', resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect([taken, counted]).toEqual([[], []]);
});
