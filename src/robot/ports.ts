import type { Language } from './failure.ts';

/** Structured log: event is `noun.verb` in the past, facts hold nothing secret. */
export interface Log {
  debug(event: string, facts?: Record<string, unknown>): void;
  info(event: string, facts?: Record<string, unknown>): void;
  warn(event: string, facts?: Record<string, unknown>): void;
  error(event: string, facts?: Record<string, unknown>): void;
}

// ── the portal side ────────────────────────────────────────────────────────────────────────────────────────

/** Which CRM item a call is about; `code` is the portal's own spelling (`DEAL_915`, `DYNAMIC_177_5`). */
export interface ItemRef {
  typeId: number;
  id: number;
  code: string;
}

/** Legal data of a company or contact (bitrix24.md F4). Texts are trimmed, empty is null. */
export interface Requisite {
  id: number;
  /** Country of the requisite's preset: 1 is Russia; null when the portal does not say. */
  countryId: number | null;
  inn: string | null;
  /** Numbers by which countries other than Russia know a company or person, the most telling first; INN among them. */
  foreignIds: string[];
  kpp: string | null;
  ogrn: string | null;
  ogrnip: string | null;
  okpo: string | null;
  okved: string | null;
  companyName: string | null;
  companyFullName: string | null;
  lastName: string | null;
  firstName: string | null;
  secondName: string | null;
  bank: {
    countryId: number | null;
    name: string | null;
    bik: string | null;
    account: string | null;
    corAccount: string | null;
  } | null;
  legalAddress: string | null;
  postalAddress: string | null;
}

/** The other side of the contract as CRM knows it. */
export interface Party {
  kind: 'company' | 'contact';
  id: number;
  /** Company title, or the contact's full name; null when CRM shows none. */
  name: string | null;
  lastName: string | null;
  firstName: string | null;
  secondName: string | null;
  phones: string[];
  emails: string[];
  webs: string[];
  /** Chosen on the item, else the first active by sort; null when the record has none. */
  requisite: Requisite | null;
}

export interface PortalUser {
  id: number;
  email: string | null;
  name: string;
}

/** What one read of the portal brings; made in one REST hit. */
export interface ItemSnapshot {
  ref: ItemRef;
  title: string;
  /** Link to the item's card on the portal. */
  url: string;
  /** As the portal prints it (`parseItemAmount`). */
  amount: string | number | null;
  currency: string | null;
  responsibleUserId: number | null;
  party: Party | null;
  /**
   * Own company chosen on the item (`mycompanyId` or the requisite link); `foreignId` is its number in another country
   * (BIN, EDRPOU, VAT id).
   */
  ownCompany: {
    name: string | null;
    inn: string | null;
    kpp: string | null;
    foreignId: string | null;
  } | null;
  users: ReadonlyMap<number, PortalUser>;
  /** Raw field values by code (`UF_CRM_…` original spelling, system fields camelCase). */
  fields: Record<string, unknown>;
}

export interface ReadRequest {
  /** Users to read besides the item's responsible. */
  users?: number[];
  /** Another company or contact than the item's own. */
  companyId?: number;
  contactId?: number;
}

/** A file being read. Whoever opened it reads `body` to its end or calls `cancel`. */
export interface OpenFile {
  name: string;
  /** Bytes, when the sender says. */
  size: number | null;
  body: AsyncIterable<Uint8Array>;
  cancel(): Promise<void>;
}

/** A file that lies on this machine until `cancel`; its `body` may be read again. */
export interface StoredFile extends OpenFile {
  size: number;
  sha256: string;
}

/** The portal as a robot sees it: the item its step runs on. */
export interface PortalPort {
  /**
   * Everything about the item, its party, own company and people, in one REST batch (degrades to single calls).
   * @throws RobotFailure item_not_found, item_unsupported, portal_access_denied, portal_unavailable
   */
  read(request?: ReadRequest): Promise<ItemSnapshot>;
  /**
   * Opens the file of a file field of the item just read. Reads fresh `urlMachine` itself; name is the file's own.
   * @throws RobotFailure file_unusable (field unknown or empty), portal_unavailable, portal_access_denied
   */
  openFile(fieldCode: string): Promise<OpenFile>;
  /**
   * Checks that the item has this file field, so that a wrong code is known before a long wait.
   * @throws RobotFailure file_unusable, portal_unavailable, portal_access_denied
   */
  checkFileField(fieldCode: string): Promise<void>;
  /**
   * Puts the file into the field; a field of many files keeps those it has.
   * @throws RobotFailure file_unusable, portal_unavailable, portal_access_denied, item_not_found
   */
  saveFile(fieldCode: string, file: StoredFile): Promise<void>;
}

// ── Directum ───────────────────────────────────────────────────────────────────────────────────────────────

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

/** A contract card as read back from Directum. */
export interface Contract {
  id: number;
  name: string;
  url: string;
  registrationNumber: string | null;
  counterparty: { id: number; url: string } | null;
  externalId: string | null;
  lifeCycleState: string | null;
  internalApprovalState: string | null;
  externalApprovalState: string | null;
  lastVersionApproved: boolean;
  hasVersions: boolean;
}

/** Values of a contract, ids of directory records; undefined is not written. */
export interface ContractDraft {
  subject: string;
  documentKindId: number;
  counterpartyId: number;
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

/** What Directum shows of a document's approval and signing (directum.md E.1). Its own values; empty is null. */
export interface DocumentState {
  id: number;
  name: string;
  url: string;
  /** ISO with offset, by Directum's clock. */
  modified: string | null;
  lifeCycleState: string | null;
  internalApprovalState: string | null;
  externalApprovalState: string | null;
  exchangeState: string | null;
  lastVersionApproved: boolean;
  registrationNumber: string | null;
  ourSignatory: string | null;
}

/** An approval task of any kind. */
export interface TaskState {
  id: number;
  status: string;
  startedAt: string | null;
}

/** A task that changed, with the documents it is about. */
export interface ChangedTask extends TaskState {
  modified: string | null;
  documentIds: number[];
}

/** One page of a question; `next` is the id to go on after, null on the last page. */
export interface ChangesPage<T> {
  rows: T[];
  next: number | null;
}

/** Bulk questions of the watcher. They may throw what DirectumPort does. */
export interface ChangesPort {
  /** The latest `Modified` by Directum's clock; null when there is none. */
  newest(kind: 'documents' | 'tasks'): Promise<string | null>;
  documents(since: string, after: number): Promise<ChangesPage<DocumentState>>;
  /** Empty where the installation does not show when a task changed. */
  tasks(since: string, after: number): Promise<ChangesPage<ChangedTask>>;
  /** Those of the documents that can be read. */
  statesOf(ids: number[]): Promise<DocumentState[]>;
  /** Status of tasks by id where `tasks` cannot say it; null where it can. */
  taskStatesOf(ids: number[]): Promise<TaskState[] | null>;
  /** Whether any contract at all can be read. */
  anyContract(): Promise<boolean>;
}

/**
 * Whether what Directum does not show is not there: absence may as well be lost rights (interface.md §2). It may throw what
 * DirectumPort does.
 */
export interface AbsencePort {
  /** `gone`: it counts as deleted, or never was; `shown`: it can be read after all; `unknown`: rights seem to be lost. */
  ofDocument(id: number | null): Promise<'gone' | 'shown' | 'unknown'>;
  /** Tasks that are known to have the document as their main one, and some of other documents. */
  tasksOf(documentId: number): Promise<{ own: number[]; others: number[] }>;
}

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
    documentKind(nameOrId: string, label: FieldLabel): Promise<Reference>;
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
  };
  contracts: {
    /**
     * null when it was deleted or never was; lost rights are directum_unavailable.
     * @throws RobotFailure document_not_found for a document that is no contract
     */
    byId(id: number): Promise<Contract | null>;
    /** The oldest contract with this ExternalId; null when none. `expected`: there may be one, so lost rights are looked for. */
    byExternalId(externalId: string, expected?: boolean): Promise<Contract | null>;
    /**
     * Makes the card. A request that broke off is looked for by ExternalId before the failure is reported.
     */
    create(externalId: string, draft: ContractDraft): Promise<Contract>;
    /** Writes the values that differ; answers the property names written. */
    update(id: number, draft: ContractDraft): Promise<{ contract: Contract; changedFields: string[] }>;
    /** Writes our key on a card that has none; a card that may not be changed stays without. */
    adopt(id: number, externalId: string): Promise<void>;
    /** Checks `Property=value` lines against Directum's metadata; `readMoment` answers null for what is no date.
     *  @throws RobotFailure input_invalid naming the property */
    parseExtra(
      lines: string,
      label: FieldLabel,
      readMoment: (text: string) => string | null,
    ): Promise<Record<string, unknown>>;
  };
  versions: {
    /** True when the document has a version with a body. */
    hasBody(documentId: number): Promise<boolean>;
    /** @throws RobotFailure file_unusable when Directum knows no application for the extension, or it is too large */
    checkFile(file: { name: string; size: number | null }): Promise<void>;
    fromTemplate(documentId: number, templateId: number): Promise<void>;
    /** Streams the bytes into a new version (or into an empty one left by a failed attempt). */
    fromFile(documentId: number, file: OpenFile): Promise<{ size: number; sha256: string }>;
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
    /** The signing assignment of the task that was completed with a signature last; null when none was. */
    signing(taskId: number): Promise<Signing | null>;
    /**
     * The last version's PDF, else its own body, brought to this machine.
     * @throws RobotFailure file_unusable when there is none, it is lost or too large
     */
    fetchSigned(document: { id: number; name: string }): Promise<StoredFile>;
  };
}

/** Who signed in a signing assignment and when, ISO with offset; each null when Directum does not show it. */
export interface Signing {
  by: string | null;
  at: string | null;
}

/** Title of a robot's field, for texts that name it in «». */
export interface FieldLabel {
  ru: string;
  en: string;
}

// ── what the package itself remembers ──────────────────────────────────────────────────────────────────────

/** Documents of one CRM item by slot. */
export interface SlotsPort {
  /** Key that is written to `ExternalId`: `b24:{portal}:{DEAL_915}:{slot}`. */
  externalId(slot: string): string;
  /**
   * Work that may make the slot's document, by one run at a time: a process that stood still so long that another took
   * over its run has its look-up behind it and would make a second one.
   */
  alone<T>(slot: string, work: () => Promise<T>): Promise<T>;
  find(slot: string): Promise<number | null>;
  /** Remembers that this run is about to create the slot's document. */
  begin(slot: string): Promise<void>;
  /** True when an earlier attempt of this very run began to create it. */
  begunByThisRun(slot: string): Promise<boolean>;
  /** True when any run began to create it, so that it may be there though nobody remembers its id. */
  begunByAnyRun(slot: string): Promise<boolean>;
  bind(
    slot: string,
    document: { id: number; url: string; file?: { size: number; sha256: string } },
  ): Promise<void>;
  /** The item was given a document by its id: from now on the item shows it too. */
  give(documentId: number): Promise<void>;
  /** The document was deleted in Directum: the slot is free again, unless it holds another one by now. */
  release(slot: string, documentId: number): Promise<void>;
}

/** Our own record of which counterparty belongs to which CRM company or contact of one portal. */
export interface PairsPort {
  /** `crmKey` is `COMPANY_44` or `CONTACT_8`, with `:7` for its requisites 7. */
  find(crmKey: string): Promise<{ id: number; type: CounterpartyResult['type'] } | null>;
  bind(crmKey: string, counterparty: { id: number; type: CounterpartyResult['type'] }): Promise<void>;
  release(crmKey: string): Promise<void>;
  /** Some other counterparties of the type that any pair names. */
  others(type: CounterpartyResult['type'], except: number, limit: number): Promise<number[]>;
  /** Key written to a counterparty's ExternalId: `b24:{portal}:{COMPANY_44}`. */
  externalId(crmKey: string): string;
}

/** The waiting of one run. */
export interface WaitPort {
  /** When this run stops waiting: after these hours, or the setting's, from its receipt; the step's timeout shortens it. */
  until(hours: number | undefined): Date;
  /** Milliseconds to go; nothing or less when the time is over. */
  left(until: Date): number;
  /** What the last attempt saw; null when the run has not waited yet. */
  last(): Promise<{ documentId: number; document: DocumentState; task: TaskState | null } | null>;
  /** SHA-256 of the file an earlier attempt put into the item. */
  savedFile(): Promise<string | null>;
  fileSaved(sha256: string): Promise<void>;
}

/** A claim as the work under it sees it: lost when the process stood still for long or its database went away. */
export interface Claim {
  isHeld(): boolean;
}

/** One holder at a time across all processes; others wait, for `patienceMs` when it is given. */
export interface ClaimsPort {
  hold<T>(key: string, work: (claim: Claim) => Promise<T>, patienceMs?: number): Promise<T>;
}

/** The claims of one attempt of a run. */
export interface AttemptClaims extends ClaimsPort {
  /** Asked right before each write to another system. @throws when another process may have taken the run over */
  check(): void;
}

/** Answers of Directum that rarely change, kept between runs and processes. */
export interface CachePort {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
}

export interface RobotSettings {
  contractKind: string | null;
  businessUnit: string | null;
  responsible: string | null;
  timeZone: string;
  language: Language;
}
