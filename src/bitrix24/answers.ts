import type { ItemRef, Log } from '../robot/ports.ts';
import type { BatchCommand } from './batch.ts';
import { MAX_BATCH } from './batch.ts';
import { PortalError, type PortalErrorKind } from './portal-error.ts';
import type { PortalRest, Priority } from './rest.ts';

export interface Answer {
  eventToken: string;
  values: Record<string, unknown>;
  log?: string;
}

/**
 * `gone`: the process ended, never again; `retry`: not the answer's fault; `blockedMs`: the portal takes no answers for
 * so long (bitrix24.md H2); `refused`: will never be taken.
 */
export type AnswerFate = 'sent' | 'gone' | 'retry' | { blockedMs: number } | { refused: string };

export interface Answers {
  /** Sends results of robots in one hit, each with its own fate (bitrix24.md D1, D3a). */
  send(memberId: string, answers: readonly Answer[], priority: Priority): Promise<AnswerFate[]>;
  /** Leaves a comment in the item's timeline (bitrix24.md F8). @throws PortalError */
  comment(memberId: string, ref: ItemRef, text: string): Promise<void>;
}

export function createAnswers(options: { rest: PortalRest; log: Log }): Answers {
  const { rest, log } = options;
  /** Portals that would not take `event.send` inside a batch (L10); asked again after a restart. */
  const singly = new Set<string>();

  async function sendOne(memberId: string, answer: Answer, priority: Priority): Promise<AnswerFate> {
    const { method, params } = toCommand(answer);
    try {
      await rest.call(memberId, method, params, { priority });
      return 'sent';
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      return toFate({ ...error, error: error.code });
    }
  }

  async function sendSingly(
    memberId: string,
    answers: readonly Answer[],
    priority: Priority,
  ): Promise<AnswerFate[]> {
    const fates: AnswerFate[] = [];
    for (const answer of answers) {
      // Once the portal is blocked, every further hit would only be refused.
      const last = fates.at(-1);
      fates.push(isBlock(last) ? last : await sendOne(memberId, answer, priority));
    }
    return fates;
  }

  async function sendBatch(
    memberId: string,
    answers: readonly Answer[],
    priority: Priority,
  ): Promise<AnswerFate[]> {
    const commands = Object.fromEntries(answers.map((answer, index) => [`a${index}`, toCommand(answer)]));
    try {
      const read = await rest.batch(memberId, commands, { priority });
      const fates: AnswerFate[] = [];
      let alone = 0;
      for (const [index, answer] of answers.entries()) {
        const one = read[`a${index}`];
        if (one?.ok) fates.push('sent');
        else if (one !== undefined && isBatchRefusal(one.error)) {
          alone += 1;
          fates.push(await sendOne(memberId, answer, priority));
        } else fates.push(one === undefined ? 'retry' : toFate(one));
      }
      if (alone > 0) remember(memberId);
      return fates;
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      // A refusal of the batch says nothing about the answers in it.
      if (error.kind !== 'refused' && error.kind !== 'access') {
        const fate = toFate({ ...error, error: error.code });
        return answers.map(() => (isBlock(fate) ? fate : 'retry'));
      }
      if (isBatchRefusal(error.code)) remember(memberId);
      return sendSingly(memberId, answers, priority);
    }
  }

  function remember(memberId: string): void {
    if (!singly.has(memberId)) log.warn('answers.batch_refused', { memberId });
    singly.add(memberId);
  }

  return {
    async send(memberId, answers, priority) {
      const fates = new Array<AnswerFate>(answers.length).fill('retry');
      // The portal would put another command's result where a text says `$result[…]`.
      const together = answers
        .map((_, index) => index)
        .filter((index) => !hasReference(answers[index] as Answer));
      const parts = chunk(singly.has(memberId) ? [] : together, MAX_BATCH).filter((part) => part.length > 1);
      const batched = new Set(parts.flat());
      for (const part of parts) {
        const read = await sendBatch(
          memberId,
          part.map((index) => answers[index] as Answer),
          priority,
        );
        part.forEach((index, at) => {
          fates[index] = read[at] ?? 'retry';
        });
      }
      const alone = answers.flatMap((answer, index) => (batched.has(index) ? [] : [{ answer, index }]));
      const read = await sendSingly(
        memberId,
        alone.map(({ answer }) => answer),
        priority,
      );
      for (const [at, { index }] of alone.entries()) fates[index] = read[at] ?? 'retry';
      return fates;
    },
    async comment(memberId, ref, text) {
      const entity = ref.code.replace(/_\d+$/, '').toLowerCase();
      const fields = { ENTITY_ID: ref.id, ENTITY_TYPE: entity, COMMENT: text };
      await rest.call(memberId, 'crm.timeline.comment.add', { fields });
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

function hasReference(answer: Answer): boolean {
  return JSON.stringify(answer).includes('$result');
}

function isBlock(fate: AnswerFate | undefined): fate is { blockedMs: number } {
  return typeof fate === 'object' && 'blockedMs' in fate;
}

function isBatchRefusal(code: string): boolean {
  return code.startsWith('ERROR_BATCH_');
}

/** Codes of a refusal that is about the portal, not about this answer. */
const PORTAL_WIDE = new Set([
  'ERROR_METHOD_NOT_FOUND',
  'OVERLOAD_LIMIT',
  'PAYMENT_REQUIRED',
  'WRONG_LICENSE',
]);

function toFate(facts: {
  error: string;
  description: string;
  kind: PortalErrorKind;
  retry: boolean;
  retryAfterMs?: number | undefined;
}): AnswerFate {
  const { error, description, kind } = facts;
  // D1: the process ended; the words are the engine's own, its code is a number or a text.
  if (
    error === '404' ||
    /business process (is )?not found|бизнес-процесс не найден/i.test(`${error} ${description}`)
  ) {
    return 'gone';
  }
  if (kind === 'operating' && facts.retryAfterMs !== undefined) return { blockedMs: facts.retryAfterMs };
  if (facts.retry || kind === 'auth' || kind === 'network' || kind === 'server') return 'retry';
  if (PORTAL_WIDE.has(error) || kind === 'limit' || kind === 'operating') return 'retry';
  if (kind === 'access' && /commercial plans|scope/i.test(`${error} ${description}`)) return 'retry';
  return { refused: error || description || 'refused' };
}

function chunk<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += size) parts.push(items.slice(from, from + size));
  return parts;
}
