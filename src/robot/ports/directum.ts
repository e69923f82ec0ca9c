import type { DocumentType } from '../../documents/types/document-types.ts';
import type { RobotFailure } from '../failure.ts';
import type { ApprovalStates, DocumentState, DocumentWork, Signing, TaskState } from './document-state.ts';
import type { OpenFile, StoredFile } from './files.ts';
import type { Party } from './portal.ts';

/** A directory record. */
export interface Reference {
  id: number;
  name: string;
}

export interface Employee extends Reference {
  email: string | null;
  departmentId: number | null;
  businessUnitId: number | null;
}

/** A document's card as read back from Directum. */
export interface DocumentCard {
  id: number;
  name: string;
  url: string;
  registrationNumber: string | null;
  counterparty: { id: number; url: string } | null;
  /** The document it belongs to. */
  leadingId: number | null;
  /** Our key on it, in whatever property the installation has for it. */
  externalId: string | null;
  lifeCycleState: string | null;
  internalApprovalState: string | null;
  externalApprovalState: string | null;
  lastVersionApproved: boolean;
  hasVersions: boolean;
}

/** A counterparty's card. */
export interface CounterpartyRef extends Reference {
  url: string;
}

/** Values of a document, ids of directory records; undefined is not written. */
export interface DocumentDraft {
  /** For kinds that do not build a name of their own; the subject where it is absent. */
  name?: string | undefined;
  subject?: string | undefined;
  documentKindId: number;
  counterpartyId?: number | undefined;
  leadingId?: number | undefined;
  /** Of the paper; the date `YYYY-MM-DD`. */
  number?: string | undefined;
  date?: string | undefined;
  paymentDue?: string | undefined;
  categoryId?: number | undefined;
  businessUnitId?: number | undefined;
  departmentId?: number | undefined;
  responsibleId?: number | undefined;
  ourSignatoryId?: number | undefined;
  /** Of whole cents. */
  amount?: number | undefined;
  currencyId?: number | undefined;
  vatRateId?: number | undefined;
  /** Calendar dates `YYYY-MM-DD`. */
  validFrom?: string | undefined;
  validTill?: string | undefined;
  note?: string | undefined;
  /** Checked values of the customer's own properties, ready for OData. */
  extra?: Record<string, unknown> | undefined;
}

/** A document to which another one belongs. */
export interface LeadingDocument extends ApprovalStates {
  id: number;
  name: string;
  /** A contract or an agreement. */
  contractual: boolean;
  counterparty: CounterpartyRef | null;
  businessUnit: Reference | null;
}

/** Whose number it is that is to be given. */
export interface NumberedKind {
  kindId: number;
  businessUnitId: number | undefined;
  departmentId: number | undefined;
}

/** A document register (журнал). */
export type Register = Reference;

export type UpdateMode = 'fill' | 'overwrite' | 'none';

export interface CounterpartyResult {
  id: number;
  url: string;
  action: 'created' | 'updated' | 'unchanged';
  type: 'company' | 'person' | 'bank';
  /** Directum property names that were written to an existing card. */
  changedFields: string[];
}

export interface ApprovalRequest {
  documentId: number;
  /** `auto`: by process where the installation has it, else by rule. */
  type: 'auto' | 'rule' | 'process' | 'free';
  /** Employees. */
  signatoryId: number | null;
  approverIds: number[];
  /** ISO 8601 in UTC; free approval only. */
  deadline: string | null;
  text: string | null;
}

export interface StartedApproval {
  taskId: number;
  url: string;
  /** False: the document already had a running task of any kind, and this is it. */
  started: boolean;
}

/**
 * Directum RX in the words of its users. Every method may throw RobotFailure directum_refused (Directum's own
 * text quoted), directum_access_denied, directum_locked, directum_unavailable.
 */
export interface DirectumPort {
  catalogue: {
    /** "Name or id", active only. `label` is the field's title for the error text.
     *  @throws RobotFailure reference_not_found, reference_ambiguous */
    documentKind(type: DocumentType, nameOrId: string, label: FieldLabel): Promise<Reference>;
    /**
     * The kind for a step that names none: the type's default, else its predefined one, else the only active one.
     * @throws RobotFailure input_missing
     */
    usualKind(type: DocumentType, label: FieldLabel): Promise<Reference>;
    category(nameOrId: string, label: FieldLabel): Promise<Reference>;
    /** Also by TIN. */
    businessUnit(nameOrIdOrTin: string, label: FieldLabel): Promise<Reference>;
    /** Own company by the requisites chosen on the deal; null when Directum has none with that TIN (and KPP). */
    businessUnitByTin(inn: string, kpp: string | null): Promise<Reference | null>;
    department(nameOrId: string, label: FieldLabel): Promise<Reference>;
    template(nameOrId: string, label: FieldLabel): Promise<Reference>;
    /** ISO code; RUB and RUR are one currency. */
    currency(isoCode: string, label: FieldLabel): Promise<Reference>;
    /** Name («20%») or percent (`20`). */
    vatRate(nameOrPercent: string, label: FieldLabel): Promise<Reference>;
  };
  employees: {
    /** The one active employee with this e-mail (case-blind); null when none or several. */
    byEmail(email: string): Promise<Employee | null>;
    /** By id, e-mail or exact name (setting DIRECTUM_RESPONSIBLE); null when not exactly one. */
    byReference(idEmailOrName: string): Promise<Employee | null>;
  };
  counterparties: {
    /**
     * Finds, makes or updates the counterparty of a CRM company or contact (interface.md, directum_sync_counterparty).
     * A change that failed is told with `counterparty_id`, `counterparty_url` and `counterparty_type` of the card.
     * @throws RobotFailure requisites_invalid, counterparty_ambiguous, counterparty_closed, input_missing
     */
    sync(party: Party, mode: UpdateMode): Promise<CounterpartyResult>;
    /**
     * What `sync` would look at, with nothing written: everything that is wrong with the requisites, the card that it would
     * find, and what it would write, by Directum's names of properties. @throws RobotFailure counterparty_ambiguous, counterparty_closed
     */
    check(
      party: Party,
      mode: UpdateMode,
    ): Promise<{
      wrong: RobotFailure[];
      values: Record<string, string>;
      found: (CounterpartyRef & Pick<CounterpartyResult, 'type'>) | null;
    }>;
  };
  /** Cards of one type of documents each. */
  documents: {
    /**
     * null when it was deleted or never was; lost rights are directum_unavailable.
     * @throws RobotFailure document_not_found for a document of another type
     */
    byId(type: DocumentType, id: number): Promise<DocumentCard | null>;
    /** The oldest document with this ExternalId; null when none. `expected`: there may be one, so lost rights are looked for. */
    byExternalId(type: DocumentType, externalId: string, expected?: boolean): Promise<DocumentCard | null>;
    /**
     * The document with this key; those of `types` are looked for first, in their order. Where the installation shows the key
     * of all types at once, one of any other type is found too.
     */
    holderOf(
      types: readonly DocumentType[],
      externalId: string,
      expected: boolean,
    ): Promise<{ type: DocumentType; card: DocumentCard } | null>;
    /** A document to which others may belong; null when it was deleted or never was, lost rights are directum_unavailable. */
    leading(id: number): Promise<LeadingDocument | null>;
    /** Those of Directum's properties that cards of the type have in this installation. */
    having(type: DocumentType, properties: readonly string[]): Promise<ReadonlySet<string>>;
    /**
     * The register in which documents of the kind get a number that people give. `label` is the field of the number.
     * @throws RobotFailure input_invalid
     */
    registerOf(kind: NumberedKind, label: FieldLabel): Promise<Register>;
    /** Registers a document under a number and a date `YYYY-MM-DD`. */
    register(
      type: DocumentType,
      id: number,
      as: { register: Register; number: string; date: string },
    ): Promise<void>;
    /**
     * Makes the card. A request that broke off is looked for by ExternalId before the failure is reported.
     */
    create(type: DocumentType, externalId: string, draft: DocumentDraft): Promise<DocumentCard>;
    /** Writes the values that differ; answers the property names written. `onWrite` is told of them before. */
    update(
      type: DocumentType,
      id: number,
      draft: DocumentDraft,
      onWrite?: (properties: string[]) => Promise<void>,
    ): Promise<{ card: DocumentCard; changedFields: string[] }>;
    /**
     * Sees to it that a card just made belongs to its leading document: Directum drops it where it sets the counterparty
     * later (directum.md J.2).
     */
    belong(type: DocumentType, id: number, leadingId: number): Promise<DocumentCard>;
    /** Writes our key on a card that has none; a card that may not be changed stays without. */
    adopt(type: DocumentType, id: number, externalId: string): Promise<void>;
    /**
     * Properties of a card by their names in Directum's metadata, as Directum sends them; of a reference its `Id` and
     * `Name`. null when the document was deleted or never was; lost rights are directum_unavailable.
     * @throws RobotFailure input_invalid for a property that this Directum does not have
     */
    properties(
      type: DocumentType,
      id: number,
      names: readonly string[],
    ): Promise<Record<string, unknown> | null>;
    /**
     * Checks `Property=value` lines against Directum's metadata; `readMoment` answers null for what is no date. `onWrong` takes
     * what is wrong with a line, which is then left out; without it the first is thrown.
     * @throws RobotFailure input_invalid naming the property
     */
    parseExtra(
      type: DocumentType,
      lines: string,
      label: FieldLabel,
      readMoment: (text: string) => string | null,
      onWrong?: (problem: RobotFailure) => void,
    ): Promise<Record<string, unknown>>;
  };
  versions: {
    /** True when the document has a version with a body. */
    hasBody(type: DocumentType, documentId: number): Promise<boolean>;
    /** @throws RobotFailure file_unusable when Directum knows no application for the extension, or it is too large */
    checkFile(file: { name: string; size: number | null }): Promise<void>;
    fromTemplate(type: DocumentType, documentId: number, templateId: number): Promise<void>;
    /** Streams the bytes into a new version (or into an empty one left by a failed attempt). */
    fromFile(
      type: DocumentType,
      documentId: number,
      file: OpenFile,
    ): Promise<{ size: number; sha256: string }>;
  };
  approvals: {
    /**
     * Answers the document's running task, else starts a new one or a draft left by a failed start.
     * @throws RobotFailure approval_unavailable
     */
    start(request: ApprovalRequest): Promise<StartedApproval>;
  };
  /** Approval and signing of any official document. */
  states: {
    /** null when it was deleted or never was; lost rights are directum_unavailable. */
    read(documentId: number): Promise<DocumentState | null>;
    /** The task started last that has the document as its main one, of any kind; drafts do not count. */
    newestTask(documentId: number): Promise<TaskState | null>;
    /** Open assignments and the newest task. */
    work(documentId: number): Promise<DocumentWork>;
    /** `YYYY-MM-DD`; null for a document that is not registered. */
    registrationDate(documentId: number): Promise<string | null>;
    /** The signing assignment of the task that was completed with a signature last; null when none was. */
    signing(taskId: number): Promise<Signing | null>;
    /**
     * The last version's PDF, else its own body, brought to this machine.
     * @throws RobotFailure file_unusable when there is none, it is lost or too large
     */
    fetchSigned(document: { id: number; name: string }): Promise<StoredFile>;
  };
}

/** Title of a robot's field, for texts that name it in «». */
export interface FieldLabel {
  ru: string;
  en: string;
}
