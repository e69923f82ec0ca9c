/** Columns of a table that hold moments to come, or after which something counts. */
export interface Marks {
  table: string;
  columns: string[];
  /**
   * The end of a long time, and its beginning: both are moved or neither. What began while the clock was right must not end
   * sooner because the clock ran ahead for a while.
   */
  limit?: { column: string; since: string };
  /** Its rows are locked by this, as all do (lock-order.ts). */
  key: string[];
  /** Only these rows; moments of the others are not used any more. */
  open?: string;
}

/** Written by the clocks of our processes. Tables in the order in which all lock them (lock-order.ts). */
export const PROCESS_MARKS: Marks[] = [
  { table: 'document', columns: ['look_at', 'asked_at'], key: ['id'] },
  {
    table: 'outbox',
    columns: ['due_at', 'locked_until', 'created_at', 'messaged_at'],
    key: ['document_id', 'id'],
    open: `kind NOT IN ('answer', 'task')`,
  },
  {
    table: 'outbox',
    columns: ['due_at', 'locked_until', 'created_at'],
    key: ['document_id', 'id'],
    open: `kind = 'task'`,
  },
  {
    table: 'watched_document',
    columns: ['show_at', 'taken_until', 'created_at'],
    key: ['document_id', 'portal', 'item_code'],
  },
  {
    table: 'run',
    columns: ['next_at', 'received_at', 'reopened_at'],
    limit: { column: 'deadline_at', since: 'coalesce(t.reopened_at, t.received_at)' },
    key: ['id'],
    open: `state <> 'ended'`,
  },
  // Ended while a clock ran ahead, it would be kept for longer than KEEP_RUNS_DAYS by as much.
  { table: 'run', columns: ['ended_at'], key: ['id'], open: `state = 'ended'` },
  {
    table: 'wait',
    columns: ['created_at', 'saved_at'],
    limit: { column: 'deadline_at', since: 't.created_at' },
    key: ['run_id'],
  },
  {
    table: 'outbox',
    columns: ['due_at', 'locked_until'],
    key: ['id'],
    open: `kind = 'answer' AND state = 'due'`,
  },
  { table: 'failure', columns: ['failed_at'], key: ['id'] },
  // Moments in cursors are moved too (clock.ts).
  { table: 'feed', columns: ['due_at', 'held_until'], key: ['name'] },
  { table: 'quarantine', columns: ['retry_at'], key: ['feed', 'key'] },
  { table: 'watch', columns: ['rights_back_at'], key: ['single'] },
  { table: 'cache_entry', columns: ['expires_at'], key: ['key'] },
];

/** Written by the clock of the database. */
export const DATABASE_MARKS: Marks[] = [
  { table: 'run', columns: ['lease_until'], key: ['id'], open: `state = 'running'` },
  { table: 'watch', columns: ['next_question_at'], key: ['single'] },
  { table: 'portal_budget', columns: ['updated_at'], key: ['member_id'] },
];

/** Columns that nothing waits for, and why; by `table.column`. */
export const HISTORY: Record<string, string> = {
  'clock.process_at': 'the clock itself',
  'clock.database_at': 'the clock itself',
  'counterparty_pair.updated_at': 'shown to nobody but an operator',
  'document_slot.created_at': 'shown to nobody but an operator',
  'document.ended_at': 'of days long gone the nightly comparison makes a few hours more or less',
  'run_attempt.started_at': 'when it began, for people',
  'run_attempt.finished_at': 'when it ended, for people',
  'quarantine.since': 'since when, for people',
  'outbox.settled_at': 'when it was sent, for people',
  'journal.at': 'when it happened, for people and reports',
  'wait.task_started_at': 'Directum wrote it, and it is compared with what Directum writes',
  'watched_document.gone_at': 'that the item is gone counts, not since when',
};
