import { createServer, type Server } from 'node:http';

/**
 * A server whose callers cannot hold it by being slow: a portal's call is a small form, so its headers come within 5 s
 * and all of it within 10 s, or the connection is closed with 408 (OWASP API4).
 */
export function createSlowProofServer(): Server {
  return createServer({
    headersTimeout: 5_000,
    requestTimeout: 10_000,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 10_000,
    maxHeaderSize: 16 * 1024,
  });
}
