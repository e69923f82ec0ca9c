import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSlowProofServer } from '../../src/http/server.ts';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
let server: Server;
const open: Socket[] = [];
beforeEach(async () => {
  server = createSlowProofServer((_request, response) => response.end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
  server.close();
  server.closeAllConnections();
});

/** A connection that has been answered once; `ask` sends more bytes and waits for what comes back. */
async function keptAlive() {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  open.push(socket);
  socket.on('error', () => undefined);
  const ask = async (bytes: string): Promise<string> => {
    socket.write(bytes);
    const [heard] = await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    return String(heard);
  };
  return { socket, ask, first: await ask(GET) };
}

it('an idle connection is kept longer than proxies keep theirs, though a slow request is not', async () => {
  const { ask, first } = await keptAlive();
  // What the server promises, and closes by.
  expect(Number(/^keep-alive: timeout=(\d+)/im.exec(first)?.[1])).toBeGreaterThan(120);

  // The time limit of headers passes over an idle connection, and holds for the next request on it.
  const slow = await keptAlive();
  slow.socket.write(GET.slice(0, 10));
  await once(slow.socket, 'close');
  expect(await ask(GET)).toMatch(/^HTTP\/1\.1 200 /);
}, 20_000);

it('idle connections beyond many are closed', async () => {
  const all = await Promise.all(Array.from({ length: 1_000 }, keptAlive));
  expect(all.every(({ first }) => first.startsWith('HTTP/1.1 200'))).toBe(true);
  const closed = Promise.all(all.map(({ socket }) => once(socket, 'close')));
  expect((await keptAlive()).first).toMatch(/^HTTP\/1\.1 200 /);
  await closed;
}, 20_000);
