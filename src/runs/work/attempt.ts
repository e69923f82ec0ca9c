import { type Language, type LocalText, RobotFailure } from '../../robot/failure.ts';
import type { DirectumPort } from '../../robot/ports/directum.ts';
import type { DocumentSlotsPort } from '../../robot/ports/document-slots.ts';
import type { AttemptLocks } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef, PortalPort } from '../../robot/ports/portal.ts';
import type { AnyRobot, RobotSettings } from '../../robot/robot.ts';
import type { RulesPort } from '../../robot/rules/port.ts';
import { type Ending, failAgain, isCheck, type Outcome, runRobot, toAnswer } from '../../robot/run-robot.ts';
import { toSeen } from '../../robot/signature.ts';
import { isOutage } from '../../store/db/outage.ts';
import type { NewAnswer, RunStore, StoredRun } from '../../store/runs/runs.ts';
import type { WaitStore } from '../../store/runs/waits.ts';
import { type KeptCall, readCall, toDeadline, toNextAttempt } from '../intake/kept-call.ts';
import { guardEffects } from './guard.ts';
import { Overtaken } from './overtaken.ts';

/** The ending of a run whose call its portal did not make; there is no answer, so it is no error code. */
const FORGED = 'forged';

/** What a run's portal gives to its robot. */
export interface RunContext {
  language: Language;
  item: ItemRef | null;
  portal: PortalPort;
  directum: DirectumPort;
  slots: DocumentSlotsPort;
  rules: RulesPort;
  /** Whether the portal confirms that it made the call. */
  proof: CallProof;
  locks: AttemptLocks;
}

/** What the portal says of a call (interface.md §2): until it confirms the call, a run has no effect. */
interface CallProof {
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
  const call = readCall(ports.seal.decrypt(run.call));
  const log = ports.scope({ runId: run.id, robot: run.robot, item: run.itemCode });
  const startedAt = ports.now();
  const context = ports.contextOf(run, call, log);
  const { proof } = context;
  const { reached, deadlineAt, wasSkipped } = await reach(run, robot, call, context, log, ports);

  const finishedAt = ports.now();
  // A short outage of our own database is no answer to a deal: the attempt counts as lost and is made again.
  const ours = reached.kind === 'failed' && reached.code === 'internal_error' ? reached.cause : null;
  if (ours instanceof Overtaken || (isOutage(ours) && finishedAt < deadlineAt)) throw ours;
  // An ending needs the proof too, though nothing on the way to it did.
  const isAgain = reached.kind === 'failed' && reached.heals && finishedAt < deadlineAt;
  const missing = isAgain || proof.isForged() ? null : await unproven(robot, proof);
  const made: Made = {
    ...{ run, call, startedAt, finishedAt, deadlineAt, wasSkipped, log },
    isCheck: isCheck(robot, call.properties),
  };
  const outcome = missing ?? reached;
  const isKept = await keep(made, proof.isForged() ? 'forged' : outcome, context.language, ports);
  if (!isKept) log.warn('attempt.dropped', { reason: 'the run is not this attempt’s any more' });
}

/** Writes the run's next state. False: the run is not this attempt's any more, and nothing is written. */
function keep(
  made: Made,
  outcome: Outcome | 'forged',
  language: Language,
  ports: AttemptPorts,
): Promise<boolean> {
  if (outcome === 'forged') return endForged(made, ports);
  if (outcome.kind === 'waiting') return keepWait(made, outcome, ports);
  const mayHeal = outcome.kind === 'failed' && outcome.heals && made.finishedAt < made.deadlineAt;
  return mayHeal ? postpone(made, outcome, ports) : end(made, outcome, language, ports);
}

/** An attempt that came to an outcome. What is written of it counts only while the run is still its own. */
interface Made {
  run: StoredRun;
  call: KeptCall;
  startedAt: Date;
  finishedAt: Date;
  deadlineAt: Date;
  /** The robot was not run, because it would have failed as the last time. */
  wasSkipped: boolean;
  isCheck: boolean;
  log: Log;
}

/** Runs the robot, unless that is known to be in vain. */
async function reach(
  run: StoredRun,
  robot: AnyRobot,
  call: KeptCall,
  context: RunContext,
  log: Log,
  ports: AttemptPorts,
): Promise<{ reached: Outcome; deadlineAt: Date; wasSkipped: boolean }> {
  const known = inVain(run, robot, ports);
  if (known !== null) {
    const reached = failAgain(robot, 'directum_unavailable', known, run.lastValues ?? {});
    return { reached, deadlineAt: run.deadlineAt, wasSkipped: true };
  }
  // A robot that waits has its own limit from the first attempt on, whatever that attempt comes to.
  let { deadlineAt } = run;
  const reached = await runRobot(robot, call.properties, {
    ...context,
    ...guardEffects({ ...context, isCheck: isCheck(robot, call.properties) }),
    documentType: call.documentId[2],
    wait: {
      until: (hours) => {
        deadlineAt = toDeadline(run.countedFrom, hours ?? ports.waitMaxHours, call.timeoutSeconds ?? 0);
        return deadlineAt;
      },
      left: (until) => until.getTime() - ports.now().getTime(),
      last: () => ports.waits.last(run.id),
      savedFile: () => ports.waits.savedFile(run.id),
      fileSaved: (sha256) => ports.waits.fileSaved(run.id, sha256),
    },
    settings: { ...ports.settings, language: context.language },
    log,
  });
  return { reached, deadlineAt, wasSkipped: false };
}

/** The portal did not make the call: the run ends without an answer. */
async function endForged({ run, startedAt, finishedAt, log }: Made, ports: AttemptPorts): Promise<boolean> {
  const forged = { startedAt, finishedAt, ending: FORGED, text: null };
  if (!(await ports.runs.end(run.id, forged, {}, null, run))) return false;
  log.warn('run.forged', { attempt: run.attempts + 1 });
  ports.onEnd(run, FORGED);
  return true;
}

async function keepWait(
  { run, startedAt, finishedAt, log }: Made,
  { wait }: Extract<Outcome, { kind: 'waiting' }>,
  ports: AttemptPorts,
): Promise<boolean> {
  const seen = toSeen(wait.document);
  const fresh = await ports.waits.save(run, { startedAt, finishedAt }, { ...wait, seen });
  if (fresh === null) return false;
  log.info('run.waiting', { documentId: wait.documentId, until: wait.until.toISOString() });
  if (fresh) ports.onWait(run);
  return true;
}

/** The cause may pass: another attempt is made later. */
async function postpone(made: Made, outcome: Failed, ports: AttemptPorts): Promise<boolean> {
  const { run, finishedAt, deadlineAt, wasSkipped, log } = made;
  const nextAt = toNextAttempt(run.attempts, finishedAt, deadlineAt, ports.random, ports.delays);
  const attempt = toAttempt(made, outcome);
  if (!(await ports.runs.postpone(run, attempt, outcome.values, { nextAt, deadlineAt }))) return false;
  // Directum came back while this run was being put off: nothing else would make the run due sooner.
  if (wasSkipped && !ports.circuit.isDown()) await ports.runs.hasten(outcome.code, finishedAt);
  log.warn('run.postponed', {
    ...factsOf(made, attempt.ending),
    text: outcome.text.en,
    nextAt: nextAt.toISOString(),
  });
  return true;
}

async function end(made: Made, outcome: Ending, language: Language, ports: AttemptPorts): Promise<boolean> {
  const { run, call, log } = made;
  const attempt = toAttempt(made, outcome);
  const answer = toNewAnswer(run, call.eventToken, outcome, language, ports);
  // What a check finds is its answer, and no failure of the item (interface.md §3, Checking).
  const untold = made.isCheck;
  if (!(await ports.runs.end(run.id, { ...attempt, untold }, outcome.values, answer, run))) return false;
  const facts = factsOf(made, attempt.ending);
  if (outcome.kind === 'failed')
    log[outcome.code === 'internal_error' ? 'error' : 'warn']('run.failed', {
      ...facts,
      text: outcome.text.en,
      cause: outcome.cause,
    });
  else log.info('run.done', facts);
  ports.onEnd(run, attempt.ending);
  ports.onAnswer();
  return true;
}

/** Whether a run only checks; one whose call cannot be read counts as work. */
export function isCheckRun(
  { call }: StoredRun,
  robot: AnyRobot | undefined,
  { decrypt }: Pick<AttemptPorts['seal'], 'decrypt'>,
): boolean {
  try {
    return robot !== undefined && isCheck(robot, readCall(decrypt(call)).properties);
  } catch {
    return false;
  }
}

type Failed = Extract<Ending, { kind: 'failed' }>;

function toAttempt({ startedAt, finishedAt }: Made, outcome: Ending) {
  const failed = outcome.kind === 'failed';
  return {
    startedAt,
    finishedAt,
    ending: failed ? outcome.code : 'done',
    text: failed ? outcome.text : null,
  };
}

function factsOf({ run, startedAt, finishedAt }: Made, ending: string) {
  return { ending, attempt: run.attempts + 1, ms: finishedAt.getTime() - startedAt.getTime() };
}

/** Why the portal does not confirm the call yet; null when it does, or never will. */
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
 * Why the last attempt failed, when another would fail alike: while Directum is down a repeat would only cost REST hits.
 * A wait whose time is over is answered all the same, from what was seen last.
 */
function inVain(run: StoredRun, robot: AnyRobot, ports: AttemptPorts): LocalText | null {
  const isWaitOver = robot.waits === true && ports.now() >= run.deadlineAt;
  if (isWaitOver || run.lastCode !== 'directum_unavailable' || ports.circuit.admits()) return null;
  return run.lastText;
}

/**
 * The answer for a step that waits for one; without `eventToken` (its call cannot be read) it cannot be answered. For a step
 * that does not wait, a failure leaves a comment in its item (interface.md §5, Failures).
 */
export function toNewAnswer(
  run: StoredRun,
  eventToken: string | null,
  outcome: Ending,
  language: Language,
  ports: Pick<AttemptPorts, 'seal' | 'now'>,
): NewAnswer | null {
  if (!run.wantsAnswer || eventToken === null) return null;
  const values = toAnswer(outcome, run.id, language);
  const payload = {
    eventToken,
    values,
    log: outcome.kind === 'failed' ? `Directum RX: ${values['error_text']}` : 'Directum RX: OK',
  };
  return { dueAt: ports.now(), payload: ports.seal.encrypt(JSON.stringify(payload)) };
}
