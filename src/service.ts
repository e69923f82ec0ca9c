import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { robots } from '../robots/index.ts';
import { isLive, isReady } from './bitrix24/auth/installation.ts';
import { isEventForm, parseEvent } from './bitrix24/install/events.ts';
import type { Removed } from './bitrix24/install/removals.ts';
import { toLanguage } from './bitrix24/rest/values.ts';
import { CallError, parseItemRef, parseRobotCall, type RobotCall } from './bitrix24/robots/robot-call.ts';
import type { Config } from './config.ts';
import { type AppPorts, createApp, EVENT_STATUS, type Readiness } from './http/app.ts';
import { createSlowProofServer } from './http/server.ts';
import { createHealthProbe } from './lib/health-probe.ts';
import { LEASE_MS } from './lib/leases.ts';
import { createLoop } from './lib/loop.ts';
import { within } from './lib/timeout.ts';
import { openOrWait, refuseInstall } from './lobby.ts';
import { scopeLog } from './log.ts';
import type { Log } from './robot/ports/log.ts';
import { DATABASE_MS, openRooms } from './rooms.ts';
import { createDelivery } from './runs/answer/deliver.ts';
import { createCallIntake } from './runs/intake/call-intake.ts';
import { toDeadline, toKeptCall, toRunId } from './runs/intake/kept-call.ts';
import { createCallWriter } from './runs/intake/write-calls.ts';
import { attemptRun } from './runs/work/lost-attempts.ts';
import { createOrphanedRuns } from './runs/work/orphaned-runs.ts';
import { createAttemptLocks } from './runs/work/overtaken.ts';
import { createWatch } from './runs/work/watch.ts';
import { startWorkers } from './runs/work/workers.ts';
import { createAnswerStore } from './store/runs/answers.ts';
import { createClaimedRuns } from './store/runs/claimed-runs.ts';

/** Runs that all processes together work on at a time. */
const SLOTS = 12;
/** Further ones, for waits whose time is over: they answer within seconds though all others hang on Directum. */
const LAST_SLOTS = 8;
const TICK_MS = 1000;
const RELOAD_MS = 5000;
/** How soon a change that Directum's `Modified` does not show is noticed (interface.md, directum_wait_signature). */
const RESCAN_MS = 3_600_000;
/** A stop takes no longer, whatever hangs. */
const STOP_MS = 9_500;
/** Together they keep what /readyz says of Directum younger than a minute (interface.md §2). */
const PING_MS = 30_000;
const PING_LIMIT_MS = 20_000;
/** How long a removal's event waits for the portal to confirm it. */
const REMOVAL_MS = 500;
/** How long a first question about readiness waits for Directum's first answer. */
const FIRST_PING_MS = 1_000;

export interface ServicePorts {
  log: Log;
  now: () => Date;
  random: () => number;
  /** How often every watched document is read again; an hour unless a test is in a hurry. */
  rescanMs?: number;
  /** How long a run is left to a process that may have died; 12 s unless a test is in a hurry. */
  leaseMs?: number;
  /** How often it looks for what became due; a second unless a test is in a hurry. */
  tickMs?: number;
  /** Seconds between the attempts of a run; 5 and more unless a test is in a hurry. */
  attemptDelays?: readonly number[];
}

export interface Service {
  port: number;
  /** Stops taking calls, lets running attempts end, closes everything; 10 s at the most. */
  stop(): Promise<void>;
}

/** Starts the whole package: database, routes, jobs and answers. @throws when it cannot listen or reach its database */
export async function startService(config: Config, ports: ServicePorts): Promise<Service> {
  if (config.ignoredProxies.length > 0)
    ports.log.warn('proxy.ignored', { settings: config.ignoredProxies, instead: 'OUTBOUND_PROXY' });
  const { log, now, random, leaseMs = LEASE_MS.process, tickMs = TICK_MS, attemptDelays } = ports;
  const server = createSlowProofServer();
  const rooms = await openOrWait(() => openRooms(config, ports), server, config, ports);
  const { keys, store, spool, calls, runs, waits, metrics, directum, portals, deals } = rooms;
  const byCode = new Map(robots.map((robot) => [robot.code, robot]));

  const delivery = createDelivery({
    answers: createAnswerStore(store.asyncCommitPool),
    send: async (memberId, answers, priority) => {
      // Another process may have heard a moment ago that the portal dropped our robots (bitrix24.md I61).
      const known = await portals.installations.fresh(memberId);
      if (!isReady(known) || !(await portals.installedRobots.isThere(memberId, priority)))
        return answers.map(() => 'retry');
      return portals.answers.send(memberId, answers, priority);
    },
    members: () =>
      portals.installations
        .list()
        .filter(isReady)
        .map((installation) => installation.memberId),
    decrypt: (text) => keys.decrypt(text),
    batch: config.BITRIX24_ANSWER_BATCH,
    now,
    log,
  });

  const languageOf = (memberId: string) => toLanguage(portals.installations.get(memberId)?.language ?? 'ru');
  const writer = createCallWriter(calls, () => workers.wake());
  const orphanedRuns = createOrphanedRuns({
    open: rooms.open,
    runs,
    isInstalled: (memberId) => isLive(portals.installations.get(memberId)),
    isInstalledNow: async (memberId) => isLive(await portals.installations.fresh(memberId)),
    knowsRobot: (code) => byCode.has(code),
    onCancelled: (robot) => metrics.runs.inc({ robot, ending: 'cancelled' }),
    now,
    log,
  });
  const orphans = createLoop(async () => {
    await orphanedRuns.find();
    return false;
  }, log);
  const lines = () => [
    ...portals.installations
      .list()
      .filter(isLive)
      .flatMap(({ memberId }) =>
        robots.map((robot) => ({ memberId, robot: robot.code, waits: robot.waits === true })),
      ),
    ...orphanedRuns.lines(),
  ];
  const workers = startWorkers({
    claimed: createClaimedRuns(store.asyncCommitPool, randomUUID(), leaseMs),
    leaseMs,
    tickMs,
    slots: {
      ordinary: store.concurrencySlots('ordinary', SLOTS),
      last: store.concurrencySlots('last', LAST_SLOTS),
    },
    lines,
    now,
    log,
    work: (run, isHeld) => {
      const locks = createAttemptLocks(store.locks, isHeld);
      return attemptRun(run, {
        runs,
        waits,
        waitMaxHours: config.WAIT_MAX_HOURS,
        robots: byCode,
        settings: {
          contractKind: config.DIRECTUM_CONTRACT_KIND ?? null,
          businessUnit: config.DIRECTUM_BUSINESS_UNIT ?? null,
          responsible: config.DIRECTUM_RESPONSIBLE ?? null,
          timeZone: config.TIME_ZONE,
        },
        seal: keys,
        contextOf: (run, call, runLog) => {
          const item = parseItemRef(call.documentId);
          const language = languageOf(run.memberId);
          const { eventToken, workflowId } = call;
          const proof = portals.proofOf(
            {
              memberId: run.memberId,
              item,
              eventToken,
              workflowId,
              receivedAt: run.receivedAt,
              accepted: run.proven,
              onAccepted: () => runs.proved(run.id),
            },
            runLog,
          );
          const ref = item ?? { typeId: 0, id: 0, code: run.itemCode };
          const portal = portals.reader(run.memberId, ref, runLog, proof);
          return {
            language,
            item,
            portal: {
              ...portal,
              saveFile: async (fieldCode, file) => {
                locks.check();
                await portal.saveFile(fieldCode, file);
              },
            },
            directum: directum.forPortal({
              counterpartyLinks: store.counterpartyLinks(run.portal),
              locks,
              absence: deals.observer.deletions.absence,
              log: runLog,
            }),
            slots: store.slots(run.portal, run.itemCode, run.id, locks),
            proof,
          };
        },
        languageOf,
        circuit: directum,
        log,
        scope: (facts) => scopeLog(log, facts),
        now,
        random,
        delays: attemptDelays,
        onEnd: (run, ending) => {
          metrics.runs.inc({ robot: run.robot, ending });
          metrics.runSeconds.observe(
            { robot: run.robot },
            Math.max(0, now().getTime() - run.receivedAt.getTime()) / 1000,
          );
        },
        onWait: (run) => metrics.runs.inc({ robot: run.robot, ending: 'waiting' }),
        onAnswer: delivery.wake,
      });
    },
  });
  const watch = createWatch({
    waits,
    documents: deals.documents,
    observer: deals.observer,
    changes: directum.changes,
    documentContext: directum.documentContext,
    atCommonRate: deals.paced,
    pollMs: config.DIRECTUM_POLL_SECONDS * 1000,
    rescanMs: ports.rescanMs ?? RESCAN_MS,
    now,
    onWake: workers.wake,
    log,
  });
  // Apart from the questions to Directum, which may take long: a deadline always fires.
  const deadlines = createLoop(async () => {
    if ((await waits.wakeExpired(now())) > 0) workers.wake();
    return false;
  }, log);
  const clock = createLoop(async () => {
    await store.clock.look();
    return false;
  }, log);
  const polling = createLoop(async () => {
    await watch.poll();
    return false;
  }, log);
  const rescanning = createLoop(watch.rescan, log);
  await deals.restartDates();
  // Each on its own: a portal that is slow with triggers does not hold up what deals show.
  const projection = Object.values(deals.steps).map((step) => createLoop(step, log));
  const callIntake = createCallIntake<RobotCall>({
    writer,
    calls,
    spool,
    check: portals.proof.checkCall,
    reload: portals.installations.load,
    toRun: (call, receivedAt) => ({
      id: toRunId(call.memberId, call.eventToken),
      memberId: call.memberId,
      portal: portals.installations.get(call.memberId)?.portalKey ?? call.memberId,
      robot: call.code,
      itemCode: call.documentId[2],
      call: JSON.stringify(toKeptCall(call)),
      wantsAnswer: call.useSubscription,
      receivedAt,
      deadlineAt: toDeadline(receivedAt, config.RUN_MAX_HOURS, call.timeoutSeconds),
    }),
    handleEvent,
    maxHours: config.RUN_MAX_HOURS,
    onAccepted: () => workers.wake(),
    now,
    log,
  });

  async function takeCall(code: string, body: unknown): ReturnType<AppPorts['takeCall']> {
    let call: RobotCall;
    try {
      call = parseRobotCall(body);
    } catch (error) {
      if (error instanceof CallError) return { result: 'bad', reason: error.message };
      throw error;
    }
    if (call.code !== code) return { result: 'bad', reason: 'code differs from the address' };
    try {
      return { result: await callIntake.take(call) };
    } catch (error) {
      log.error('call.not_kept', { error, robot: code });
      return { result: 'bad', reason: 'the call holds text that cannot be kept' };
    }
  }

  async function handleEvent(body: unknown): Promise<'ok' | 'forbidden'> {
    const handled = await portals.installer.handleEvent(body);
    // Most portals say it at once: then nothing more of this one is taken when its event is answered.
    if (handled.removal) await within(REMOVAL_MS, checkRemovals()).catch(() => undefined);
    return handled.result;
  }

  /** Runs of a portal that let us go end with it; with CLEAN=1 what links its items to Directum goes too. */
  async function tidy({ memberId, portalKey, clean }: Removed): Promise<void> {
    const cancelled = await runs.cancelOf(memberId, now());
    for (const robot of cancelled) metrics.runs.inc({ robot, ending: 'cancelled' });
    await deals.dropFailures(portalKey);
    if (!clean) return;
    await store.forgetPortal(portalKey);
    await deals.forget(portalKey);
  }
  const checkRemovals = () => portals.removals.check(tidy);

  const event: AppPorts['event'] = async (body) =>
    parseEvent(body, now()) === null ? 'forbidden' : callIntake.takeEvent(body);

  async function install(query: Record<string, unknown>, body: unknown): ReturnType<AppPorts['install']> {
    if (isEventForm(body)) return { status: EVENT_STATUS[await event(body)] };
    if (!(await callIntake.isDatabaseThere())) {
      return refuseInstall(query);
    }
    return portals.installer.openPage(query, body);
  }

  const directumProbe = createHealthProbe(() => directum.ping(), {
    everyMs: PING_MS,
    limitMs: PING_LIMIT_MS,
  });
  const firstProbe = within(FIRST_PING_MS, directumProbe.first).catch(() => undefined);

  async function readiness(): Promise<Readiness> {
    await firstProbe;
    let isBlind = false;
    const [database, spoolState] = await Promise.all([
      within(DATABASE_MS, deals.isBlind()).then(
        (found) => {
          isBlind = found;
          return 'ok' as const;
        },
        () => 'down' as const,
      ),
      spool.state(),
    ]);
    const live = portals.installations.list().filter(isLive);
    return {
      ready: database === 'ok' || spoolState === 'ok',
      database,
      spool: { state: spoolState, waiting: spool.waiting() },
      directum: isBlind ? 'down' : directumProbe.state(),
      portals: {
        total: live.length,
        ok: live.filter((installation) => installation.state === 'active').length,
      },
    };
  }

  const app = createApp({
    knownRobot: (code) => byCode.has(code),
    takeCall,
    install,
    event,
    readiness,
    metrics,
    opsToken: config.OPS_TOKEN ?? null,
    log,
  });
  server.on('request', app);
  if (!server.listening) {
    server.listen(config.PORT, config.HOST);
    await once(server, 'listening').catch(async (error) => {
      // Nobody else would stop the database that was started for it.
      await Promise.all([workers.stop(), callIntake.stop()]);
      await rooms.close();
      throw error;
    });
  }

  // One after the other: all at once they would want a database connection each, for a question of a millisecond.
  const ticking = [
    delivery.wake,
    portals.registration.check,
    checkRemovals,
    ...[clock, orphans, deadlines, polling, rescanning, ...projection].map(({ wake }) => wake),
  ];
  let turn = 0;
  const timers = [
    setInterval(() => {
      ticking[turn]?.();
      turn = (turn + 1) % ticking.length;
    }, tickMs / ticking.length),
    setInterval(() => void portals.installations.reload(), RELOAD_MS),
  ];
  delivery.wake();
  const { port } = server.address() as AddressInfo;
  log.info('service.started', { port, portals: portals.installations.list().length });

  async function end(): Promise<void> {
    for (const timer of timers) clearInterval(timer);
    directumProbe.stop();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 3000).unref();
    // What still asks a platform is not waited for beyond these limits: the next start asks again.
    const asking = [portals.registration, portals.removals];
    const loops = [clock, orphans, deadlines, polling, rescanning, ...asking, ...projection];
    await Promise.all([
      closed.then(callIntake.stop),
      workers.stop(),
      within(2000, Promise.all(loops.map((loop) => loop.stop()))).catch(() => undefined),
    ]);
    await within(1500, delivery.stop()).catch(() => undefined);
    await rooms.close();
    log.info('service.stopped');
  }
  let stopped: Promise<void> | null = null;
  return {
    port,
    stop() {
      // A database that says nothing would hold it for ever; what is not written then is on the disk or done again.
      stopped ??= within(STOP_MS, end()).catch((error) => log.warn('service.stop_cut_off', { error }));
      return stopped;
    },
  };
}
