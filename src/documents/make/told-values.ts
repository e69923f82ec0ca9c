import type { LocalText } from '../../robot/failure.ts';
import type { Employee, LeadingDocument, Reference } from '../../robot/ports/directum.ts';
import type { ItemSnapshot } from '../../robot/ports/portal.ts';
import type { CheckedValue, RobotContext, ValueSource } from '../../robot/robot.ts';
import type { DocumentInputs, Making } from './inputs-outputs.ts';

/** What a check has resolved of a document. */
interface Resolved {
  snapshot: ItemSnapshot;
  leading: LeadingDocument | null;
  kind: Reference;
  category: Reference | undefined;
  vatRate: Reference | undefined;
  amount: number;
  currency: Reference | undefined;
  responsible: Employee | null;
  signatory: Employee | undefined;
  ids: { businessUnitId: number | undefined; departmentId: number | undefined };
  businessUnitOf: 'deal' | 'responsible';
}

/** What a document would be made with, and where each value comes from (interface.md §4, `npm run check`). */
export async function tellValues(
  { type, label }: Making,
  given: DocumentInputs,
  { directum, settings }: RobotContext,
  found: Resolved,
): Promise<CheckedValue[]> {
  const told: CheckedValue[] = [];
  const tell = (
    field: LocalText,
    value: string | undefined,
    input: keyof DocumentInputs,
    otherwise: ValueSource,
  ) => {
    if (value === undefined) return;
    const isGiven = given[input] !== undefined;
    told.push({ field, value, input: isGiven ? input : null, from: isGiven ? 'input' : otherwise });
  };
  const named = (one: Reference | undefined) => one && `${one.name} (${one.id})`;
  const byId = async (id: number | undefined, read: (id: string) => Promise<Reference>) =>
    id === undefined ? undefined : await read(String(id)).catch(() => ({ id, name: '—' }));
  const { catalogue } = directum;
  const unit = await byId(found.ids.businessUnitId, (id) => catalogue.businessUnit(id, label.businessUnit));
  const department = await byId(found.ids.departmentId, (id) => catalogue.department(id, label.department));
  const money = found.amount > 0 ? [found.amount, found.currency?.name].filter(Boolean).join(' ') : undefined;
  const unitFrom = found.leading?.businessUnitId ? 'leading' : found.businessUnitOf;
  const isSetting = found.leading === null && settings.businessUnit !== null && !found.snapshot.ownCompany;
  const { party } = found.snapshot;

  tell(label.subject, given.subject, 'subject', 'input');
  tell(
    label.kind,
    named(found.kind),
    'document_kind',
    settings.documentKinds[type.code] === undefined ? 'directum' : 'setting',
  );
  tell(label.category, named(found.category), 'category', 'directum');
  tell(label.leadingId, found.leading ? named(found.leading) : undefined, 'leading_document_id', 'leading');
  if (found.leading?.counterpartyId)
    tell(COUNTERPARTY, `${found.leading.counterpartyId}`, 'leading_document_id', 'leading');
  else if (party !== null)
    told.push({
      field: COUNTERPARTY,
      value: party.name ?? `${party.kind} ${party.id}`,
      input: null,
      from: 'deal',
    });
  tell(label.businessUnit, named(unit), 'business_unit', isSetting ? 'setting' : unitFrom);
  tell(label.department, named(department), 'department', 'responsible');
  tell(label.amount, money, 'amount', 'deal');
  tell(label.vatRate, named(found.vatRate), 'vat_rate', 'directum');
  tell(label.number, given.number, 'number', 'input');
  tell(label.date, given.date, 'date', 'input');
  tell(label.paymentDue, given.payment_due, 'payment_due', 'input');
  tell(label.validFrom, given.valid_from, 'valid_from', 'input');
  tell(label.validTill, given.valid_till, 'valid_till', 'input');
  tell(label.responsible, named(found.responsible ?? undefined), 'responsible', 'deal');
  tell(label.signatory, named(found.signatory), 'our_signatory', 'directum');
  tell(label.template, given.template, 'template', 'input');
  tell(label.file, given.file_field, 'file_field', 'input');
  tell(label.crmTemplate, given.crm_template, 'crm_template', 'input');
  tell(label.extra, given.extra_fields, 'extra_fields', 'input');
  return told;
}

const COUNTERPARTY = { ru: 'Контрагент', en: 'Counterparty' };
