import { hash } from 'node:crypto';
import { PROMPT_SECONDS, pauseMs } from '../../lib/work/backoff.ts';
import type { Properties } from '../../robot/run/inputs.ts';
import type { NewRun } from '../../store/runs/incoming-calls.ts';

/** What a step sent, as it is kept sealed in the run's row. */
export interface KeptCall {
  documentId: readonly [string, string, string];
  eventToken: string;
  workflowId: string;
  properties: Properties;
  /** The step's own limit; 0 or absent when it has none. */
  timeoutSeconds?: number;
  /** Access token of the user as whom the step runs; absent when the call brought none. */
  access?: string | undefined;
}

/** What is kept of a call; everything else of it is a column of its own, or not kept. */
export function toKeptCall(call: ArrivedCall): KeptCall {
  const { documentId, eventToken, workflowId, properties, timeoutSeconds = 0, tokens } = call;
  return { documentId, eventToken, workflowId, properties, timeoutSeconds, access: tokens?.access };
}

/** A step's call as it arrives, of which a run is made. */
interface ArrivedCall extends Omit<KeptCall, 'access'> {
  memberId: string;
  code: string;
  useSubscription: boolean;
  tokens: { access: string } | null;
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

/** What was kept of a call. @throws an error that does not quote the text, which holds personal data */
export function readCall(text: string): KeptCall {
  try {
    // Written by `toKeptCall`, perhaps of an earlier version.
    return JSON.parse(text) as KeptCall;
  } catch {
    throw new Error('the kept call is no JSON');
  }
}

/** The token by which a step can be answered though its kept call cannot be read; null where even that is lost. */
export function readEventToken(call: string, decrypt: (text: string) => string): string | null {
  let text: string;
  try {
    text = decrypt(call);
  } catch {
    return null;
  }
  try {
    return readCall(text).eventToken ?? null;
  } catch {
    const [, quoted] = /"eventToken":("(?:[^"\\]|\\.)*")/.exec(text) ?? [];
    return quoted === undefined ? null : String(JSON.parse(quoted));
  }
}

/** Stable id of a run: the same for the same portal and event token, and neither can be read from it. */
export function toRunId(memberId: string, eventToken: string): string {
  return hash('sha256', `${memberId}\n${eventToken}`).slice(0, 24);
}

/** When a run gives up: its robot's limit, or the step's own timeout when that is shorter. */
export function toDeadline(receivedAt: Date, maxHours: number, timeoutSeconds: number): Date {
  const limit = maxHours * 3600;
  const seconds = timeoutSeconds > 0 ? Math.min(limit, timeoutSeconds) : limit;
  return new Date(receivedAt.getTime() + seconds * 1000);
}

/** When a failed attempt is repeated; never past the deadline, where the last attempt is made. `attempts` failed before it. */
export function toNextAttempt(
  attempts: number,
  now: Date,
  deadline: Date,
  random: () => number,
  delays = PROMPT_SECONDS,
): Date {
  const pause = pauseMs(attempts + 1, delays, random);
  return new Date(Math.min(now.getTime() + pause, deadline.getTime()));
}
