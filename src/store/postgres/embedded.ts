import { existsSync } from 'node:fs';
import { appendFile, readFile, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import pg from 'pg';
import type { Log } from '../../robot/ports/log.ts';
import { NotThere, ToldError } from '../db/told-error.ts';
import { type Binaries, openBinaries } from './binaries.ts';
import { isProcessLive, openGuests } from './guests.ts';
import { isMade, openPlace, type Place, saveState, writeFor } from './place.ts';

const USER = 'directum';
const START_SECONDS = 60;
const ANSWER_MS = 60_000;
const WATCH_MS = 2_000;

/** The server is still replaying its log, or going down. */
const NOT_NOW = new Set(['57P03', '57P01']);

export interface EmbeddedPostgres {
  url: string;
  /** Leaves the server; the last one who leaves stops it. */
  stop(): Promise<void>;
}

/**
 * PostgreSQL of DATA_DIR for an installation without DATABASE_URL. A server that runs already, left by a killed
 * process or shared with a live one, is adopted; one that dies is started again on the same port.
 * @throws NotThere instead of making a cluster, with `onlyOpen`
 */
export async function startEmbedded(options: {
  dataDir: string;
  log: Log;
  onlyOpen?: boolean | undefined;
}): Promise<EmbeddedPostgres> {
  const { dataDir, log } = options;
  if (options.onlyOpen) await requireEmbedded(dataDir);
  const guests = await openGuests(dataDir);
  // Two first starts at once must not choose two passwords.
  const place = await guests.alone(() => openPlace(dataDir));
  let binaries: Binaries | null = null;

  const up = () =>
    guests.alone(async () => {
      // Another process may have started it on a port chosen meanwhile.
      place.port = (await openPlace(dataDir)).port;
      const adopted = await adopt(place);
      if (adopted !== null) {
        place.port = adopted;
        log.info('postgres.adopted', { port: adopted });
        return;
      }
      binaries ??= await openBinaries(place);
      if (!existsSync(place.cluster)) await initialize(binaries, place, log);
      await start(binaries, place, log);
      await saveState(dataDir, place);
    });

  const guest = await guests.enter();
  try {
    await up();
  } catch (error) {
    await guest.leave();
    throw error;
  }

  let stopped: Promise<void> | null = null;
  let reviving = false;
  const watch = setInterval(async () => {
    if (reviving || stopped || (await serverPid(place)) !== null) return;
    reviving = true;
    try {
      if (!stopped) {
        log.error('postgres.lost', { port: place.port });
        await up();
      }
    } catch (error) {
      log.error('postgres.start_failed', { reason: String(error) });
    } finally {
      reviving = false;
    }
  }, WATCH_MS);
  watch.unref();

  const stop = () =>
    guests.alone(async () => {
      await guest.leave();
      if ((await guests.count()) > 0 || (await serverPid(place)) === null) return;
      binaries ??= await openBinaries(place);
      const args = ['stop', '-D', place.cluster, '-m', 'fast', '-w', '-t', String(START_SECONDS)];
      const { code, output } = await binaries.run('pg_ctl', args);
      if (code !== 0 && (await serverPid(place)) !== null)
        throw new Error(`PostgreSQL did not stop: ${output}`);
      log.info('postgres.stopped');
    });

  return {
    url: urlOf(place),
    stop() {
      clearInterval(watch);
      stopped ??= stop();
      return stopped;
    },
  };
}

/** @throws NotThere when no cluster was ever made in `dataDir`; makes nothing */
export async function requireEmbedded(dataDir: string): Promise<void> {
  if (await isMade(dataDir)) return;
  const path = resolve(dataDir);
  throw new NotThere({
    en: `There is no database yet: DATA_DIR is ${path}, and DATABASE_URL is not set. Start the service once (npm start), or name the DATA_DIR or DATABASE_URL it has.`,
    ru: `Базы данных ещё нет: DATA_DIR — ${path}, DATABASE_URL не задан. Запустите сервис (npm start) или укажите его DATA_DIR либо DATABASE_URL.`,
  });
}

/** The folder appears under its name only when complete, so a crash in between leaves nothing to mistake. */
async function initialize(binaries: Binaries, place: Place, log: Log): Promise<void> {
  const began = performance.now();
  const draft = join(place.home, 'cluster.new');
  const passwordFile = join(place.home, 'password');
  await rm(draft, { recursive: true, force: true });
  await writeFor(place.user, passwordFile, place.password);
  try {
    const { code, output } = await binaries.run('initdb', [
      `--pgdata=${draft}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--locale=C',
      '--lc-messages=C',
      '--encoding=UTF8',
    ]);
    if (code !== 0)
      throw new ToldError({
        en: `DATA_DIR: the database cannot be made in ${place.home}: ${output}`,
        ru: `DATA_DIR: базу данных не создать в ${place.home}: ${output}`,
      });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await appendFile(join(draft, 'postgresql.conf'), "\ninclude = 'directum.conf'\n");
  await rename(draft, place.cluster);
  log.info('postgres.initialized', { home: place.home, version: binaries.version, ms: since(began) });
}

async function start(binaries: Binaries, place: Place, log: Log): Promise<void> {
  const began = performance.now();
  const logFile = join(place.home, 'start.log');
  let wanted = place.port;
  for (let attempt = 1; ; attempt += 1) {
    place.port = await freePort(wanted);
    await writeFor(place.user, join(place.cluster, 'directum.conf'), settings(place.port));
    await writeFor(place.user, logFile, '');
    const args = ['start', '-D', place.cluster, '-l', logFile, '-w', '-t', String(START_SECONDS)];
    const { code, output } = await binaries.run('pg_ctl', args);
    if (code === 0) break;
    const reason = (await readFile(logFile, 'utf8').catch(() => '')).slice(-2000).trim();
    // Another program may have taken the port since it was found free.
    const taken = reason.includes('could not bind');
    if (!taken || attempt === 5)
      throw new ToldError({
        en: `DATA_DIR: PostgreSQL in ${place.home} did not start: ${reason || output}`,
        ru: `DATA_DIR: PostgreSQL в ${place.home} не запустился: ${reason || output}`,
      });
    wanted = 0;
  }
  log.info('postgres.started', { port: place.port, ms: since(began) });
}

function settings(port: number): string {
  return `# Written at every start.
listen_addresses = '127.0.0.1'
port = ${port}
unix_socket_directories = ''
max_connections = 60
shared_buffers = 32MB
fsync = on
synchronous_commit = on
wal_level = minimal
max_wal_senders = 0
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_rotation_age = 1d
log_truncate_on_rotation = on
log_min_error_statement = panic
`;
}

/** The port of the running server of this cluster, or null when there is none. */
async function adopt(place: Place): Promise<number | null> {
  for (const until = performance.now() + ANSWER_MS; ; ) {
    const server = await serverPid(place);
    if (server === null) return null;
    const client = new pg.Client({
      connectionString: urlOf({ ...place, port: server.port }),
      connectionTimeoutMillis: 5_000,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return server.port;
    } catch (error) {
      const code = String((error as NodeJS.ErrnoException).code);
      if (code === 'ECONNREFUSED' && !(await isPostgres(server.pid))) return null;
      if ((code !== 'ECONNREFUSED' && !NOT_NOW.has(code)) || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** From `postmaster.pid`: line 1 the process, line 4 the port. */
async function serverPid(place: Place): Promise<{ pid: number; port: number } | null> {
  const text = await readFile(join(place.cluster, 'postmaster.pid'), 'latin1').catch(() => '');
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!pid || !isProcessLive(pid)) return null;
  return { pid, port: Number(lines[3]) || place.port || 1 };
}

/** After a reboot the process id in a stale file may be that of any program. Without /proc the time limit decides. */
async function isPostgres(pid: number): Promise<boolean> {
  if (!existsSync('/proc/self/comm')) return true;
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim() === 'postgres';
}

/** The wanted port if it is free, else one the system gives. */
function freePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => (wanted ? resolve(freePort(0)) : reject(error)));
    server.listen({ port: wanted, host: '127.0.0.1' }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : wanted));
    });
  });
}

function urlOf(place: Place): string {
  return `postgres://${USER}:${place.password}@127.0.0.1:${place.port}/postgres`;
}

function since(began: number): number {
  return Math.round(performance.now() - began);
}
