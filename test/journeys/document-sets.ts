import type { DocumentTypeCode } from '../../src/documents/types/document-types.ts';

export type FurtherType = Exclude<DocumentTypeCode, 'contract'>;

/** Entity sets of the documents that `directum_create_document` makes (directum.md B.4–B.8). */
export const SETS: Record<FurtherType, string> = {
  act: 'IContractStatements',
  outgoing_invoice: 'IOutgoingInvoices',
  incoming_invoice: 'IIncomingInvoices',
  supplementary_agreement: 'ISupAgreements',
  universal_transfer: 'IUniversalTransferDocuments',
  waybill: 'IWaybills',
  addendum: 'IAddendums',
  simple: 'ISimpleDocuments',
};

export const TYPES = Object.keys(SETS) as FurtherType[];
