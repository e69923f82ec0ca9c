import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** A forward proxy of this machine: absolute addresses for http, CONNECT for https; it keeps what it was asked. */
export async function startProxy() {
  const asked: { what: string; authorization: string | undefined }[] = [];
  const sockets = new Set<Socket>();
  /** Ports of this machine that tunnels come from, as their targets see them. */
  const tunnels = new Set<number | undefined>();
  const server = createServer((incoming, answer) => {
    const { 'proxy-authorization': authorization, ...headers } = incoming.headers;
    asked.push({ what: `${incoming.method} ${incoming.url}`, authorization });
    const onward = request(incoming.url ?? '', { method: incoming.method, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    incoming.pipe(onward);
  });
  server.on('connect', (incoming, socket: Socket, head) => {
    asked.push({ what: `CONNECT ${incoming.url}`, authorization: incoming.headers['proxy-authorization'] });
    const [host, port] = String(incoming.url).split(':');
    const onward = connect(Number(port), host, () => {
      tunnels.add(onward.localPort);
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    for (const one of [socket, onward]) {
      sockets.add(one);
      one.on('error', () => undefined);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    asked,
    tunnels,
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
  };
}
