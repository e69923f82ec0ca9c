import type { LocalText } from '../../robot/failure.ts';

/** Codes of the triggers an administrator places on stages (interface.md §5). */
export type TriggerCode =
  | 'directum_approved'
  | 'directum_rejected'
  | 'directum_rework'
  | 'directum_signed_us'
  | 'directum_signed_both'
  | 'directum_executed'
  | 'directum_overdue'
  | 'directum_due';

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
