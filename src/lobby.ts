import { once } from 'node:events';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { robots } from '../robots/index.ts';
import { isEventForm, parseEvent } from './bitrix24/install/events.ts';
import { renderRefusal } from './bitrix24/install/install-page.ts';
import { toLanguage } from './bitrix24/rest/values.ts';
import { CallError, parseRobotCall } from './bitrix24/robots/robot-call.ts';
import { tell } from './command/trouble.ts';
import type { Config } from './config.ts';
import { createApp, EVENT_STATUS } from './http/app.ts';
import { createMetrics, UNMEASURED } from './http/metrics.ts';
import type { Log } from './robot/ports/log.ts';
import { type Entry, UNCHECKED_SHARE } from './runs/intake/call-intake.ts';
import { isOutage, wasTurnedAway } from './store/db/outage.ts';
import { loadSecretKeys } from './store/secrets/secrets.ts';
import { openDiskSpool } from './store/spool/disk-spool.ts';

const RETRY_MS = 1_000;
/** How often a start that waits says so. */
const SAY_EVERY = 30;
/**
 * Opens what needs the database. While a database of the operator's own does not answer, `server` already listens
 * and keeps calls and events in the spool, because Bitrix24 delivers each only once; nothing of them is checked or
 * done until the database is there.
 * @throws what `open` threw, unless it is an outage
 */
export async function openOrWait<Rooms>(
  open: () => Promise<Rooms>,
  server: Server,
  config: Config,
  { log, now }: { log: Log; now: () => Date },
): Promise<Rooms> {
  let lobby: Awaited<ReturnType<typeof openLobby>> | null = null;
  try {
    for (let tries = 0; ; tries += 1) {
      try {
        return await open();
      } catch (error) {
        if (config.DATABASE_URL === undefined || !isOutage(error) || wasTurnedAway(error)) throw error;
        if (tries % SAY_EVERY === 0)
          log.error('database.unreachable', { reason: tell(error, config).en, retryMs: RETRY_MS });
      }
      lobby ??= await openLobby(server, config, { log, now });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  } catch (error) {
    server.close();
    server.closeAllConnections();
    throw error;
  } finally {
    await lobby?.leave();
  }
}

/** The installer page while the database is away: what it is given cannot be kept. */
export function refuseInstall(query: Record<string, unknown>): { status: number; html: string } {
  return { status: 503, html: renderRefusal(toLanguage(String(query['LANG'] ?? 'en')), 'database_away') };
}

async function openLobby(server: Server, config: Config, { log, now }: { log: Log; now: () => Date }) {
  const keys = await loadSecretKeys({ secretKeys: config.SECRET_KEYS, dataDir: config.DATA_DIR });
  const spool = await openDiskSpool({ folder: join(config.DATA_DIR, 'spool'), keys, log });
  const metrics = createMetrics(async () => ({ ...UNMEASURED, spoolCalls: spool.waiting() }));

  async function keep(entry: Entry<unknown>): Promise<boolean> {
    try {
      await spool.append(JSON.stringify(entry), UNCHECKED_SHARE);
      return true;
    } catch (error) {
      log.error('call.not_spooled', { error });
      return false;
    }
  }

  async function event(form: unknown): Promise<'ok' | 'forbidden' | 'unavailable'> {
    if (parseEvent(form, now()) === null) return 'forbidden';
    return (await keep({ event: form, receivedAt: now().toISOString() })) ? 'ok' : 'unavailable';
  }

  const app = createApp({
    knownRobot: (code) => robots.some((robot) => robot.code === code),
    async takeCall(code, body) {
      try {
        const call = parseRobotCall(body);
        if (call.code !== code) return { result: 'bad', reason: 'code differs from the address' };
        const kept = await keep({ call, receivedAt: now().toISOString() });
        return { result: kept ? 'accepted' : 'unavailable' };
      } catch (error) {
        if (error instanceof CallError) return { result: 'bad', reason: error.message };
        throw error;
      }
    },
    async install(query, body) {
      if (!isEventForm(body)) return refuseInstall(query);
      return { status: EVENT_STATUS[await event(body)] };
    },
    event,
    async readiness() {
      const state = await spool.state();
      return {
        ready: state === 'ok',
        database: 'down',
        spool: { state, waiting: spool.waiting() },
        directum: 'down',
        portals: { total: 0, ok: 0 },
      };
    },
    metrics,
    opsToken: config.OPS_TOKEN ?? null,
    log,
  });
  server.on('request', app);
  server.listen(config.PORT, config.HOST);
  await once(server, 'listening');
  return {
    /** The caller puts its own handler in the place; what is under way here ends here. */
    async leave() {
      server.off('request', app);
      await spool.close();
    },
  };
}
