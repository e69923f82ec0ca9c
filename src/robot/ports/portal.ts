import type { LocalText } from '../failure.ts';
import type { OpenFile, StoredFile } from './files.ts';

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
  /** What kinds of fields these are, by the same codes, where `itemFields` was asked for. */
  itemFields?: ItemFields;
}

/** Fields of a type of CRM items by their codes. */
export type ItemFields = ReadonlyMap<string, ItemField>;

export interface ItemField {
  /** The portal's word: `string`, `date`, `employee`, `enumeration` … (bitrix24.md F6). */
  type: string;
  /** Titles of a list's values by their ids; empty for any other type. */
  items: ReadonlyMap<string, string>;
}

export interface ReadRequest {
  /** Users to read besides the item's responsible. */
  users?: number[];
  /** Another company or contact than the item's own. */
  companyId?: number;
  contactId?: number;
  /** The kinds of the item's fields are wanted too. */
  itemFields?: true;
  /** Later reads of the same attempt may have what this one brings. */
  share?: true;
}

/** A template of the portal's document generator. */
export interface CrmTemplate {
  id: number;
  name: string;
}

/** What the document generator is to make of the item. */
export interface GenerateRequest {
  template: CrmTemplate;
  /** Title of the document on the portal, by which it is found again. */
  key: string;
  /** The robot's field that names the template. */
  label: LocalText;
  /** Nothing can have been made under the key yet. */
  isNew: boolean;
  /** Id of the document on the portal that was kept for the key; null when there is none. */
  known: number | null;
  /** Keeps the id for later attempts, before the file is read. */
  keep(generatedId: number): Promise<void>;
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
   * The template of the document generator with this id or name, for the item's type. `label` is the robot's field.
   * @throws RobotFailure reference_not_found, reference_ambiguous, portal_unavailable, portal_access_denied
   */
  findTemplate(wanted: string, label: LocalText): Promise<CrmTemplate>;
  /**
   * Opens the docx that the portal makes of the item, or made before under the same key.
   * @throws RobotFailure reference_not_found, input_invalid, file_unusable, portal_unavailable, portal_access_denied
   */
  generateFile(request: GenerateRequest): Promise<OpenFile>;
  /**
   * Puts the file into the field; a field of many files keeps those it has.
   * @throws RobotFailure file_unusable, portal_unavailable, portal_access_denied, item_not_found
   */
  saveFile(fieldCode: string, file: StoredFile): Promise<void>;
}
