import type { LocalText } from '../../../robot/failure.ts';
import type { CounterpartyRef, Employee, LeadingDocument, Reference } from '../../../robot/ports/directum.ts';
import type { ItemSnapshot } from '../../../robot/ports/portal.ts';
import type { Checking, RobotContext, Sourced, ValueSource } from '../../../robot/robot.ts';
import type { Version } from '../document-version.ts';
import { type DocumentInputs, type Making, toCounterpartyOutputs } from '../inputs-outputs.ts';
import type { Has } from '../type-inputs.ts';

/** What a check has resolved of a document; each throws the problem for which it could not be. */
interface Resolved {
  snapshot(): ItemSnapshot;
  leading(): LeadingDocument | null;
  /** The card that is there; null where one would be made of `party`. */
  counterparty(): CounterpartyRef | null;
  isOfLeading(): boolean;
  party(): ItemSnapshot['party'];
  kind(): Sourced<Reference>;
  category(): Reference | undefined;
  vatRate(): Reference | undefined;
  amount(): Sourced<number>;
  currency(): Sourced<Reference> | undefined;
  responsible(): Sourced<Employee> | null;
  signatory(): Employee | undefined;
  ownCompany(): Sourced<Reference> | null;
  department(): Reference | undefined;
  has: Has;
  version(): Version | null;
}

type Told = Reference | string | undefined;

/** Inputs that are written as they are, in the order in which they are told. */
const AS_GIVEN = [
  ['number', 'number'],
  ['date', 'date'],
  ['paymentDue', 'payment_due'],
  ['validFrom', 'valid_from'],
  ['validTill', 'valid_till'],
  ['extra', 'extra_fields'],
] as const;

/** Tells what a document would be made with, and where each value comes from; nothing where there are problems. */
export async function tellValues(
  { label }: Making,
  given: DocumentInputs,
  { directum: { catalogue } }: RobotContext,
  found: Resolved,
  { problems, known, values }: Checking,
): Promise<void> {
  const card = await problems.or(found.counterparty, null);
  if (card !== null) Object.assign(known, toCounterpartyOutputs(card));
  const leading = await problems.or(found.leading, null);
  if (leading !== null) Object.assign(known, { leading_id: leading.id });
  if (problems.all.length > 0) return;

  const tell = (field: LocalText, from: ValueSource, told: Told, input?: keyof DocumentInputs) => {
    if (told === undefined) return;
    const value = typeof told === 'string' ? told : `${told.name} (${told.id})`;
    values.push({ field, value, input: from === 'input' ? (input ?? null) : null, from });
  };
  const { has } = found;
  const party = found.party();
  const responsible = found.responsible();
  const unit = found.ownCompany();
  const department = found.department();
  const kind = found.kind();
  const amount = found.amount();
  const currency = found.currency();

  tell(label.subject, 'input', given.subject, 'subject');
  tell(label.kind, kind.from, kind.value, 'document_kind');
  tell(label.category, 'input', found.category(), 'category');
  const isNamed = given.leading_document_id !== undefined || given.leading_slot !== undefined;
  const leadingInput = given.leading_document_id === undefined ? 'leading_slot' : 'leading_document_id';
  tell(label.leadingId, isNamed ? 'input' : 'deal', leading ?? undefined, leadingInput);
  tell(COUNTERPARTY, found.isOfLeading() ? 'leading' : 'deal', card ?? party?.name ?? undefined);
  if (has('ResponsibleEmployee'))
    tell(label.responsible, responsible?.from ?? 'deal', responsible?.value, 'responsible');
  tell(label.signatory, 'input', found.signatory(), 'our_signatory');
  const ofResponsible = async (id: number | null | undefined, read: (id: string) => Promise<Reference>) =>
    id ? read(String(id)).catch(() => String(id)) : undefined;
  if (has('BusinessUnit')) {
    const own = await ofResponsible(responsible?.value.businessUnitId, (id) =>
      catalogue.businessUnit(id, label.businessUnit),
    );
    tell(label.businessUnit, unit?.from ?? 'responsible', unit?.value ?? own, 'business_unit');
  }
  if (has('Department')) {
    const own = await ofResponsible(responsible?.value.departmentId, (id) =>
      catalogue.department(id, label.department),
    );
    tell(label.department, department ? 'input' : 'responsible', department ?? own, 'department');
  }
  if (amount.value > 0) tell(label.amount, amount.from, String(amount.value), 'amount');
  if (has('Currency')) tell(CURRENCY, currency?.from ?? 'deal', currency?.value, 'amount');
  tell(label.vatRate, 'input', found.vatRate(), 'vat_rate');
  for (const [title, input] of AS_GIVEN) tell(label[title], 'input', given[input], input);
  const version = found.version();
  if (version !== null) {
    if ('template' in version) tell(label.template, 'input', version.template, 'template');
    if ('fileField' in version) tell(label.file, 'input', version.fileField, 'file_field');
    if ('crmTemplate' in version) tell(label.crmTemplate, 'input', version.crmTemplate, 'crm_template');
  }
  tell(NOTE, 'deal', `${found.snapshot().title} ${found.snapshot().url}`);
}

const COUNTERPARTY = { ru: 'Контрагент', en: 'Counterparty' };
const CURRENCY = { ru: 'Валюта', en: 'Currency' };
const NOTE = { ru: 'Примечание', en: 'Note' };

/** What is wrong with the requisites is a problem each; null where the counterparty would be made. */
export async function checkParty(
  party: ItemSnapshot['party'],
  { directum }: RobotContext,
  { problems }: Checking,
): Promise<CounterpartyRef | null> {
  if (party === null) return null;
  const { wrong, found } = await directum.counterparties.check(party, 'none');
  for (const problem of wrong) problems.take(problem);
  return found;
}
