/** How a document came into its slot, for the journal. */
interface Bound {
  /** Code of the document type. */
  type: string;
  /** This run made it. */
  made: boolean;
  /** Of its document kind, where it is known. */
  kindId: number | null;
}

/** Documents of one CRM item by slot. */
export interface DocumentSlotsPort {
  /** Key that is written to `ExternalId`: `b24:{portal}:{DEAL_915}:{slot}`. */
  externalId(slot: string): string;
  /**
   * Work that may make the slot's document, by one run at a time: a process that stood still so long that another one took
   * over its run has searched before, and would make a second document.
   */
  alone<T>(slot: string, work: () => Promise<T>): Promise<T>;
  find(slot: string): Promise<number | null>;
  /** Remembers that this run is about to create the slot's document. */
  begin(slot: string): Promise<void>;
  /** True when an earlier attempt of this very run began to create it. */
  begunByThisRun(slot: string): Promise<boolean>;
  /** True when any run began to create it, so that it may exist though its id is not known. */
  begunByAnyRun(slot: string): Promise<boolean>;
  bind(
    slot: string,
    document: { id: number; url: string; file?: { size: number; sha256: string } },
    how?: Bound,
  ): Promise<void>;
  /** Id on the portal of the document from which the first version of the slot's document is made; null when none is known. */
  generated(slot: string): Promise<number | null>;
  /** Remembers it. */
  keepGenerated(slot: string, documentId: number, generatedId: number): Promise<void>;
  /** The status that a document was last seen in, and since when (ISO with offset); null while nothing is known of it. */
  lastStatus(documentId: number): Promise<{ status: string; since: string | null } | null>;
  /** Remembers that this run is about to write these properties of a document; `bind` makes them a line of the journal. */
  changing(documentId: number, properties: string[]): Promise<void>;
  /** The item was given a document by its id: from now on the item shows it too. */
  give(documentId: number): Promise<void>;
  /** The document was deleted in Directum: the slot is free again, unless it holds another one by now. */
  release(slot: string, documentId: number): Promise<void>;
}
