import type { Log } from '../../robot/ports/log.ts';
import type { Installations } from '../auth/installation.ts';
import { type BatchAnswer, type BatchCommand, isRewritten } from '../rest/batch.ts';
import { PortalError, unproven } from '../rest/portal-error.ts';
import type { PortalRest, Priority } from '../rest/rest.ts';
import { toError, toRefusal } from '../rest/writes.ts';
import { type Hit, type ProofDesk, WITNESS } from './proof-desk.ts';

/**
 * Whether the portal itself made a call: it alone can sign an event token (bitrix24.md D3, A2b). Asked once a run, in
 * the hit that reads the item.
 */
export interface CallProof {
  isAccepted(): boolean;
  /** The call was made by somebody else; nothing may follow from it. */
  isForged(): boolean;
  /** What is to be sent along with the next hit; nothing once the call is accepted. */
  commands(): Record<string, BatchCommand>;
  /**
   * Reads the answers of that hit, or what became of it instead.
   * @throws ForgedCall, RobotFailure portal_access_denied or portal_unavailable, both healing, while it is not accepted
   */
  readAnswers(hit: Hit): Promise<void>;
  /** Asks when the call is not accepted yet. @throws as `readAnswers` */
  demand(): Promise<void>;
}

class ForgedCall extends Error {
  override readonly name = 'ForgedCall';

  constructor() {
    super('The portal did not sign the event token of this call');
  }
}

/** The call of a run, as far as its proof goes. */
export interface CallToProve {
  memberId: string;
  eventToken: string;
  workflowId: string;
  /** It was accepted in an earlier attempt of the run. */
  accepted: boolean;
  /** What a hit shared by many runs has brought of it already. */
  heard?: Hit | null | undefined;
  /** Keeps for later attempts that it was accepted. */
  onAccepted(): Promise<void>;
}

/** Somebody looks who is not the portal: there is no call to prove. */
export const NO_CALL: CallProof = {
  isAccepted: () => true,
  isForged: () => false,
  commands: () => ({}),
  readAnswers: async () => undefined,
  demand: async () => undefined,
};

const PROOF = 'proof';

/** An empty message is refused after the signature was checked and before anything is written (bitrix24.md D3). */
const toCommand = (eventToken: string): BatchCommand => ({
  method: 'bizproc.activity.log',
  params: { EVENT_TOKEN: eventToken, LOG_MESSAGE: '' },
});

/** Asks for the proof of a call in a hit that it shares with others; null for one that may share none (F1a). */
export function askForProof(
  desk: ProofDesk,
  { memberId, eventToken }: Pick<CallToProve, 'memberId' | 'eventToken'>,
  priority: Priority,
): Promise<Hit> | null {
  const command = toCommand(eventToken);
  return isRewritten(command) ? null : desk.ask(memberId, [PROOF, command], priority);
}

export function createCallProof(
  {
    rest,
    desk,
    installations,
    log,
  }: { rest: PortalRest; desk: ProofDesk; installations: Installations; log: Log },
  call: CallToProve,
): CallProof {
  const { memberId, eventToken } = call;
  let { accepted, heard = null } = call;
  let forged = false;
  let asking: Promise<void> | null = null;
  const command = toCommand(eventToken);

  /** Where the portal would not take the method inside a batch (L10), it is asked alone. */
  async function alone(): Promise<BatchAnswer> {
    try {
      return { ok: true, result: await rest.call(memberId, command.method, command.params) };
    } catch (error) {
      if (!(error instanceof PortalError)) throw error;
      return toRefusal(error);
    }
  }

  async function readAnswers(asked: Hit): Promise<void> {
    if (accepted) return;
    const hit = heard ?? asked;
    heard = null;
    // A portal that has never accepted a call this way may check signatures differently: its refusals do not count.
    const counts = installations.get(memberId)?.provesCalls === true;
    const fits = isOfWorkflow(eventToken, call.workflowId);
    if (!fits && counts) refuse();
    if (hit instanceof PortalError && hit.kind !== 'refused') throw unproven(hit, hit.kind === 'access', log);
    const answers = hit instanceof PortalError ? {} : hit;
    const inBatch = answers[PROOF];
    const isTaken = inBatch !== undefined && (inBatch.ok || !inBatch.error.startsWith('ERROR_BATCH_'));
    const answer = isTaken ? inBatch : await alone();
    if (isSigned(answer) && fits) return accept();
    const others = Object.entries(answers).filter(([key]) => key !== PROOF);
    if (counts && isBadSignature(answer) && others.some(([, other]) => other.ok)) refuse();
    const isDenied = !answer.ok && answer.kind === 'access' && others.every(([, other]) => !other.ok);
    throw unproven(answer.ok ? null : toError(answer, command), isDenied, log);
  }

  function refuse(): never {
    forged = true;
    throw new ForgedCall();
  }

  async function accept(): Promise<void> {
    if (installations.get(memberId)?.provesCalls !== true)
      await installations.update(memberId, (known) =>
        known === undefined || known.provesCalls ? known : { ...known, provesCalls: true },
      );
    await call.onAccepted();
    accepted = true;
  }

  async function ask(): Promise<void> {
    await readAnswers(heard ?? (await askForProof(desk, call, 'run')) ?? {});
  }

  const commands = (): Record<string, BatchCommand> =>
    accepted || heard !== null || isRewritten(command) ? {} : { [PROOF]: command, witness: WITNESS };

  return {
    isAccepted: () => accepted,
    isForged: () => forged,
    commands,
    readAnswers,
    async demand() {
      if (accepted) return;
      if (forged) throw new ForgedCall();
      asking ??= ask().finally(() => {
        asking = null;
      });
      return asking;
    },
  };
}

/** The token names the workflow that the call says it comes from (bitrix24.md D1); a reference names nothing (H3). */
function isOfWorkflow(eventToken: string, workflowId: string): boolean {
  const isNamed = workflowId !== '' && eventToken.split('|')[0] === workflowId;
  return isNamed && !isRewritten(toCommand(eventToken));
}

const isSigned = (answer: BatchAnswer) => !answer.ok && answer.error === 'ERROR_EMPTY_LOG_MESSAGE';

const isBadSignature = (answer: BatchAnswer) =>
  !answer.ok && answer.error === 'ACCESS_DENIED' && answer.description.trim() === 'Access denied!';
