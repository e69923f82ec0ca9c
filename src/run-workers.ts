import { randomUUID } from 'node:crypto';
import { isLive, isReady } from './bitrix24/auth/installation.ts';
import { toLanguage } from './bitrix24/rest/values.ts';
import type { Ahead, RunAhead } from './bitrix24/robots/read-ahead.ts';
import { parseItemRef } from './bitrix24/robots/robot-call.ts';
import { toRobotSettings } from './check-item.ts';
import type { Config } from './config.ts';
import { LEASE_MS } from './lib/work/leases.ts';
import { scopeLog } from './log.ts';
import type { Modules } from './modules.ts';
import { createOutboxLoop } from './outbox/outbox-loop.ts';
import { listTables } from './portal-rules.ts';
import type { Log } from './robot/ports/log.ts';
import { createRules } from './rules/fill/fill-inputs.ts';
import { type AnswerPorts, answerHandlers } from './runs/answer/answers.ts';
import { createBatchPace } from './runs/answer/batch-pace.ts';
import { type KeptCall, readCall } from './runs/intake/kept-call.ts';
import type { RunContext } from './runs/work/attempt.ts';
import { attemptRun } from './runs/work/lost-attempts.ts';
import { createOrphanedRuns } from './runs/work/orphaned-runs.ts';
import { createAttemptLocks } from './runs/work/overtaken.ts';
import { startWorkers } from './runs/work/queue/workers.ts';
import { createOutbox } from './store/outbox/outbox.ts';
import { createClaimedRuns } from './store/runs/claimed-runs.ts';
import type { StoredRun } from './store/runs/runs.ts';
import type { WorkPorts } from './work.ts';

/** Slots for waits whose time is over: they answer within seconds though all others hang on Directum. */
const LAST_SLOTS = 8;

/**
 * Works off runs and sends their answers, and whatever else is due in the outbox: a run that is due → an attempt → its robot →
 * the answer.
 */
export function startRunWorkers(
  config: Config,
  modules: Modules,
  ports: WorkPorts & { tickMs: number; onCancelled(robot: string): void },
) {
  const { robots, keys, store, openRuns, runs, waits, directum, portals, deals } = modules;
  const { log, now, random, metrics, tickMs, onCancelled, leaseMs = LEASE_MS.process } = ports;
  const { installations } = portals;
  const byCode = new Map(robots.map((robot) => [robot.code, robot]));
  const languageOf = (memberId: string) => toLanguage(installations.get(memberId)?.language ?? 'ru');

  const send: AnswerPorts['send'] = async (memberId, answers, priority) => {
    // Another process may have heard a moment ago that the portal dropped our robots (bitrix24.md I61).
    const known = await installations.fresh(memberId);
    if (!isReady(known) || !(await portals.installedRobots.isThere(memberId, priority)))
      return answers.map(() => 'retry');
    if (priority === 'answer') pace.left(memberId, answers.length);
    return portals.answers.send(memberId, answers, priority);
  };
  const pace = createBatchPace({
    batch: config.BITRIX24_ANSWER_BATCH,
    isBusy: (memberId) => workers.isBusy(memberId),
    wake: () => outbox.wake(['first']),
  });
  const answers = answerHandlers({
    queue: createOutbox(store.asyncCommitPool),
    send,
    members: () =>
      installations
        .list()
        .filter(isReady)
        .map(({ memberId }) => memberId)
        .filter(pace.isOpen),
    batch: config.BITRIX24_ANSWER_BATCH,
  });
  const outbox = createOutboxLoop({
    handlers: [...answers, ...deals.handlers],
    quarantine: deals.quarantine,
    seal: { decrypt: (text) => keys.decrypt(text) },
    now,
    log,
  });

  const orphanedRuns = createOrphanedRuns({
    open: openRuns,
    runs,
    isInstalled: (memberId) => isLive(installations.get(memberId)),
    isInstalledNow: async (memberId) => isLive(await installations.fresh(memberId)),
    knowsRobot: (code) => byCode.has(code),
    onCancelled,
    now,
    log,
  });

  /** What one attempt of a run sees of its portal, of Directum and of its item's documents. */
  function contextOf(
    run: StoredRun,
    call: KeptCall,
    isHeld: () => boolean,
    runLog: Log,
    ahead: Ahead | undefined,
  ): RunContext {
    const { memberId, itemCode, receivedAt } = run;
    const locks = createAttemptLocks(store.locks, isHeld);
    const item = parseItemRef(call.documentId);
    const { eventToken, workflowId } = call;
    const onAccepted = () => runs.proved(run.id);
    const proof = portals.proofOf(
      { memberId, eventToken, workflowId, receivedAt, accepted: run.proven, heard: ahead?.proof, onAccepted },
      runLog,
    );
    const portal = portals.reader(memberId, item ?? { typeId: 0, id: 0, code: itemCode }, runLog, proof, {
      access: call.access,
      many: ahead?.items,
    });
    return {
      language: languageOf(memberId),
      item,
      proof,
      locks,
      portal,
      rules: createRules({
        tables: () => listTables(store.ruleTables, run.portal),
        portal,
        timeZone: config.TIME_ZONE,
      }),
      directum: directum.forPortal({
        counterpartyLinks: store.counterpartyLinks(run.portal, itemCode, run.id),
        locks,
        absence: deals.observer.deletions.absence,
        log: runLog,
      }),
      slots: store.slots(run.portal, itemCode, run.id, locks),
    };
  }

  /** A run whose call cannot be read is attempted all the same, and ends by it. */
  function toRunAhead(run: StoredRun): RunAhead<StoredRun>[] {
    try {
      const call = readCall(keys.decrypt(run.call));
      const item = byCode.get(run.robot)?.waits ? null : parseItemRef(call.documentId);
      return [{ run, item, accepted: run.proven, ...call }];
    } catch {
      return [];
    }
  }

  const workers = startWorkers<Ahead>({
    claimed: createClaimedRuns(store.asyncCommitPool, store.content, randomUUID(), leaseMs),
    leaseMs,
    tickMs,
    slots: {
      ordinary: store.concurrencySlots('ordinary', config.DIRECTUM_CONCURRENCY),
      last: store.concurrencySlots('last', LAST_SLOTS),
    },
    lines: () => [
      ...installations
        .list()
        .filter(isLive)
        .flatMap(({ memberId }) =>
          robots.map(({ code, waits }) => ({ memberId, robot: code, waits: waits === true })),
        ),
      ...orphanedRuns.lines(),
    ],
    ahead: {
      isOpen: ({ memberId, robot }) =>
        byCode.has(robot) && !directum.isDown() && portals.readAhead.isOpen(memberId),
      read: (memberId, some, onReady) => portals.readAhead.read(memberId, some.flatMap(toRunAhead), onReady),
    },
    work: (run, isHeld, ahead) =>
      attemptRun(run, {
        runs,
        waits,
        waitMaxHours: config.WAIT_MAX_HOURS,
        robots: byCode,
        settings: toRobotSettings(config),
        seal: keys,
        contextOf: (run, call, runLog) => contextOf(run, call, isHeld, runLog, ahead),
        languageOf,
        circuit: directum,
        log,
        scope: (facts) => scopeLog(log, facts),
        now,
        random,
        delays: ports.attemptDelays,
        onEnd: ({ robot, receivedAt }, ending) => {
          metrics.runs.inc({ robot, ending });
          const seconds = Math.max(0, now().getTime() - receivedAt.getTime()) / 1000;
          metrics.runSeconds.observe({ robot }, seconds);
        },
        onWait: ({ robot }) => metrics.runs.inc({ robot, ending: 'waiting' }),
        onAnswer: () => outbox.wake(['first']),
      }),
    now,
    log,
  });

  return { workers, outbox, orphanedRuns };
}
