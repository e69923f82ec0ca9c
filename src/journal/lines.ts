/** What a line tells (interface.md §9). Types are for ever: reports of old days are computed from old lines. */
type JournalType =
  | 'call.taken'
  | 'calls.refused'
  | 'run.ended'
  | 'document.made'
  | 'document.changed'
  | 'document.bound'
  | 'document.status'
  | 'counterparty.made'
  | 'counterparty.changed'
  | 'assignment.begun'
  | 'assignment.changed'
  | 'assignment.ended'
  | 'dates.changed'
  | 'message.sent'
  | 'task.sent'
  | 'fields.shown'
  | 'failure.shown'
  | 'portal.installed'
  | 'portal.paused'
  | 'portal.resumed'
  | 'portal.removed'
  | 'robots.registered'
  | 'run.retried'
  | 'run.cancelled'
  | 'journal.cut';

/** Who caused a fact. */
export type Actor = 'service' | 'operator' | `run ${string}` | `user ${number}`;

/** A fact, as it is written in the transaction that records it. */
export interface JournalLine {
  at: Date;
  /** Portal key, as in the slots; null for what concerns no portal. */
  portal: string | null;
  itemCode: string | null;
  documentId: number | null;
  type: JournalType;
  actor: Actor;
  /** Codes, numbers, names of fields and Directum's own values; no secret, no name of a person (`person` holds a key). */
  data: Readonly<Record<string, unknown>>;
}

/** A person that lines name by `key` (`directum 17`, `portal 5`); kept beside the chain. */
export interface JournalPerson {
  key: string;
  name: string;
  email: string | null;
}
