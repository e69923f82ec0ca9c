import type { LocalText } from '../../robot/failure.ts';
import { texts } from './texts.ts';

/** Codes of types, as a step names them (interface.md §3). */
export type DocumentTypeCode =
  | 'contract'
  | 'act'
  | 'outgoing_invoice'
  | 'incoming_invoice'
  | 'supplementary_agreement'
  | 'universal_transfer'
  | 'waybill'
  | 'addendum'
  | 'simple';

/** A type of documents that robots make and find in Directum. A further one is a row here and its tests. */
export interface DocumentType {
  /** Log events of its documents begin with it. */
  code: DocumentTypeCode;
  /** Its entity in Directum's metadata, without namespace (directum.md A.2). */
  entity: string;
  /** Of its type: opens its card (directum.md I), tells its document kinds from those of the same name (B.6). */
  guid: string;
  /** Of its document kinds, where Directum does not show their type (directum.md B.6); null where it is not known. */
  flow: string | null;
  /** Of its predefined document kind (directum.md B.6). */
  kindGuid: string;
  /** The slot of an item that holds it when a step names none (interface.md §3). */
  slot: string;
  /** The property by which it belongs to another document, and whether it must (directum.md B.5); null for none. */
  leading: { property: 'LeadingDocument' | 'Contract'; required: boolean; contractual: boolean } | null;
  /** Its subject must be given. */
  needsSubject: boolean;
  /** Its amount must be above nothing (directum.md B.5). */
  needsAmount: boolean;
  /**
   * What a step's number and date become: the paper's own (directum.md B.5), a registration (D.5), or nothing, because no
   * step gives them.
   */
  number: 'own' | 'registration' | null;
  /** `update` writes to it while it is a draft, or, where it is in force at once, while nothing is decided (J.1). */
  openWhile: 'draft' | 'undecided';
  /** Properties that hold its dates (directum.md B.5); none is looked at of a type without them. */
  dates: { till?: string; isPayment?: true; milestones?: string };
  texts: {
    /** Title of the robot that makes it. */
    robot: LocalText;
    /** As an option of a list: «Акт». */
    title: LocalText;
    /** As in «this is no contract». */
    noun: LocalText;
    /** As in «the id of a contract». */
    ofNoun: LocalText;
    /** What another slot of the same item holds. */
    another: LocalText;
    /** Its card is not there, or not for us. */
    gone: LocalText;
  };
}

export const contract: DocumentType = {
  code: 'contract',
  entity: 'Contract',
  guid: 'f37c7e63-b134-4446-9b5b-f8811f6c9666',
  flow: 'Contracts',
  kindGuid: '2a42d335-4a84-4019-ab54-d0ab8344d232',
  slot: 'contract',
  leading: null,
  needsSubject: true,
  needsAmount: false,
  number: null,
  openWhile: 'draft',
  dates: { till: 'ValidTill', milestones: 'Milestones' },
  texts: texts.contract,
};

/** What all documents of an accounting kind have in common (directum.md B.5). */
const accounting = {
  flow: 'Contracts',
  leading: { property: 'LeadingDocument', required: false, contractual: true },
  needsSubject: false,
  needsAmount: false,
  number: 'registration',
  openWhile: 'undecided',
  dates: {},
} satisfies Partial<DocumentType>;

/** Types of `directum_create_document`, in the order in which a step offers them. */
export const furtherTypes: readonly DocumentType[] = [
  {
    ...accounting,
    code: 'act',
    entity: 'ContractStatement',
    guid: 'f2f5774d-5ca3-4725-b31d-ac618f6b8850',
    kindGuid: 'c1f11157-4e42-4ce0-9423-ae05567b162e',
    slot: 'act',
    leading: { ...accounting.leading, required: true },
    texts: texts.act,
  },
  {
    ...accounting,
    code: 'outgoing_invoice',
    entity: 'OutgoingInvoice',
    guid: '58ad01fb-6805-426b-9152-4de16d83b258',
    flow: null,
    kindGuid: '0be84c5b-7747-4a1f-940b-2f7c9cce6c55',
    slot: 'outgoing_invoice',
    needsAmount: true,
    texts: texts.outgoing_invoice,
  },
  {
    ...accounting,
    code: 'incoming_invoice',
    entity: 'IncomingInvoice',
    guid: 'a523a263-bc00-40f9-810d-f582bae2205d',
    flow: null,
    kindGuid: '558baab7-784d-42f8-bcb7-ba8c0e8821a3',
    slot: 'incoming_invoice',
    leading: { property: 'Contract', required: false, contractual: true },
    number: 'own',
    dates: { till: 'PaymentDueDate', isPayment: true },
    texts: texts.incoming_invoice,
  },
  {
    ...accounting,
    code: 'supplementary_agreement',
    entity: 'SupAgreement',
    guid: '265f2c57-6a8a-4a15-833b-ca00e8047fa5',
    kindGuid: 'a5b2c424-0f31-4809-b160-acc0c4583574',
    slot: 'supplementary_agreement',
    leading: { ...accounting.leading, required: true },
    needsSubject: true,
    dates: { till: 'ValidTill', milestones: 'Milestones' },
    texts: texts.supplementary_agreement,
  },
  {
    ...accounting,
    code: 'universal_transfer',
    entity: 'UniversalTransferDocument',
    guid: '58986e23-2b0a-4082-af37-bd1991bc6f7e',
    kindGuid: 'cac00143-a9a0-4ee1-98d1-f996a9f4cc5e',
    slot: 'universal_transfer',
    texts: texts.universal_transfer,
  },
  {
    ...accounting,
    code: 'waybill',
    entity: 'Waybill',
    guid: '4e81f9ca-b95a-4fd4-bf76-ea7176c215a7',
    kindGuid: '8dcf8d7a-9868-4620-83ff-8ff81a5be520',
    slot: 'waybill',
    texts: texts.waybill,
  },
  {
    ...accounting,
    code: 'addendum',
    entity: 'Addendum',
    guid: '58b9ed35-9c84-46cd-aa79-9b5ef5a82f5d',
    flow: null,
    kindGuid: '2734ab0b-fd71-4fd2-820e-c25042488547',
    slot: 'addendum',
    leading: { property: 'LeadingDocument', required: true, contractual: false },
    texts: texts.addendum,
  },
  {
    ...accounting,
    code: 'simple',
    entity: 'SimpleDocument',
    guid: '09584896-81e2-4c83-8f6c-70eb8321e1d0',
    flow: 'Inner',
    kindGuid: '3981cdd1-a279-4a51-85d5-58db391603c2',
    slot: 'simple',
    leading: null,
    needsSubject: true,
    texts: texts.simple,
  },
];

export const documentTypes: readonly DocumentType[] = [contract, ...furtherTypes];

/** The type whose documents this slot usually holds first: it is the likeliest. */
export const likeliestFirst = (slot: string): readonly DocumentType[] =>
  documentTypes.toSorted((a, b) => Number(b.slot === slot) - Number(a.slot === slot));

/** The deal's Directum fields show the document of this slot (interface.md §5). */
export const FIELDS_SLOT = contract.slot;
