import type { Log } from '../../../robot/ports/log.ts';
import { type BatchAnswer, type BatchCommand, MAX_BATCH } from '../../rest/batch.ts';
import { PortalError } from '../../rest/portal-error.ts';
import type { PortalRest } from '../../rest/rest.ts';
import type { CallProof } from '../../robots/call-proof.ts';
import { type CrmRead, createCrmRead } from './crm-read.ts';

/**
 * Sends the commands of one item's reading together, in one hit or in as many as they need, and answers a reader over it;
 * each is repeated alone when the portal would not take it in a batch (bitrix24.md H3, L10). The call's proof is asked in
 * the same hit. @throws PortalError, and what `proof` throws
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

  /** A command that refers to a refused one was sent with an empty reference, so its answer says nothing. */
  function isMeant(key: string): boolean {
    const text = JSON.stringify(options.commands[key]?.params ?? {});
    return (
      answers[key]?.ok === true &&
      [...text.matchAll(/\$result\[(\w+)\]/g)].every(([, other = '']) => isMeant(other))
    );
  }

  return createCrmRead({
    rest,
    memberId,
    log,
    known(key) {
      const answer = answers[key];
      if (answer === undefined) return undefined;
      const isLiteral = !JSON.stringify(options.commands[key]?.params ?? {}).includes('$result');
      return { answer, isMeant: isMeant(key), isLiteral };
    },
  });
}
