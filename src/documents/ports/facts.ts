import type { LocalText } from '../../robot/failure.ts';
import { contract } from '../types/document-types.ts';

/** What a trigger tells of a document. */
type TriggerStep =
  | 'approved'
  | 'rejected'
  | 'rework'
  | 'signed_us'
  | 'signed_both'
  | 'executed'
  | 'overdue'
  | 'due';

/** Triggers of contracts and of documents given by their ids (interface.md §5). */
export type ContractTrigger = `directum_${TriggerStep}`;

/**
 * Codes of the triggers an administrator places on stages. Documents of other types have their own, so that a signed act
 * moves no deal that waits for its contract.
 */
export type TriggerCode = ContractTrigger | `directum_document_${TriggerStep}`;

/** The code of a trigger in an item whose slot holds a document of this type; null where no slot holds it. */
export const triggerOf = (code: string, type: string | null): string =>
  type === null || type === contract.code ? code : code.replace(/^directum_/, 'directum_document_');

/** A fact that must be told once: of one document, kind and key. */
export interface Fact {
  kind: 'trigger' | 'notice';
  /** Trigger code, or the notice's kind. */
  code: string;
  /** Tells one fact from a later one of the same code: an assignment's id, a date and step; empty = once per document. */
  key: string;
  /** Who is told; null for triggers and for the item's responsible person. */
  email: string | null;
  text: LocalText | null;
}
