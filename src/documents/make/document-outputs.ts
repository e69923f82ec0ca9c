import type { DocumentCard } from '../../robot/ports/directum.ts';

/** What a robot answers of a document; `created` by this run. */
export function toOutputs(card: DocumentCard, created: boolean, changedFields: string[] = []) {
  return {
    document_id: card.id,
    document_url: card.url,
    document_name: card.name,
    registration_number: card.registrationNumber ?? '',
    ...toCounterpartyOutputs(card.counterparty),
    created,
    changed_fields: changedFields.join(','),
    leading_id: card.leadingId ?? undefined,
  };
}

export function toCounterpartyOutputs(counterparty: DocumentCard['counterparty']) {
  return { counterparty_id: counterparty?.id, counterparty_url: counterparty?.url ?? '' };
}

/** Outputs while there is no document. */
export const NOTHING = {
  document_url: '',
  document_name: '',
  registration_number: '',
  counterparty_url: '',
  created: false,
  changed_fields: '',
};
