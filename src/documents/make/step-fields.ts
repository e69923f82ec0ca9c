import { field } from '../../robot/fields.ts';
import type { DocumentState } from '../../robot/ports/document-state.ts';
import { contract } from '../types/document-types.ts';
import { labels } from './inputs-outputs.ts';

/** Which document a step is about: the one of that id, else the one in the slot (`findDocument`). */
export const whichDocument = {
  document_id: field
    .int(
      { ru: 'ИД документа', en: 'Document id' },
      { ru: 'Пусто = документ этой сделки из слота', en: 'Empty = the document of this deal in the slot' },
    )
    .optional(),
  slot: field.slot(contract),
};

/** Department and sum: the same inputs whatever type of document is made. */
export const departmentAndSum = {
  department: field
    .string(labels.department, {
      ru: 'Имя или ИД; пусто = ответственного',
      en: 'Name or id; empty = of the responsible',
    })
    .optional(),
  amount: field
    .money(labels.amount, {
      ru: 'Например 1200000.50|RUB; пусто = сумма сделки',
      en: 'For example 1200000.50|RUB; empty = amount of the deal',
    })
    .optional(),
  vat_rate: field.string(labels.vatRate, { ru: 'Имя или процент', en: 'Name or percent' }).optional(),
};

/** Terms, people, first version and extra fields: the same inputs whatever type of document is made. */
export const termsAndVersion = {
  valid_from: field.date(labels.validFrom).optional(),
  valid_till: field.date(labels.validTill).optional(),
  responsible: field
    .user(labels.responsible, { ru: 'Пусто = ответственный сделки', en: 'Empty = responsible of the deal' })
    .optional(),
  our_signatory: field.user(labels.signatory).optional(),
  template: field
    .string(labels.template, { ru: 'Имя или ИД шаблона Directum', en: 'Name or id of a Directum template' })
    .optional(),
  file_field: field
    .string(labels.file, { ru: 'Код поля сделки с файлом', en: "Code of the deal's file field" })
    .optional(),
  crm_template: field
    .string(labels.crmTemplate, {
      ru: 'Имя или ИД шаблона документов CRM: файл сделает портал',
      en: 'Name or id of a CRM document template: the portal makes the file',
    })
    .optional(),
  extra_fields: field
    .text(labels.extra, { ru: 'Свойство=значение, по одному в строке', en: 'Property=value, one a line' })
    .optional(),
};

/** Outputs of a document that was made, from its number on (`toOutputs`). */
export const madeOutputs = {
  registration_number: field.string({ ru: 'Регистрационный номер', en: 'Registration number' }),
  counterparty_id: field.int({ ru: 'ИД контрагента', en: 'Counterparty id' }).optional(),
  counterparty_url: field.string({ ru: 'Ссылка на контрагента', en: 'Counterparty link' }),
  created: field.bool({ ru: 'Создан сейчас', en: 'Created now' }),
  changed_fields: field.string({ ru: 'Изменённые поля', en: 'Changed fields' }),
};

/** States of a document in Directum's own words. */
export const stateOutputs = {
  internal_state: field.string({ ru: 'Согласование', en: 'Internal state' }),
  external_state: field.string({ ru: 'Согласование с контрагентом', en: 'External state' }),
  lifecycle_state: field.string({ ru: 'Состояние', en: 'Life cycle state' }),
  registration_number: field.string({ ru: 'Регистрационный номер', en: 'Registration number' }),
};

export const toStateOutputs = (document: DocumentState) => ({
  internal_state: document.internalApprovalState ?? '',
  external_state: document.externalApprovalState ?? '',
  lifecycle_state: document.lifeCycleState ?? '',
  registration_number: document.registrationNumber ?? '',
});
