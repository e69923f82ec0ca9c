import type { DocumentState } from '../../robot/ports/document-state.ts';

/**
 * Status of a document for people and fields (interface.md §5). It follows from Directum's states alone.
 */
export type DocumentStatus =
  | 'created'
  | 'on_approval'
  | 'rework'
  | 'approved'
  | 'signed_us'
  | 'signed_both'
  | 'rejected'
  | 'executed'
  | 'annulled'
  | 'deleted';

/** A document's dates (directum.md B.5); calendar dates `YYYY-MM-DD` by the stand's own words, no zone. */
export interface DocumentDates {
  id: number;
  validTill: string | null;
  /** `validTill` is the day by which an invoice is to be paid. */
  isPayment?: true;
  milestones: { id: number; name: string; deadline: string | null; completed: boolean }[];
}

/** An assignment of a person (directum.md F.1). Directum's own values; empty is null. */
export interface Assignment {
  id: number;
  /** The task it belongs to; of a sub-task, the main one. */
  taskId: number;
  /** What it asks for by its own type (directum.md F.4); null where Directum does not show the type. */
  kind: 'approval' | 'signing' | 'rework' | 'other' | null;
  url: string;
  subject: string;
  /** `InProcess`, `Completed`, `Aborted`, `Suspended`. */
  status: string;
  result: string | null;
  /** ISO with offset. */
  deadline: string | null;
  created: string | null;
  completed: string | null;
  modified: string | null;
  performer: { id: number; name: string; email: string | null } | null;
  /** What the performer wrote: the comment of a rework. */
  comment: string | null;
}

/** All that is known of a watched document at one moment. */
export interface DocumentSnapshot {
  /** What Directum showed last; kept when the document is gone. Null: nothing yet. */
  state: DocumentState | null;
  /** Null while Directum has shown nothing that says it. */
  status: DocumentStatus | null;
  /** When the status began, ISO with offset. */
  since: string | null;
  /** Null for a document of a type without dates. */
  dates: DocumentDates | null;
  /** Assignments of its tasks, by id. */
  assignments: Assignment[];
}

/** A document before and after an observation, with the items that show it (`portal` is the slots' portal key). */
export interface SnapshotChange {
  documentId: number;
  /**
   * `since` is when the item began to show it; `type` that of the document in its slot, null where it was given by its id
   * alone.
   */
  items: { portal: string; itemCode: string; since: Date; type: string | null }[];
  /** A robot made it, so whatever its first snapshot shows is new; the first snapshot of other documents is not. */
  made: boolean;
  /** Null for the first snapshot. */
  before: DocumentSnapshot | null;
  /** Of its tasks, as they were known before: also at the first snapshot, through another document of the task. */
  assignmentsBefore: Assignment[];
  after: DocumentSnapshot;
}
