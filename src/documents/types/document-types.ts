import type { LocalText } from '../../robot/failure.ts';

/** A type of documents that robots make and find in Directum. A further one is a row here, its robot and its tests. */
export interface DocumentType {
  /** Log events of its documents begin with it. */
  code: 'contract';
  /** Its entity in Directum's metadata, without namespace (directum.md A.2). */
  entity: string;
  /** Of its type: opens its card (directum.md I), tells its document kinds from those of the same name (B.6). */
  guid: string;
  /** Of its document kinds, where Directum does not show their type (directum.md B.6). */
  flow: string;
  /** The slot of an item that holds it when a step names none (interface.md §3). */
  slot: string;
  /** Properties that hold its dates (directum.md B.5); none is looked at of a type without them. */
  dates: { till: string; milestones: string };
  texts: {
    /** Title of the robot that makes it. */
    robot: LocalText;
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
  slot: 'contract',
  dates: { till: 'ValidTill', milestones: 'Milestones' },
  texts: {
    robot: { ru: 'Directum: создать договор', en: 'Directum: create contract' },
    noun: { ru: 'договор', en: 'contract' },
    ofNoun: { ru: 'договора', en: 'of a contract' },
    another: { ru: 'другой договор', en: 'another contract' },
    gone: {
      ru: 'Договор в Directum удалён или недоступен учётной записи сервиса. Проверьте карточку и права.',
      en: "The contract is deleted in Directum or the service's account cannot read it. Check the card and the rights.",
    },
  },
};

export const documentTypes: readonly DocumentType[] = [contract];

/** The deal's Directum fields show the document of this slot (interface.md §5). */
export const FIELDS_SLOT = contract.slot;
