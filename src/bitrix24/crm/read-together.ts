import type { z } from 'zod';
import type { Log } from '../../robot/ports/log.ts';
import { type BatchAnswer, type BatchCommand, MAX_BATCH } from '../rest/batch.ts';
import { PortalError } from '../rest/portal-error.ts';
import type { PortalRest } from '../rest/rest.ts';
import { toError } from '../rest/writes.ts';
import type { CallProof } from '../robots/call-proof.ts';

/**
 * Commands read together in one hit, or in as many as they need; each is repeated alone when the portal would not take it
 * in a batch (L10).
 */
export interface CrmRead {
  /**
   * The answer of command `key` if `fits` says it is about the right record, else of a single call.
   * @throws PortalError
   */
  get<T extends z.ZodType>(
    key: string,
    command: BatchCommand,
    shape: T,
    fits?: (read: z.output<T>) => boolean,
  ): Promise<z.output<T>>;
  /** As `get`, but a refusal gives null: for what a robot can do without. */
  tryGet<T extends z.ZodType>(
    key: string,
    command: BatchCommand,
    shape: T,
    fits?: (read: z.output<T>) => boolean,
  ): Promise<z.output<T> | null>;
  /** As `get`, but null for a record that is gone. Any other refusal is an error: what it would say changes what is done. */
  getIfThere: CrmRead['tryGet'];
  /** As `getIfThere`, and null where the application lacks the scope: what that scope is for is off (interface.md §2). */
  getInScope: CrmRead['tryGet'];
}

/**
 * Sends the batch and answers a reader over it (bitrix24.md H3, L10). The call's proof is asked in the same hit.
 * @throws PortalError, and what `proof` throws
 */
export async function readTogether(options: {
  rest: PortalRest;
  memberId: string;
  commands: Record<string, BatchCommand>;
  proof: CallProof;
  log: Log;
}): Promise<CrmRead> {
  const { rest, memberId, proof, log } = options;
  const answers: Record<string, BatchAnswer> = {};
  const commands = Object.entries({ ...proof.commands(), ...options.commands });
  try {
    // The proof, the item and commands that refer to others come first and fit into one hit.
    for (let from = 0; from < commands.length; from += MAX_BATCH)
      Object.assign(
        answers,
        await rest.batch(memberId, Object.fromEntries(commands.slice(from, from + MAX_BATCH))),
      );
  } catch (error) {
    if (!(error instanceof PortalError)) throw error;
    await proof.readAnswers(error);
    if (error.kind !== 'refused') throw error;
    log.warn('portal.batch_refused', { code: error.code });
  }
  await proof.readAnswers(answers);

  async function get<T extends z.ZodType>(
    key: string,
    command: BatchCommand,
    shape: T,
    fits: (read: z.output<T>) => boolean = () => true,
  ): Promise<z.output<T>> {
    const answer = answers[key];
    if (answer?.ok) {
      const read = shape.safeParse(answer.result);
      if (isMeant(key) && read.success && fits(read.data)) return read.data;
      if (!read.success && isNothing(answer.result) && isLiteral(key)) throw nothing(command.method);
    } else if (
      answer !== undefined &&
      (answer.kind === 'gone' || answer.kind === 'access') &&
      isLiteral(key)
    ) {
      throw toError(answer, { retry: false, method: command.method });
    }
    log.debug('portal.read_alone', {
      method: command.method,
      code: answer?.ok === false ? answer.error : undefined,
    });
    const alone = await rest.call(memberId, command.method, command.params);
    const read = shape.safeParse(alone);
    if (read.success && fits(read.data)) return read.data;
    if (!read.success && isNothing(alone)) throw nothing(command.method);
    throw new PortalError({
      code: 'UNREADABLE',
      kind: 'server',
      status: null,
      retry: true,
      method: command.method,
    });
  }

  /** A command that refers to a refused one was sent with an empty reference, so its answer says nothing. */
  function isMeant(key: string): boolean {
    const text = JSON.stringify(options.commands[key]?.params ?? {});
    return (
      answers[key]?.ok === true &&
      [...text.matchAll(/\$result\[(\w+)\]/g)].every(([, other = '']) => isMeant(other))
    );
  }

  /** Only a command without references says of itself that its record is gone. */
  function isLiteral(key: string): boolean {
    return !JSON.stringify(options.commands[key]?.params ?? {}).includes('$result');
  }

  /** `get` that gives null for a refusal, except for those that `isGrave` picks. */
  const trying =
    (isGrave: (error: PortalError) => boolean): CrmRead['tryGet'] =>
    async (key, command, shape, fits) => {
      const answer = answers[key];
      // A method the tariff lacks is not there for a single call either.
      if (answer?.ok === false && answer.error === 'ERROR_METHOD_NOT_FOUND') return null;
      try {
        return await get(key, command, shape, fits);
      } catch (error) {
        if (!(error instanceof PortalError) || error.retry || isGrave(error)) throw error;
        return null;
      }
    };

  return {
    get,
    tryGet: trying(() => false),
    getIfThere: trying(({ kind }) => kind !== 'gone'),
    getInScope: trying(({ kind, code }) => kind !== 'gone' && code !== 'insufficient_scope'),
  };
}

/** How PHP prints that there is no such record, where a method does not refuse. */
function isNothing(result: unknown): boolean {
  return (
    result === null || result === false || result === '' || (Array.isArray(result) && result.length === 0)
  );
}

function nothing(method: string): PortalError {
  return new PortalError({ code: 'NOTHING', kind: 'gone', status: null, retry: false, method });
}
