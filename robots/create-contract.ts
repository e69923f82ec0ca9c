import { z } from 'zod';
import { labels } from '../src/documents/make/inputs-outputs.ts';
import { makeDocument } from '../src/documents/make/make-document.ts';
import { contract } from '../src/documents/types/document-types.ts';
import { field } from '../src/robot/fields.ts';
import { defineRobot, SALES_ITEMS } from '../src/robot/robot.ts';
import { toFills } from '../src/robot/rules/fills.ts';

const label = { ...labels, link: { ru: 'ИД готового договора', en: 'Id of an existing contract' } };

const inputs = z.object({
  subject: field.string(label.subject),
  document_kind: field
    .string(label.kind, {
      ru: 'Имя или ИД; пусто = из настроек сервиса',
      en: 'Name or id; empty = the setting',
    })
    .optional(),
  category: field
    .string(label.category, {
      ru: 'Имя или ИД; пусто = решит Directum',
      en: 'Name or id; empty = Directum decides',
    })
    .optional(),
  business_unit: field
    .string(label.businessUnit, {
      ru: 'Имя, ИД или ИНН; пусто = из сделки',
      en: 'Name, id or TIN; empty = of the deal',
    })
    .optional(),
  department: field
    .string(label.department, {
      ru: 'Имя или ИД; пусто = ответственного',
      en: 'Name or id; empty = of the responsible',
    })
    .optional(),
  amount: field
    .money(label.amount, {
      ru: 'Например 1200000.50|RUB; пусто = сумма сделки',
      en: 'For example 1200000.50|RUB; empty = amount of the deal',
    })
    .optional(),
  vat_rate: field.string(label.vatRate, { ru: 'Имя или процент', en: 'Name or percent' }).optional(),
  valid_from: field.date(label.validFrom).optional(),
  valid_till: field.date(label.validTill).optional(),
  responsible: field
    .user(label.responsible, { ru: 'Пусто = ответственный сделки', en: 'Empty = responsible of the deal' })
    .optional(),
  our_signatory: field.user(label.signatory).optional(),
  template: field
    .string(label.template, { ru: 'Имя или ИД шаблона Directum', en: 'Name or id of a Directum template' })
    .optional(),
  file_field: field
    .string(label.file, { ru: 'Код поля сделки с файлом', en: "Code of the deal's file field" })
    .optional(),
  crm_template: field
    .string(label.crmTemplate, {
      ru: 'Имя или ИД шаблона документов CRM: файл сделает портал',
      en: 'Name or id of a CRM document template: the portal makes the file',
    })
    .optional(),
  extra_fields: field
    .text(label.extra, { ru: 'Свойство=значение, по одному в строке', en: 'Property=value, one a line' })
    .optional(),
  slot: field.slot(contract),
  link_document_id: field.int(label.link).optional(),
  if_exists: field
    .select(
      { ru: 'Если договор уже есть', en: 'If the contract exists' },
      { keep: { ru: 'Оставить', en: 'Keep' }, update: { ru: 'Обновить', en: 'Update' } },
    )
    .default('keep'),
  rules: field.rules(),
  check_only: field.checkOnly(),
});

/** Creates a contract card in Directum RX for the counterparty of a deal: one per item and slot. */
export const createContract = defineRobot({
  code: 'directum_create_contract',
  name: contract.texts.robot,
  description: {
    ru: 'Создаёт карточку договора в Directum RX по данным сделки. Повторный запуск вернёт тот же договор.',
    en: 'Creates a contract card in Directum RX from the deal. A repeat returns the same contract.',
  },
  items: SALES_ITEMS,
  inputs,
  fills: toFills(inputs),

  outputs: z.object({
    document_id: field.int({ ru: 'ИД договора', en: 'Contract id' }).optional(),
    document_url: field.string({ ru: 'Ссылка на договор', en: 'Contract link' }),
    document_name: field.string({ ru: 'Имя договора', en: 'Contract name' }),
    registration_number: field.string({ ru: 'Регистрационный номер', en: 'Registration number' }),
    counterparty_id: field.int({ ru: 'ИД контрагента', en: 'Counterparty id' }).optional(),
    counterparty_url: field.string({ ru: 'Ссылка на контрагента', en: 'Counterparty link' }),
    created: field.bool({ ru: 'Создан сейчас', en: 'Created now' }),
    changed_fields: field.string({ ru: 'Изменённые поля', en: 'Changed fields' }),
    rule: field.rule(),
    problems: field.problems(),
  }),

  run: (given, context) => makeDocument({ type: contract, label }, given, context),
});
