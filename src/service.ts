import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { isEventForm, parseEvent } from './bitrix24/install/events.ts';
import { renderDatabaseAway } from './bitrix24/install/install-page.ts';
import { type RobotCall, readRobotCall } from './bitrix24/robots/robot-call.ts';
import { tell } from './command/trouble.ts';
import type { Config } from './config.ts';
import { type AppPorts, createApp, EVENT_STATUS } from './http/app.ts';
import { createMetrics, UNMEASURED } from './http/metrics.ts';
import { createReadiness, DATABASE_MS } from './http/readiness.ts';
import { closeServer, createSlowProofServer, listen } from './http/server.ts';
import { within } from './lib/work/timeout.ts';
import { measure, openModules } from './modules.ts';
import { loadRobots } from './own-robots/load-robots.ts';
import { createCallIntake } from './runs/intake/call-intake.ts';
import { toRun } from './runs/intake/kept-call.ts';
import { createCallWriter } from './runs/intake/write-calls.ts';
import { awaitDatabase, RETRY_MS } from './store/db/await-database.ts';
import type { IncomingCalls } from './store/runs/incoming-calls.ts';
import { loadSecretKeys } from './store/secrets/secrets.ts';
import { openDiskSpool } from './store/spool/disk-spool.ts';
import { startWork, type WorkPorts } from './work.ts';

/** A stop takes no longer, whatever hangs. */
const STOP_MS = 9_500;

export interface Service {
  port: number;
  /** Stops taking calls, lets running attempts end, closes everything; 10 s at the most. */
  stop(): Promise<void>;
}

/**
 * Starts the whole package. While a database of the operator's own does not answer, it already listens and keeps calls and
 * events on the disk, because Bitrix24 delivers each only once. @throws when it cannot listen or use its database
 */
export async function startService(config: Config, ports: Omit<WorkPorts, 'metrics'>): Promise<Service> {
  const { log, now } = ports;
  if (config.ignoredProxies.length > 0)
    log.warn('proxy.ignored', { settings: config.ignoredProxies, instead: 'OUTBOUND_PROXY' });
  const robots = await loadRobots(config.ROBOTS_DIR);
  const keys = await loadSecretKeys({ secretKeys: config.SECRET_KEYS, dataDir: config.DATA_DIR });
  const spool = await openDiskSpool({ folder: join(config.DATA_DIR, 'spool'), keys, log });
  let running: Awaited<ReturnType<typeof start>> | null = null;
  /** @throws before the database was reached: what needs it is left to the spool */
  const opened = () => {
    if (running === null) throw new Error('the database has not been reached yet');
    return running;
  };
  const metrics = createMetrics(async () => ({
    ...(await within(DATABASE_MS, (async () => measure(opened().modules, now()))()).catch(() => UNMEASURED)),
    spoolCalls: spool.waiting(),
  }));

  async function start() {
    const modules = await openModules(config, { ...ports, robots, keys, metrics });
    return { modules, work: await startWork(config, modules, { ...ports, metrics }) };
  }

  const calls: Pick<IncomingCalls, 'accept'> = {
    accept: async (found) => opened().modules.calls.accept(found),
  };
  const intake = createCallIntake<RobotCall>({
    writer: createCallWriter(calls, () => running?.work.wake()),
    calls,
    spool,
    check: async (call) => opened().modules.portals.checkCall(call),
    reload: async () => opened().modules.portals.installations.load(),
    toRun: (call, receivedAt) => {
      const portal = opened().modules.portals.installations.get(call.memberId)?.portalKey ?? call.memberId;
      return toRun(call, { portal, receivedAt, maxHours: config.RUN_MAX_HOURS });
    },
    handleEvent: async (form) => opened().work.handleEvent(form),
    maxHours: config.RUN_MAX_HOURS,
    onAccepted: () => running?.work.wake(),
    now,
    log,
  });

  const takeCall: AppPorts['takeCall'] = async (code, body) => {
    const read = readRobotCall(code, body);
    if ('reason' in read) return { result: 'bad', reason: read.reason };
    try {
      return { result: await intake.take(read.call) };
    } catch (error) {
      log.error('call.not_kept', { error, robot: code });
      return { result: 'bad', reason: 'the call holds text that cannot be kept' };
    }
  };
  const event: AppPorts['event'] = async (body) =>
    parseEvent(body, now()) === null ? 'forbidden' : intake.takeEvent(body);
  const install: AppPorts['install'] = async (query, body) => {
    if (isEventForm(body)) return { status: EVENT_STATUS[await event(body)] };
    if (!(await intake.isDatabaseThere())) return { status: 503, html: renderDatabaseAway(query) };
    return opened().modules.portals.installer.openPage(query, body);
  };
  const readiness = createReadiness({
    spool,
    isBlind: async () => opened().modules.deals.isBlind(),
    directum: () => running?.work.probe ?? null,
    installations: () => running?.modules.portals.installations.list() ?? [],
  });
  const app = createApp({
    // A call of a robot that was registered once is answered, though nobody does its work any more.
    knownRobot: (code) =>
      robots.some((robot) => robot.code === code) || running?.modules.portals.hasRegistered(code) === true,
    takeCall,
    install,
    event,
    readiness,
    metrics,
    count(robot, result) {
      metrics.count(robot, result);
      running?.work.refused.count(robot, result);
    },
    opsToken: config.OPS_TOKEN ?? null,
    log,
  });
  const server = createSlowProofServer(app);

  async function end(): Promise<void> {
    await Promise.all([closeServer(server).then(intake.stop), running?.work.stop()]);
    if (running === null) return;
    await running.modules.close();
    log.info('service.stopped');
  }
  let stopped: Promise<void> | null = null;
  // A database that says nothing would hold it for ever; what is not written then is on the disk or done again.
  const stop = () =>
    (stopped ??= within(STOP_MS, end()).catch((error) => log.warn('service.stop_cut_off', { error })));

  try {
    running = await awaitDatabase(start, async (error, isToBeSaid) => {
      if (config.DATABASE_URL === undefined) throw error;
      if (isToBeSaid)
        log.error('database.unreachable', { reason: tell(error, config).en, retryMs: RETRY_MS });
      await listen(server, config.PORT, config.HOST);
    });
    await listen(server, config.PORT, config.HOST);
  } catch (error) {
    // Nobody else would stop the database that was started for it.
    server.closeAllConnections();
    await stop();
    throw error;
  }
  intake.start();
  const { port } = server.address() as AddressInfo;
  log.info('service.started', { port, portals: running.modules.portals.installations.list().length });
  return { port, stop };
}
