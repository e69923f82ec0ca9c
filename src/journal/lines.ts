/**
 * What a line tells (interface.md §9), and what its data holds. Types and keys are for ever: reports of old days are computed
 * from old lines. `first` stands in what Directum showed when a document was seen for the first time, which may have happened
 * long before. Lines of documents stand once in each portal that shows them, under the item that showed them first.
 */
type JournalType =
  /** run, robot; `at` is when the call came. */
  | 'call.taken'
  /** until, calls: robot, reason and count of each; `at` is when counting began. */
  | 'calls.refused'
  /** run, robot, ending, attempts, seconds since the call or the order to do it again. */
  | 'run.ended'
  /** type of document, kind (id, null where it is not known), slot. */
  | 'document.made'
  /** fields: names of Directum's properties. */
  | 'document.changed'
  /** slot (null: given by its id), type of document, created. */
  | 'document.bound'
  /** status, before, since (by Directum's `Modified`), kind. */
  | 'document.status'
  /** counterparty, type, of (CRM record). */
  | 'counterparty.made'
  /** counterparty, fields. */
  | 'counterparty.changed'
  /** assignment, task, kind, status, result, deadline, created, completed, performer (a person's key); all by Directum. */
  | 'assignment.begun'
  /** The same, and before: deadline, performer, status. */
  | 'assignment.changed'
  | 'assignment.ended'
  /** validTill (isPayment: to be paid by then), milestones: id, deadline, completed; and before. */
  | 'dates.changed'
  /** kind (trigger, notice), code, key, result (sent, gone, refused), error, person, digest. */
  | 'message.sent'
  /** assignment, task of the portal, did (made, changed, closed, refused). */
  | 'task.sent'
  /** what (fields, activity), names of what is shown otherwise, activity. */
  | 'fields.shown'
  /** kind (comment, notice), code, run, result, error, person. */
  | 'failure.shown'
  /** origin, scopes, again (another installation was live); the actor is who installed. */
  | 'portal.installed'
  /** reason. */
  | 'portal.paused'
  /** Nothing. */
  | 'portal.resumed'
  /** clean. */
  | 'portal.removed'
  /** registered: codes that are new or changed, triggers as `trigger:CODE`; gone. */
  | 'robots.registered'
  /** run, robot, ending it had. */
  | 'run.retried'
  /** As `run.ended`: an operator cancelled it, or the service because the application was removed. */
  | 'run.cancelled'
  /** table, rows: how many it has, before: how many it had (null: it is new), changed: numbers of the rows that are new or different. */
  | 'rules.changed'
  /** table. */
  | 'rules.removed'
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
