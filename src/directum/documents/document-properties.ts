import type { DocumentType } from '../../documents/types/document-types.ts';
import { cut } from '../../lib/text.ts';
import type { DocumentDraft } from '../../robot/ports/directum.ts';
import { plainNote } from './document-keys.ts';

/** Directum properties of a draft: references as `{ Id }`, dates as midnight (directum.md A.6, A.11). */
export function toProperties(
  { leading, number }: DocumentType,
  draft: DocumentDraft,
): Record<string, unknown> {
  const ref = (id: number | undefined) => (id === undefined ? undefined : { Id: id });
  const date = (day: string | undefined) => (day === undefined ? undefined : `${day}T00:00:00Z`);
  const all: Record<string, unknown> = {
    DocumentKind: ref(draft.documentKindId),
    Counterparty: ref(draft.counterpartyId),
    ...(leading && { [leading.property]: ref(draft.leadingId) }),
    DocumentGroup: ref(draft.categoryId),
    BusinessUnit: ref(draft.businessUnitId),
    Department: ref(draft.departmentId),
    ResponsibleEmployee: ref(draft.responsibleId),
    OurSignatory: ref(draft.ourSignatoryId),
    Subject: draft.subject === undefined ? undefined : cut(draft.subject, 250),
    TotalAmount: draft.amount,
    Currency: ref(draft.currencyId),
    VatRate: ref(draft.vatRateId),
    ...(number === 'own' && { Number: draft.number, Date: date(draft.date) }),
    PaymentDueDate: date(draft.paymentDue),
    ValidFrom: date(draft.validFrom),
    ValidTill: date(draft.validTill),
    Note: draft.note === undefined ? undefined : plainNote(draft.note),
    ...draft.extra,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
