import { RobotFailure } from '../../robot/failure.ts';
import type { FieldLabel } from '../../robot/ports/directum.ts';
import type { Problems } from '../../robot/problems.ts';
import type { RobotContext } from '../../robot/robot.ts';
import { inputMissing, invalid } from '../../robot/run/inputs.ts';
import { contract } from '../types/document-types.ts';
import { HELD_IN } from '../types/held-inputs.ts';
import type { DocumentInputs, Making } from './inputs-outputs.ts';

/** Values that a document gets without an input. */
const GIVEN = ['Counterparty', 'Currency'] as const;

type Property = (typeof HELD_IN)[keyof typeof HELD_IN] | (typeof GIVEN)[number];

/** Which of these properties cards of the type have. */
export type Has = (property: Property) => boolean;

/**
 * What the installation's cards of the type can hold; an input that they cannot hold is a problem. A contract is not asked
 * about: what an installation does not take it refuses itself.
 */
export async function demandFittingInputs(
  { type, label }: Making,
  given: DocumentInputs,
  { directum }: RobotContext,
  problems: Problems,
): Promise<Has> {
  if (type.code === contract.code) return () => true;
  const names = [...Object.values(HELD_IN), ...GIVEN];
  const having = await directum.documents.having(type, names);
  const titles: Record<keyof typeof HELD_IN, FieldLabel> = {
    amount: label.amount,
    vat_rate: label.vatRate,
    responsible: label.responsible,
    payment_due: label.paymentDue,
    valid_from: label.validFrom,
    valid_till: label.validTill,
    our_signatory: label.signatory,
    department: label.department,
    business_unit: label.businessUnit,
  };
  const refuse = (title: FieldLabel) =>
    new RobotFailure('input_invalid', {
      ru: `Поле «${title.ru}» заполнено, а у документа типа «${type.texts.noun.ru}» такого свойства нет. Оставьте поле пустым.`,
      en: `The field «${title.en}» is filled, and the type «${type.texts.noun.en}» has no such property. Leave the field empty.`,
    });
  const demand = (isWrong: () => boolean, title: FieldLabel) =>
    problems.of(() => {
      if (isWrong()) throw refuse(title);
    });
  for (const input of Object.keys(HELD_IN) as (keyof typeof HELD_IN)[])
    await demand(() => given[input] !== undefined && !having.has(HELD_IN[input]), titles[input]);
  if (type.leading === null) {
    await demand(() => given.leading_slot !== undefined, label.leadingSlot);
    await demand(() => given.leading_document_id !== undefined, label.leadingId);
    await demand(() => (given.require_signed ?? 'no') !== 'no', label.requireSigned);
  }
  return (property) => having.has(property);
}

/** Inputs that contradict each other, or are missing. */
export async function demandAgreement(
  { type, label }: Making,
  given: DocumentInputs,
  problems: Problems,
): Promise<void> {
  await problems.of(() => {
    const sources = [
      [label.template, given.template],
      [label.file, given.file_field],
      [label.crmTemplate, given.crm_template],
    ] as const;
    const filled = sources.flatMap(([title, value]) => (value === undefined ? [] : [{ title, value }]));
    const [first, second] = filled;
    if (first === undefined || second === undefined) return;
    throw invalid(second.title, second.value, {
      ru: `заполнено и поле «${first.title.ru}»; оставьте что-то одно`,
      en: `«${first.title.en}» is filled too; leave one of them`,
    });
  });
  await problems.of(() => {
    if (!given.valid_from || !given.valid_till || given.valid_from <= given.valid_till) return;
    throw invalid(label.validTill, given.valid_till, {
      ru: `раньше, чем «${label.validFrom.ru}»; исправьте даты`,
      en: `it is before «${label.validFrom.en}»; mend the dates`,
    });
  });
  await problems.of(() => {
    if (!given.payment_due || !given.date || given.date <= given.payment_due) return;
    throw invalid(label.paymentDue, given.payment_due, {
      ru: `раньше, чем «${label.date.ru}»; исправьте даты`,
      en: `it is before «${label.date.en}»; mend the dates`,
    });
  });
  if (type.number === 'registration') {
    await problems.of(() => {
      if (given.number !== undefined && given.date === undefined) throw inputMissing(label.date);
      if (given.date !== undefined && given.number === undefined) throw inputMissing(label.number);
    });
  }
  await problems.of(() => {
    if (type.needsSubject && given.subject === undefined) throw inputMissing(label.subject);
  });
}
