import { z } from 'zod';
import { labels } from '../src/documents/make/inputs-outputs.ts';
import { makeDocument } from '../src/documents/make/make-document.ts';
import { departmentAndSum, madeOutputs, termsAndVersion } from '../src/documents/make/step-fields.ts';
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
  ...departmentAndSum,
  ...termsAndVersion,
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
    ...madeOutputs,
    rule: field.rule(),
    problems: field.problems(),
  }),

  run: (given, context) => makeDocument({ type: contract, label }, given, context),
});
