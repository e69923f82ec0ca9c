import type { WriteResult } from '../../documents/ports/deal.ts';
import type { ContractTrigger, TriggerCode } from '../../documents/ports/facts.ts';
import type { LocalText } from '../../robot/failure.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import type { BatchAnswer } from '../rest/batch.ts';
import { toWriteResult, type Writer } from '../rest/writes.ts';

const CONTRACT_NAMES: Readonly<Record<ContractTrigger, LocalText>> = {
  directum_approved: { ru: 'Directum: договор согласован', en: 'Directum: contract approved' },
  directum_rejected: { ru: 'Directum: договор отклонён', en: 'Directum: contract rejected' },
  directum_rework: { ru: 'Directum: договор на доработке', en: 'Directum: contract on rework' },
  directum_signed_us: { ru: 'Directum: договор подписан нами', en: 'Directum: contract signed by us' },
  directum_signed_both: {
    ru: 'Directum: договор подписан обеими сторонами',
    en: 'Directum: contract signed by both parties',
  },
  directum_executed: { ru: 'Directum: договор исполнен', en: 'Directum: contract executed' },
  directum_overdue: { ru: 'Directum: срок договора истёк', en: 'Directum: contract overdue' },
  directum_due: { ru: 'Directum: приближается срок по договору', en: 'Directum: contract date is near' },
};

/** Triggers that an administrator may place on stages (interface.md §5). */
export const TRIGGER_NAMES: Readonly<Record<TriggerCode, LocalText>> = {
  ...CONTRACT_NAMES,
  directum_document_approved: { ru: 'Directum: документ согласован', en: 'Directum: document approved' },
  directum_document_rejected: { ru: 'Directum: документ отклонён', en: 'Directum: document rejected' },
  directum_document_rework: { ru: 'Directum: документ на доработке', en: 'Directum: document on rework' },
  directum_document_signed_us: {
    ru: 'Directum: документ подписан нами',
    en: 'Directum: document signed by us',
  },
  directum_document_signed_both: {
    ru: 'Directum: документ подписан обеими сторонами',
    en: 'Directum: document signed by both parties',
  },
  directum_document_executed: { ru: 'Directum: документ исполнен', en: 'Directum: document executed' },
  directum_document_overdue: { ru: 'Directum: срок документа истёк', en: 'Directum: document overdue' },
  directum_document_due: {
    ru: 'Directum: приближается срок по документу',
    en: 'Directum: document date is near',
  },
};

/** How many triggers run at a time: each takes the portal 0.4 to 13 s (bitrix24.md F9). */
const AT_ONCE = 4;
/** The request was taken, no answer came in time: our own limit, and that of the portal's proxy. */
const TIMEOUTS = new Set(['REQUEST_TIMEOUT', 'HTTP_504']);

/**
 * Executes triggers, each in a hit of its own: 50 of them in one batch may take the portal longer than the minute a
 * request may last, and then it would be unknown which of them have run.
 */
export function createTriggers({ writer, log }: { writer: Writer; log: Log }) {
  async function fire(
    memberId: string,
    { code, item }: { code: TriggerCode; item: ItemRef },
  ): Promise<WriteResult> {
    const answer = await writer.sendAlone(memberId, {
      method: 'crm.automation.trigger.execute',
      params: { CODE: code, OWNER_TYPE_ID: item.typeId, OWNER_ID: item.id },
    });
    const result = toResult(answer);
    if (!result.ok && !answer.ok) {
      const reason = answer.error || answer.description;
      log.warn('trigger.not_fired', { memberId, trigger: code, item: item.code, reason });
    }
    return result;
  }

  return async function fireTriggers(
    memberId: string,
    triggers: readonly { code: TriggerCode; item: ItemRef }[],
  ): Promise<WriteResult[]> {
    const results: WriteResult[] = [];
    for (let from = 0; from < triggers.length; from += AT_ONCE) {
      const part = triggers.slice(from, from + AT_ONCE);
      results.push(...(await Promise.all(part.map((trigger) => fire(memberId, trigger)))));
    }
    return results;
  };
}

function toResult(answer: BatchAnswer): WriteResult {
  // A timeout is no failure (F9): the portal goes on without us, and the deal may stand on the trigger's stage
  // already. Firing again could move a deal that a person has meanwhile put back, and a trigger is fired once.
  if (!answer.ok && TIMEOUTS.has(answer.error)) return { ok: true };
  return toWriteResult(answer);
}
