import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';

/**
 * Longer than proxies keep an idle connection to us (nginx and balancers a minute, Go's 90 s, Caddy two minutes): the proxy
 * must be the one that closes, because a call that it sends at the moment we close is lost.
 */
const IDLE_MS = 130_000;
/** With more connections than this the idle ones are closed, so that strangers cannot use all of them up. */
const MANY = 1_000;

/**
 * A server that slow callers cannot keep busy: a portal's call is a small form, so its headers come within 5 s
 * and all of it within 10 s, or the connection is closed with 408 (OWASP API4). Both count from a request's first
 * byte, so they do not concern a connection that is idle between two requests.
 */
export function createSlowProofServer(app: RequestListener): Server {
  const options = {
    headersTimeout: 5_000,
    requestTimeout: 10_000,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: IDLE_MS,
    maxHeaderSize: 16 * 1024,
  };
  const server = createServer(options, app);
  let open = 0;
  server.on('connection', (socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
    if (open > MANY) server.closeIdleConnections();
  });
  return server;
}

/** Begins to take calls, unless it does already. @throws when the address is taken or not this machine's */
export async function listen(server: Server, port: number, host: string): Promise<void> {
  if (server.listening) return;
  server.listen(port, host);
  await once(server, 'listening');
}

/** Takes no more calls and lets those under way end, for 3 s at the most. */
export function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  setTimeout(() => server.closeAllConnections(), 3_000).unref();
  return closed;
}
