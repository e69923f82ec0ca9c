import type { Unsure, WriteResult } from '../../documents/ports/deal.ts';
import type { Log } from '../../robot/ports/log.ts';
import { type BatchAnswer, type BatchCommand, isRewritten, MAX_BATCH } from './batch.ts';
import { PortalError } from './portal-error.ts';
import type { PortalRest, Priority } from './rest.ts';

/** Commands with their answers in the order given, up to 50 in one REST hit. */
export interface Writer {
  /**
   * @throws PortalError when the portal cannot be reached at all; once a part was answered, what is left is answered
   * as a passing failure instead, so that what was done is not repeated
   */
  send(memberId: string, commands: readonly BatchCommand[], priority?: Priority): Promise<BatchAnswer[]>;
  /** One command in a hit of its own; network trouble is an answer too. */
  sendAlone(memberId: string, command: BatchCommand, priority?: Priority): Promise<BatchAnswer>;
}

/** Batches of writes that fall back to single calls where the portal would not take a method inside a batch (L10). */
export function createWriter(options: {
  rest: PortalRest;
  log: Log;
  priority: Priority;
  /** What is sent twice does no harm. */
  repeatable?: boolean;
}): Writer {
  const { rest, log } = options;
  const singly = new Set<string>();

  function remember(memberId: string): void {
    if (!singly.has(memberId)) log.warn('portal.batch_refused', { memberId });
    singly.add(memberId);
  }

  async function sendAlone(
    memberId: string,
    { method, params }: BatchCommand,
    priority = options.priority,
  ): Promise<BatchAnswer> {
    try {
      return { ok: true, result: await rest.call(memberId, method, params, { priority }) };
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      return toRefusal(error);
    }
  }

  async function sendEach(
    memberId: string,
    commands: readonly BatchCommand[],
    priority: Priority,
  ): Promise<BatchAnswer[]> {
    const answers: BatchAnswer[] = [];
    for (const command of commands) answers.push(await sendAlone(memberId, command, priority));
    return answers;
  }

  async function sendBatch(
    memberId: string,
    commands: readonly BatchCommand[],
    priority: Priority,
  ): Promise<BatchAnswer[]> {
    const keyed = Object.fromEntries(commands.map((command, index) => [`w${index}`, command]));
    let read: Record<string, BatchAnswer>;
    try {
      read = await rest.batch(memberId, keyed, { priority });
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      if (isPage(error) && (options.repeatable || isBlocked(error)))
        return sendApart(memberId, commands, priority, error);
      if (error.kind !== 'refused' && error.kind !== 'access') throw error;
      // A refusal of the batch says nothing about the commands in it.
      if (isBatchRefusal(error.code)) remember(memberId);
      return sendEach(memberId, commands, priority);
    }
    const answers: BatchAnswer[] = [];
    for (const [index, command] of commands.entries()) {
      const answer = read[`w${index}`] as BatchAnswer;
      const again = !answer.ok && isBatchRefusal(answer.error);
      if (again) remember(memberId);
      answers.push(again ? await sendAlone(memberId, command, priority) : answer);
    }
    return answers;
  }

  /**
   * The batch met a page instead of the portal: all is away, or a firewall before the portal rejects a text in it. The
   * first and the last alone tell which; the others go alone only if one of them arrives.
   */
  async function sendApart(
    memberId: string,
    commands: readonly BatchCommand[],
    priority: Priority,
    error: PortalError,
  ): Promise<BatchAnswer[]> {
    const [first, ...others] = commands;
    const last = others.pop();
    if (first === undefined || last === undefined) throw error;
    const begun = await sendAlone(memberId, first, priority);
    const ended = await sendAlone(memberId, last, priority);
    if ([begun, ended].every((answer) => !answer.ok && isPage({ code: answer.error }))) throw error;
    log.warn('portal.batch_parted', { memberId, status: error.status, commands: commands.length });
    return [begun, ...(await sendEach(memberId, others, priority)), ended];
  }

  return {
    sendAlone,
    async send(memberId, commands, priority = options.priority) {
      const answers = new Array<BatchAnswer>(commands.length);
      const all = [...commands.entries()];
      // The portal would put another command's result where a text says `$result[…]` (H3).
      const together = singly.has(memberId) ? [] : all.filter(([, command]) => !isRewritten(command));
      const alone = all.filter((entry) => !together.includes(entry));
      let done = 0;
      for (let from = 0; from < together.length; from += MAX_BATCH) {
        const part = together.slice(from, from + MAX_BATCH);
        try {
          const sent = part.map(([, command]) => command);
          const read = await sendBatch(memberId, sent, priority);
          for (const [[index], answer] of withAnswers(part, read)) answers[index] = answer;
          done += part.length;
        } catch (error) {
          if (!(error instanceof PortalError) || done === 0) throw error;
          for (const [index] of part) answers[index] = toRefusal(error);
        }
      }
      for (const [index, command] of alone) answers[index] = await sendAlone(memberId, command, priority);
      return answers;
    },
  };
}

/** Each thing beside the answer to it: answers come in the order of what was sent. */
export function withAnswers<T, A>(things: readonly T[], answers: readonly A[]): [thing: T, answer: A][] {
  return answers.map((answer, index) => [things[index] as T, answer]);
}

/** The portal was not reached, so nothing was done. */
const NOT_REACHED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN']);
/** What comes in place of an answer that was made and cut off, or is still being made. */
const CUT = new Set(['NO_ANSWER', 'HTTP_200', 'HTTP_408', 'HTTP_504']);

/** Whether a write that failed may have been done all the same (bitrix24.md H4); null for one that was not. */
export function toUnsure(answer: BatchAnswer): Unsure | null {
  if (answer.ok) return null;
  if (answer.kind === 'network') return NOT_REACHED.has(answer.error) ? null : 'lost';
  if (answer.kind !== 'server') return null;
  return CUT.has(answer.error) ? 'lost' : 'failed';
}

/** What became of a write, by its answer (bitrix24.md H4). `why` retry: a limit, 5xx or the network. */
export function toWriteResult(answer: BatchAnswer): WriteResult {
  if (answer.ok) return { ok: true };
  if (answer.kind === 'gone') return { ok: false, why: 'gone' };
  return { ok: false, why: isPassing(answer) ? 'retry' : 'refused' };
}

/** A failure that says nothing about the command itself. */
export function isPassing(answer: BatchAnswer): boolean {
  if (answer.ok) return false;
  return answer.retry || ['limit', 'operating', 'network', 'server', 'auth'].includes(answer.kind);
}

/** An answer that says something. @throws PortalError for one that may be another in a moment */
export function said(answer: BatchAnswer, method?: string): BatchAnswer {
  if (answer.ok || !isPassing(answer)) return answer;
  throw toError(answer, { retry: true, method });
}

/** The refusal of one command as an error. */
export function toError(
  { error: code, kind, description, ...answer }: BatchAnswer & { ok: false },
  { retry = answer.retry, method }: { retry?: boolean; method?: string | undefined } = {},
): PortalError {
  return new PortalError({ code, kind, description, retry, status: null, method });
}

/** A refusal of a whole hit, as the answer to one command of it. */
export function toRefusal({ code, description, kind, retry, retryAfterMs }: PortalError): BatchAnswer {
  return { ok: false, error: code, description, kind, retry, retryAfterMs };
}

/** Not an answer of the REST interface, whose refusals have codes of their own. */
function isPage({ code }: Pick<PortalError, 'code'>): boolean {
  return code.startsWith('HTTP_');
}

/** Nothing was done: whoever answered so looked at the request and did not pass it on. */
function isBlocked({ status }: PortalError): boolean {
  return status !== null && status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function isBatchRefusal(code: string): boolean {
  return code.startsWith('ERROR_BATCH_');
}
