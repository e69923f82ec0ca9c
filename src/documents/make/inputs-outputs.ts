import type { DocumentCard, FieldLabel } from '../../robot/ports/directum.ts';
import type { DocumentType } from '../types/document-types.ts';

/** What a step says of the document it wants (interface.md §3). */
export interface DocumentInputs {
  subject?: string | undefined;
  document_kind?: string | undefined;
  category?: string | undefined;
  business_unit?: string | undefined;
  department?: string | undefined;
  amount?: { amount: number; currency: string | null } | undefined;
  vat_rate?: string | undefined;
  number?: string | undefined;
  /** Calendar dates `YYYY-MM-DD`. */
  date?: string | undefined;
  payment_due?: string | undefined;
  valid_from?: string | undefined;
  valid_till?: string | undefined;
  /** Portal users. */
  responsible?: number | undefined;
  our_signatory?: number | undefined;
  template?: string | undefined;
  file_field?: string | undefined;
  crm_template?: string | undefined;
  extra_fields?: string | undefined;
  slot?: string | undefined;
  leading_slot?: string | undefined;
  leading_document_id?: number | undefined;
  require_signed?: 'no' | 'us' | 'both' | undefined;
  link_document_id?: number | undefined;
  if_exists: 'keep' | 'update';
}

/** Titles of the fields of robots that make documents, by which errors name them. */
export const labels = {
  subject: { ru: 'Содержание', en: 'Subject' },
  kind: { ru: 'Вид документа', en: 'Document kind' },
  category: { ru: 'Категория договора', en: 'Contract category' },
  businessUnit: { ru: 'Наша организация', en: 'Own company' },
  department: { ru: 'Подразделение', en: 'Department' },
  amount: { ru: 'Сумма', en: 'Amount' },
  vatRate: { ru: 'Ставка НДС', en: 'VAT rate' },
  number: { ru: 'Номер', en: 'Number' },
  date: { ru: 'Дата', en: 'Date' },
  paymentDue: { ru: 'Оплатить до', en: 'Payment due' },
  validFrom: { ru: 'Действует с', en: 'Valid from' },
  validTill: { ru: 'Действует по', en: 'Valid till' },
  responsible: { ru: 'Ответственный', en: 'Responsible' },
  signatory: { ru: 'Подписант с нашей стороны', en: 'Our signatory' },
  template: { ru: 'Шаблон документа', en: 'Document template' },
  file: { ru: 'Поле с файлом', en: 'File field' },
  crmTemplate: { ru: 'Шаблон документа CRM', en: 'CRM document template' },
  extra: { ru: 'Дополнительные поля', en: 'Extra fields' },
  slot: { ru: 'Слот документа', en: 'Document slot' },
  leadingSlot: { ru: 'Слот ведущего документа', en: 'Slot of the leading document' },
  leadingId: { ru: 'ИД ведущего документа', en: 'Id of the leading document' },
  requireSigned: { ru: 'Требовать подписания ведущего', en: 'Leading document must be signed' },
  link: { ru: 'ИД готового документа', en: 'Id of an existing document' },
} as const satisfies Record<string, FieldLabel>;

/** The type of document a robot makes, and the titles of its fields. */
export interface Making {
  type: DocumentType;
  label: Record<keyof typeof labels, FieldLabel>;
}

/** The slot of the item that the document is for. */
export const slotOf = ({ type }: Making, given: DocumentInputs): string => given.slot ?? type.slot;

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
