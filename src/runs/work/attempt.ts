import { type Language, type LocalText, RobotFailure } from '../../robot/failure.ts';
import type { DirectumPort } from '../../robot/ports/directum.ts';
import type { DocumentSlotsPort } from '../../robot/ports/document-slots.ts';
import type { AttemptLocks } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef, PortalPort } from '../../robot/ports/portal.ts';
import type { AnyRobot, RobotSettings } from '../../robot/robot.ts';
import { type Ending, failAgain, type Outcome, runRobot, toAnswer } from '../../robot/run-robot.ts';
import { toSeen } from '../../robot/signature.ts';
import { isOutage } from '../../store/db/outage.ts';
import type { NewAnswer, RunStore, StoredRun } from '../../store/runs/runs.ts';
import type { WaitStore } from '../../store/runs/waits.ts';
import { type KeptCall, readCall, toDeadline, toNextAttempt } from '../intake/kept-call.ts';
import { guardEffects } from './guard.ts';
import { Overtaken } from './overtaken.ts';

/** How a run of a call that its portal did not make ends; there is no answer, so it is no error code. */
const FORGED = 'forged';

/** What a run's portal gives to its robot. */
export interface RunContext {
  language: Language;
  item: ItemRef | null;
  portal: PortalPort;
  directum: DirectumPort;
  slots: DocumentSlotsPort;
  /** Whether the portal vouches for the call. */
  proof: CallProof;
  locks: AttemptLocks;
}

/** The portal's word on a call (interface.md §2): without it a run has no effect, whatever its robot comes to. */
export interface CallProof {
  isAccepted(): boolean;
  /** Somebody else made the call. */
  isForged(): boolean;
  /** Asks when it is not accepted yet. @throws RobotFailure that heals, or an error of its own for a forged call */
  demand(): Promise<void>;
}

export interface AttemptPorts {
  runs: RunStore;
  waits: WaitStore;
  /** WAIT_MAX_HOURS. */
  waitMaxHours: number;
  robots: ReadonlyMap<string, AnyRobot>;
  settings: Omit<RobotSettings, 'language'>;
  seal: { encrypt(text: string): string; decrypt(text: string): string };
  contextOf(run: StoredRun, call: KeptCall, log: Log): RunContext;
  /** The language of the run's portal. */
  languageOf(memberId: string): Language;
  /** Whether Directum is down, and whether a run that it did not answer may ask again. */
  circuit: { isDown(): boolean; admits(): boolean };
  log: Log;
  scope(facts: Record<string, unknown>): Log;
  now: () => Date;
  random: () => number;
  /** Seconds between attempts; absent = the usual ones. */
  delays?: readonly number[] | undefined;
  onEnd(run: StoredRun, ending: string): void;
  /** The run waits for the first time. */
  onWait(run: StoredRun): void;
  onAnswer(): void;
}

/**
 * One attempt of one run, from its row to its next state. A crash anywhere before the last write repeats the
 * attempt, which is why robots are idempotent. @throws when it came to no outcome
 */
export async function attemptOnce(run: StoredRun, robot: AnyRobot, ports: AttemptPorts): Promise<void> {
  const { runs, now } = ports;
  const call = readCall(ports.seal.decrypt(run.call));
  const log = ports.scope({ runId: run.id, robot: run.robot, item: run.itemCode });
  const startedAt = now();

  const around = ports.contextOf(run, call, log);
  const { proof } = around;
  // A robot that waits has its own limit from the first attempt on, whatever that attempt comes to.
  let { deadlineAt } = run;
  const attempted = () =>
    runRobot(robot, call.properties, {
      ...around,
      ...guardEffects(around),
      documentType: call.documentId[2],
      wait: {
        until: (hours) => {
          deadlineAt = toDeadline(run.countedFrom, hours ?? ports.waitMaxHours, call.timeoutSeconds ?? 0);
          return deadlineAt;
        },
        left: (until) => until.getTime() - now().getTime(),
        last: () => ports.waits.last(run.id),
        savedFile: () => ports.waits.savedFile(run.id),
        fileSaved: (sha256) => ports.waits.fileSaved(run.id, sha256),
      },
      settings: { ...ports.settings, language: around.language },
      log,
    });
  const known = inVain(run, robot, ports);
  const reached: Outcome =
    known === null
      ? await attempted()
      : failAgain(robot, 'directum_unavailable', known, run.lastValues ?? {});

  const finishedAt = now();
  // A blink of our own database is no answer to a deal: the attempt counts as lost and is made again.
  const ours = reached.kind === 'failed' && reached.code === 'internal_error' ? reached.cause : null;
  if (ours instanceof Overtaken || (isOutage(ours) && finishedAt < deadlineAt)) throw ours;
  const dropped = () => log.warn('attempt.dropped', { reason: 'the run is not this attempt’s any more' });
  // What is told needs the proof too, though nothing on the way did.
  const isAgain = reached.kind === 'failed' && reached.heals && finishedAt < deadlineAt;
  const missing = isAgain || proof.isForged() ? null : await unproven(robot, proof);
  if (proof.isForged()) {
    const forged = { startedAt, finishedAt, ending: FORGED, text: null };
    if (!(await runs.end(run.id, forged, {}, [], run))) return dropped();
    log.warn('run.forged', { attempt: run.attempts + 1 });
    ports.onEnd(run, FORGED);
    return;
  }
  const outcome = missing ?? reached;
  if (outcome.kind === 'waiting') {
    const { wait } = outcome;
    const seen = toSeen(wait.document);
    const fresh = await ports.waits.save(run, { startedAt, finishedAt }, { ...wait, seen });
    if (fresh === null) return dropped();
    log.info('run.waiting', { documentId: wait.documentId, until: wait.until.toISOString() });
    if (fresh) ports.onWait(run);
    return;
  }
  const failed = outcome.kind === 'failed';
  const attempt = {
    startedAt,
    finishedAt,
    ending: failed ? outcome.code : 'done',
    text: failed ? outcome.text : null,
  };
  const facts = {
    ending: attempt.ending,
    attempt: run.attempts + 1,
    ms: finishedAt.getTime() - startedAt.getTime(),
  };
  if (failed && outcome.heals && finishedAt < deadlineAt) {
    const nextAt = toNextAttempt(run.attempts, finishedAt, deadlineAt, ports.random, ports.delays);
    if (!(await runs.postpone(run, attempt, outcome.values, { nextAt, deadlineAt }))) return dropped();
    // It came back while this run was being put off, so nobody else would call the run.
    if (known !== null && !ports.circuit.isDown()) await runs.hasten(outcome.code, finishedAt);
    log.warn('run.postponed', { ...facts, text: outcome.text.en, nextAt: nextAt.toISOString() });
    return;
  }
  const ended = await runs.end(
    run.id,
    attempt,
    outcome.values,
    toAnswers(run, call.eventToken, outcome, around.language, ports),
    run,
  );
  if (!ended) return dropped();
  if (failed)
    log[outcome.code === 'internal_error' ? 'error' : 'warn']('run.failed', {
      ...facts,
      text: outcome.text.en,
      cause: outcome.cause,
    });
  else log.info('run.done', facts);
  ports.onEnd(run, attempt.ending);
  ports.onAnswer();
}

/** Why the portal does not vouch for the call yet; null when it does, or never will. */
async function unproven(robot: AnyRobot, proof: CallProof): Promise<Ending | null> {
  try {
    await proof.demand();
  } catch (error) {
    if (error instanceof RobotFailure) return failAgain(robot, error.code, error.text, {});
    if (!proof.isForged()) throw error;
  }
  return null;
}

/**
 * What failed the last attempt, when another would fail alike: while Directum is down a repeat would only cost the
 * portal its questions. A wait whose time is over is answered all the same, out of what was seen last.
 */
function inVain(run: StoredRun, robot: AnyRobot, ports: AttemptPorts): LocalText | null {
  const isWaitOver = robot.waits === true && ports.now() >= run.deadlineAt;
  if (isWaitOver || run.lastCode !== 'directum_unavailable' || ports.circuit.admits()) return null;
  return run.lastText;
}

/**
 * What the step is told that waits; `eventToken` is null where its call cannot be read, and then it cannot be told. Of one
 * that does not wait, a failure is told its item (interface.md §5, Failures).
 */
export function toAnswers(
  run: StoredRun,
  eventToken: string | null,
  outcome: Ending,
  language: Language,
  ports: Pick<AttemptPorts, 'seal' | 'now'>,
): NewAnswer[] {
  if (!run.wantsAnswer || eventToken === null) return [];
  const values = toAnswer(outcome, run.id, language);
  const payload = {
    eventToken,
    values,
    log: outcome.kind === 'failed' ? `Directum RX: ${values['error_text']}` : 'Directum RX: OK',
  };
  return [
    {
      runId: run.id,
      memberId: run.memberId,
      number: 1,
      dueAt: ports.now(),
      kind: 'result',
      payload: ports.seal.encrypt(JSON.stringify(payload)),
    },
  ];
}
