import type { z } from 'zod';
import type { Log } from '../../../robot/ports/log.ts';
import type { BatchAnswer, BatchCommand } from '../../rest/batch.ts';
import { PortalError } from '../../rest/portal-error.ts';
import type { PortalRest } from '../../rest/rest.ts';
import { toError } from '../../rest/writes.ts';

/**
 * Reads single records out of answers that are there already, whether of one item's own batch or of lists over many items;
 * what they do not hold is asked in a call of its own.
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

/** What is known of a command before it is asked in a call of its own. */
export interface Known {
  answer: BatchAnswer;
  /** It was sent as meant: nothing that it refers to was missing. */
  isMeant: boolean;
  /** It refers to no other command, so it says of itself that its record is gone. */
  isLiteral: boolean;
}

export function createCrmRead(options: {
  rest: PortalRest;
  memberId: string;
  log: Log;
  known(key: string, command: BatchCommand): Known | undefined;
}): CrmRead {
  const { rest, memberId, log, known } = options;

  async function get<T extends z.ZodType>(
    key: string,
    command: BatchCommand,
    shape: T,
    fits: (read: z.output<T>) => boolean = () => true,
  ): Promise<z.output<T>> {
    const { answer, isMeant, isLiteral } = known(key, command) ?? {};
    if (answer?.ok) {
      const read = shape.safeParse(answer.result);
      if (isMeant && read.success && fits(read.data)) return read.data;
      if (!read.success && isNothing(answer.result) && isLiteral) throw nothing(command.method);
    } else if (answer !== undefined && (answer.kind === 'gone' || answer.kind === 'access') && isLiteral) {
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

  /** `get` that gives null for a refusal, except for those that `isGrave` picks. */
  const trying =
    (isGrave: (error: PortalError) => boolean): CrmRead['tryGet'] =>
    async (key, command, shape, fits) => {
      const answer = known(key, command)?.answer;
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
