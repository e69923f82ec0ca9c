import { z } from 'zod';
import { labels } from '../src/documents/make/inputs-outputs.ts';
import { makeDocument } from '../src/documents/make/make-document.ts';
import { departmentAndSum, madeOutputs, termsAndVersion } from '../src/documents/make/step-fields.ts';
import {
  contract,
  type DocumentType,
  type DocumentTypeCode,
  furtherTypes,
} from '../src/documents/types/document-types.ts';
import type { LocalText } from '../src/robot/failure.ts';
import { field } from '../src/robot/fields.ts';
import { defineRobot, SALES_ITEMS } from '../src/robot/robot.ts';
import { toFills } from '../src/robot/rules/fills.ts';

const offered = Object.fromEntries(furtherTypes.map(({ code, texts }) => [code, texts.title])) as Record<
  Exclude<DocumentTypeCode, 'contract'>,
  LocalText
>;

const inputs = z.object({
  document_type: field.select({ ru: 'Тип документа', en: 'Document type' }, offered),
  subject: field
    .string(labels.subject, {
      ru: 'Обязательно для допсоглашения и простого документа',
      en: 'Needed for an agreement and a simple document',
    })
    .optional(),
  document_kind: field
    .string(labels.kind, {
      ru: 'Имя или ИД; пусто = вид этого типа по умолчанию',
      en: 'Name or id; empty = the default kind of this type',
    })
    .optional(),
  leading_slot: field
    .slotName(labels.leadingSlot, {
      ru: `Документ, к которому он относится; пусто = ${contract.slot}`,
      en: `The document it belongs to; empty = ${contract.slot}`,
    })
    .optional(),
  leading_document_id: field
    .int(labels.leadingId, { ru: 'Вместо слота', en: 'In place of the slot' })
    .optional(),
  require_signed: field
    .select(labels.requireSigned, {
      no: { ru: 'Нет', en: 'No' },
      us: { ru: 'Нами', en: 'By us' },
      both: { ru: 'Обеими сторонами', en: 'By both sides' },
    })
    .default('no'),
  business_unit: field
    .string(labels.businessUnit, {
      ru: 'Имя, ИД или ИНН; пусто = как у ведущего документа, иначе из сделки',
      en: 'Name, id or TIN; empty = as of the leading document, else of the deal',
    })
    .optional(),
  ...departmentAndSum,
  number: field
    .string(labels.number, {
      ru: 'Бумажного документа; пусто = пронумерует Directum',
      en: 'Of the paper; empty = Directum numbers',
    })
    .optional(),
  date: field.date(labels.date).optional(),
  payment_due: field.date(labels.paymentDue).optional(),
  ...termsAndVersion,
  slot: field
    .slotName(labels.slot, {
      ru: 'Пусто = тип документа. Другое слово — другой документ той же сделки',
      en: 'Empty = the document type. Another word is another document of the same deal',
    })
    .optional(),
  link_document_id: field.int(labels.link).optional(),
  if_exists: field
    .select(
      { ru: 'Если документ уже есть', en: 'If the document exists' },
      { keep: { ru: 'Оставить', en: 'Keep' }, update: { ru: 'Обновить', en: 'Update' } },
    )
    .default('keep'),
  rules: field.rules(),
  check_only: field.checkOnly(),
});

/** Inputs that not every type takes (interface.md §3); what an installation's cards lack besides is asked when a table is checked. */
function takes({ code, leading, number }: DocumentType, input: string): boolean {
  switch (input) {
    case 'payment_due':
      return code === 'incoming_invoice';
    case 'valid_from':
    case 'valid_till':
      return code === 'supplementary_agreement';
    case 'number':
    case 'date':
      return number !== null;
    case 'leading_slot':
    case 'require_signed':
      return leading !== null;
    case 'amount':
    case 'vat_rate':
    case 'responsible':
      return code !== 'addendum' && code !== 'simple';
    default:
      return true;
  }
}

/** Creates an act, an invoice, an agreement and the like in Directum RX: one per item and slot. */
export const createDocument = defineRobot({
  code: 'directum_create_document',
  name: {
    ru: 'Directum: создать документ (акт, счёт, допсоглашение …)',
    en: 'Directum: create document (act, invoice, agreement …)',
  },
  description: {
    ru: 'Создаёт в Directum RX акт, счёт, дополнительное соглашение, УПД, накладную, приложение или простой документ. Повторный запуск вернёт тот же документ.',
    en: 'Creates an act, invoice, supplementary agreement, universal transfer document, waybill, addendum or simple document in Directum RX. A repeat returns the same document.',
  },
  items: SALES_ITEMS,
  inputs,
  fills: Object.fromEntries(
    furtherTypes.map((type) => [type.code, toFills(inputs).filter((input) => takes(type, input))]),
  ),

  outputs: z.object({
    document_id: field.int({ ru: 'ИД документа', en: 'Document id' }).optional(),
    document_url: field.string({ ru: 'Ссылка на документ', en: 'Document link' }),
    document_name: field.string({ ru: 'Имя документа', en: 'Document name' }),
    ...madeOutputs,
    leading_id: field.int({ ru: 'ИД ведущего документа', en: 'Id of the leading document' }).optional(),
    rule: field.rule(),
    problems: field.problems(),
  }),

  async run(given, context) {
    const type = furtherTypes.find((one) => one.code === given.document_type);
    if (type === undefined) throw new Error(`no document type ${given.document_type}`);
    return makeDocument({ type, label: labels }, given, context);
  },
});
