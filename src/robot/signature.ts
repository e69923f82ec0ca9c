import { shorten } from '../lib/text.ts';
import { type LocalText, RobotFailure } from './failure.ts';
import type { ApprovalStates, DocumentState, Signing, TaskState } from './ports/document-state.ts';

/** What a step waits for (interface.md, directum_wait_signature). */
export type WaitFor = 'us' | 'both' | 'approval';

type WaitResult = 'signed' | 'approved' | 'rejected' | 'not_signed' | 'deleted' | 'expired';

/** Why a document counts as rejected. */
type Refused = 'task' | 'annulled' | 'counterparty' | 'document';

export interface Verdict {
  result: WaitResult;
  refused?: Refused;
}

/** What Directum shows of a document at one moment; no document is a deleted one. */
interface SignatureFacts {
  document: DocumentState | null;
  /** The newest started task that has it as its main document. */
  task: TaskState | null;
}

const RUNNING = new Set(['InProcess', 'UnderReview', 'Suspended']);

/** Either proof of our signature: a card held open elsewhere keeps its old state (directum.md E.1). */
export function isSignedByUs(document: ApprovalStates): boolean {
  return document.internalApprovalState === 'Signed' || document.lastVersionApproved;
}

/** Our signature and the counterparty's, or an exchange that ended with both (interface.md, `both`). */
export function isSignedByBoth(document: ApprovalStates): boolean {
  const back = isSignedByUs(document) && document.externalApprovalState === 'Signed';
  return back || document.exchangeState === 'Signed';
}

/**
 * Who signed for our side and when, each empty where Directum does not show it: the signing assignment says, else the card. A
 * card that stayed locked while it was signed still names the person who was meant to sign (directum.md E.1). Null: nobody
 * signed. `told` is what the assignment says.
 */
export function toSigning(document: DocumentState, told: Signing | null): { by: string; at: string } | null {
  if (!isSignedByUs(document) && document.exchangeState !== 'Signed') return null;
  const onCard = document.ourSignatory;
  const by = document.internalApprovalState === 'Signed' ? (onCard ?? told?.by) : (told?.by ?? onCard);
  return { by: by ?? '', at: told?.at ?? document.modified ?? '' };
}

/**
 * What the signing assignment of a task says. One that may not be read is no reason to call a signature a failure: the card
 * tells nearly as much.
 */
export async function readSigning(
  task: TaskState | null,
  { signing }: { signing(taskId: number): Promise<Signing | null> },
): Promise<Signing | null> {
  if (task === null) return null;
  try {
    return await signing(task.id);
  } catch (error) {
    if (error instanceof RobotFailure && !error.heals) return null;
    throw error;
  }
}

/** The ending of a wait, or null while it goes on: the asked-for success first, then directum.md E.2. */
export function toVerdict({ document, task }: SignatureFacts, waitFor: WaitFor): Verdict | null {
  if (document === null) return { result: 'deleted' };
  const us = isSignedByUs(document);
  if (waitFor === 'us' && us) return { result: 'signed' };
  if (waitFor === 'both' && isSignedByBoth(document)) return { result: 'signed' };
  if (waitFor === 'approval') {
    const state = document.internalApprovalState;
    if (state === 'PendingSign' || state === 'Signed' || task?.status === 'Completed')
      return { result: 'approved' };
  }
  const refused = toRefused(document, task);
  if (refused !== null) return { result: 'rejected', refused };
  // With our signature there, the wait goes on for the counterparty although the task ended.
  if (task?.status === 'Completed' && !us) return { result: 'not_signed' };
  return null;
}

/** The task decides before the document; a task that runs again counts more than a state left by the task before it. */
function toRefused(document: DocumentState, task: TaskState | null): Refused | null {
  if (task?.status === 'Aborted') return 'task';
  if (document.lifeCycleState === 'Obsolete' || document.lifeCycleState === 'Terminated') return 'annulled';
  if (document.externalApprovalState === 'Unsigned') return 'counterparty';
  if (document.exchangeState === 'Rejected' || document.exchangeState === 'Terminated') return 'counterparty';
  const running = task !== null && RUNNING.has(task.status);
  return document.internalApprovalState === 'Aborted' && !running ? 'document' : null;
}

/** The facts of a document that a verdict depends on, as one text to compare. */
export function toSeen(document: DocumentState): string {
  return [
    document.lifeCycleState,
    document.internalApprovalState,
    document.externalApprovalState,
    document.exchangeState,
    document.lastVersionApproved ? 'approved' : '',
  ].join('|');
}

const REFUSED: Record<Refused, LocalText> = {
  task: { ru: 'задача в Directum прекращена', en: 'its task in Directum was aborted' },
  annulled: { ru: 'документ аннулирован', en: 'the document was annulled' },
  counterparty: { ru: 'контрагент отказал в подписании', en: 'the counterparty refused to sign' },
  document: { ru: 'согласование прекращено', en: 'its approval was aborted' },
};

/** What happened and what to do, for a wait that did not end well. */
export function toWaitText(verdict: Verdict, name: string, waitFor: WaitFor): LocalText {
  const shown = shorten(name, 120);
  const missed =
    waitFor === 'approval'
      ? { ru: 'не согласован', en: 'was not approved' }
      : { ru: 'не подписан', en: 'was not signed' };
  if (verdict.result === 'deleted') {
    return {
      ru: `Документ «${shown}» удалён в Directum или больше не доступен учётной записи сервиса. Восстановите его или права на него либо создайте новый.`,
      en: `The document «${shown}» was deleted in Directum or the service's account can no longer read it. Restore it or the rights, or create a new one.`,
    };
  }
  if (verdict.result === 'expired') {
    return {
      ru: `Документ «${shown}» ${missed.ru} за отведённое время. Узнайте в Directum, у кого он находится, и запустите ожидание снова.`,
      en: `The document «${shown}» ${missed.en} in the time given. See in Directum who holds it and start the wait again.`,
    };
  }
  if (verdict.result === 'not_signed') {
    return {
      ru: `Задача по документу «${shown}» завершена, а подписи нет. Подпишите документ в Directum или отправьте его по маршруту с этапом подписания.`,
      en: `The task of the document «${shown}» is completed without a signature. Sign it in Directum or send it along a route with a signing stage.`,
    };
  }
  const why = REFUSED[verdict.refused ?? 'document'];
  return {
    ru: `Документ «${shown}» ${missed.ru}: ${why.ru}. Выясните причину в карточке Directum и отправьте документ на согласование снова.`,
    en: `The document «${shown}» ${missed.en}: ${why.en}. See the reason on the card in Directum and send the document for approval again.`,
  };
}
