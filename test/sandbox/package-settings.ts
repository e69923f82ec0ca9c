import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import type { Directum } from './directum/directum.ts';
import type { Portal } from './portal/portal.ts';

/** Below the ports that systems give to outgoing connections, one of which would take it while its owner restarts. */
const FIRST_PORT = 20_000;
/** Each worker of a test run has its own, or two of them would take one port for two things. */
const OWN_PORTS = 1_000;
const WORKERS = 12;
const ownFirst = FIRST_PORT + (Number(process.env['VITEST_POOL_ID'] ?? 0) % WORKERS) * OWN_PORTS;
let next = randomInt(OWN_PORTS);

/** A port that was free a moment ago, and none that was given here lately. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = ownFirst + next;
    next = (next + 1) % OWN_PORTS;
    const server = createServer().listen(port, '127.0.0.1');
    const listens = await new Promise<boolean>((resolve) => {
      server.once('listening', () => resolve(true));
      server.once('error', () => resolve(false));
    });
    if (!listens) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** Settings of a package that stands between the two stand-ins. */
export function packageSettings(
  stands: { portal: Portal; directum: Directum },
  secrets: { clientId: string; clientSecret: string; login: string; password: string },
  place: { port: number; dataDir: string },
) {
  const { portal, directum } = stands;
  return {
    PORT: String(place.port),
    HOST: '127.0.0.1',
    PUBLIC_URL: `http://127.0.0.1:${place.port}`,
    DATA_DIR: place.dataDir,
    BITRIX24_CLIENT_ID: secrets.clientId,
    BITRIX24_CLIENT_SECRET: secrets.clientSecret,
    BITRIX24_PORTALS: portal.url,
    BITRIX24_OAUTH_SERVERS: portal.url,
    DIRECTUM_URL: directum.url,
    DIRECTUM_WEB_URL: directum.webUrl,
    DIRECTUM_LOGIN: secrets.login,
    DIRECTUM_PASSWORD: secrets.password,
    DIRECTUM_CONTRACT_KIND: 'Договор',
  };
}
