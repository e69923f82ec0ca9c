import type { Log } from '../../robot/ports/log.ts';
import type { BatchAnswer, BatchCommand } from '../rest/batch.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest, Priority } from '../rest/rest.ts';
import { createWriter } from '../rest/writes.ts';

interface Answer {
  eventToken: string;
  values: Record<string, unknown>;
  log?: string;
}

/**
 * `gone`: the process ended, never again; `retry`: not the answer's fault; `blockedMs`: the portal takes no answers for
 * so long (bitrix24.md H2); `refused`: will never be taken.
 */
type AnswerFate = 'sent' | 'gone' | 'retry' | { blockedMs: number } | { refused: string };

export interface Answers {
  /** Sends results of robots in one hit, each with its own fate (bitrix24.md D1, D3a). */
  send(memberId: string, answers: readonly Answer[], priority: Priority): Promise<AnswerFate[]>;
}

export function createAnswers(options: { rest: PortalRest; log: Log }): Answers {
  // A step takes the first answer and ignores the rest (bitrix24.md D1).
  const writer = createWriter({ ...options, priority: 'answer', repeatable: true });

  return {
    async send(memberId, answers, priority) {
      const commands = answers.map(toCommand);
      const [first] = commands;
      if (first === undefined) return [];
      if (commands.length === 1) return [toFate(await writer.sendAlone(memberId, first, priority))];
      try {
        return (await writer.send(memberId, commands, priority)).map(toFate);
      } catch (error) {
        if (!(error instanceof PortalError)) throw error;
        // What stopped the whole batch says nothing about the answers in it.
        const { retryAfterMs } = error;
        const isBlock = error.kind === 'operating' && retryAfterMs !== undefined;
        return answers.map(() => (isBlock ? { blockedMs: retryAfterMs } : 'retry'));
      }
    },
  };
}

function toCommand(answer: Answer): BatchCommand {
  return {
    method: 'bizproc.event.send',
    params: {
      EVENT_TOKEN: answer.eventToken,
      RETURN_VALUES: answer.values,
      ...(answer.log === undefined ? {} : { LOG_MESSAGE: answer.log }),
    },
  };
}

/** Codes of a refusal that is about the portal, not about this answer. */
const PORTAL_WIDE = new Set([
  'ERROR_METHOD_NOT_FOUND',
  'OVERLOAD_LIMIT',
  'PAYMENT_REQUIRED',
  'WRONG_LICENSE',
]);

/** The engine's own words for a process that ended (bitrix24.md D1), where it has no code but a text. */
const PROCESS_GONE = /^(?:(?:the )?business process (?:is )?not found|бизнес-процесс не найден)[.!]?$/i;

function toFate(answer: BatchAnswer): AnswerFate {
  if (answer.ok) return 'sent';
  const { error, description, kind } = answer;
  // D1: the process ended; the engine's code is a number or a text.
  if (error === '404' || [error, description].some((text) => PROCESS_GONE.test(text.trim()))) return 'gone';
  if (kind === 'operating' && answer.retryAfterMs !== undefined) return { blockedMs: answer.retryAfterMs };
  if (answer.retry || kind === 'auth' || kind === 'network' || kind === 'server') return 'retry';
  if (PORTAL_WIDE.has(error) || kind === 'limit' || kind === 'operating') return 'retry';
  // Of the refused rights only a plain ACCESS_DENIED is about the event token (D1); the others are the pair's (A6).
  const isRefusedToken =
    /^(ACCESS_DENIED|0)?$/i.test(error) &&
    !/^REST is available only on commercial plans\b/i.test(description);
  if (kind === 'access' && !isRefusedToken) return 'retry';
  return { refused: error || description || 'refused' };
}
