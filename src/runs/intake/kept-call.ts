import { hash } from 'node:crypto';
import type { Properties } from '../../robot/run-robot.ts';
import type { NewRun } from '../../store/runs/incoming-calls.ts';

/** What a step sent, as it is kept sealed in the run's row. */
export interface KeptCall {
  documentId: readonly [string, string, string];
  eventToken: string;
  workflowId: string;
  properties: Properties;
  /** The step's own limit; 0 or absent when it has none. */
  timeoutSeconds?: number;
}

/** What is kept of a call; everything else of it is a column of its own, or not kept. */
export function toKeptCall(call: KeptCall): KeptCall {
  const { documentId, eventToken, workflowId, properties, timeoutSeconds = 0 } = call;
  return { documentId, eventToken, workflowId, properties, timeoutSeconds };
}

/** A step's call as it arrives, of which a run is made. */
interface ArrivedCall extends KeptCall {
  memberId: string;
  code: string;
  useSubscription: boolean;
}

/** The run of a call; `portal` is the key of its portal in Directum, `maxHours` RUN_MAX_HOURS. */
export function toRun(
  call: ArrivedCall,
  { portal, receivedAt, maxHours }: { portal: string; receivedAt: Date; maxHours: number },
): NewRun {
  return {
    id: toRunId(call.memberId, call.eventToken),
    memberId: call.memberId,
    portal,
    robot: call.code,
    itemCode: call.documentId[2],
    call: JSON.stringify(toKeptCall(call)),
    wantsAnswer: call.useSubscription,
    receivedAt,
    deadlineAt: toDeadline(receivedAt, maxHours, call.timeoutSeconds ?? 0),
  };
}

/** What was kept of a call. @throws without its text, which is people's */
export function readCall(text: string): KeptCall {
  try {
    return JSON.parse(text) as KeptCall;
  } catch {
    throw new Error('the kept call is no JSON');
  }
}

/**
 * By what the step of a run is answered whose kept call cannot be worked off; null where it cannot be opened or read.
 */
export function readEventToken(call: string, decrypt: (text: string) => string): string | null {
  let text: string;
  try {
    text = decrypt(call);
  } catch {
    return null;
  }
  try {
    return (JSON.parse(text) as Partial<KeptCall>).eventToken ?? null;
  } catch {
    const [, quoted] = /"eventToken":("(?:[^"\\]|\\.)*")/.exec(text) ?? [];
    return quoted === undefined ? null : (JSON.parse(quoted) as string);
  }
}

/** Stable name of a run: found again by the portal and event token, and neither can be read from it. */
export function toRunId(memberId: string, eventToken: string): string {
  return hash('sha256', `${memberId}\n${eventToken}`).slice(0, 24);
}

/** When a run gives up: its robot's limit, or the step's own timeout when that is shorter. */
export function toDeadline(receivedAt: Date, maxHours: number, timeoutSeconds: number): Date {
  const limit = maxHours * 3600;
  const seconds = timeoutSeconds > 0 ? Math.min(limit, timeoutSeconds) : limit;
  return new Date(receivedAt.getTime() + seconds * 1000);
}

const DELAYS_SECONDS: readonly number[] = [5, 15, 60, 120, 300];

/**
 * When a failed attempt is repeated: 5 s, 15 s, 60 s, then minutes (directum.md A.10), spread by up to a fifth, and
 * never past the deadline, where the last attempt is made.
 */
export function toNextAttempt(
  attempts: number,
  now: Date,
  deadline: Date,
  random: () => number,
  delays = DELAYS_SECONDS,
): Date {
  const delay = (delays[Math.min(attempts, delays.length - 1)] as number) * (1 + random() / 5);
  return new Date(Math.min(now.getTime() + delay * 1000, deadline.getTime()));
}
