/**
 * How long work is left to a process that says nothing more of it; after that another process begins the same work. So a
 * lease is longer than its work ever takes, and short enough to wait for. All work under a lease may be done twice.
 */
export const LEASE_MS = {
  /**
   * What a process holds as a whole: its runs, its locks and concurrency slots, and the rows of an open transaction. It is
   * renewed while the process lives (SIGNS_OF_LIFE), so it does not depend on how long the work takes.
   */
  process: 12_000,
  /** One question to Directum of what changed; renewed after each page. */
  poll: 15_000,
  /** One batch of answers; a second sending by another process is harmless (bitrix24.md D1). */
  answers: 30_000,
  /** A step that asks our own database only: dates of documents, sealing, old lines of the journal. */
  database: 30_000,
  /** A step of the deletion of ended runs, which waits a second for locks at the most. */
  retention: 10_000,
  /** Ten documents read at the common rate, at which others read too: a refresh, a step of the full rescan. */
  documents: 60_000,
  /** A few batches to one portal, each as long as a portal allows: deals, tasks, messages, slow triggers (bitrix24.md F9). */
  portal: 180_000,
  /** A step of the nightly comparison, which reads in Directum and in all portals. */
  comparison: 300_000,
} as const;

/** A lease of a process is renewed so often while it lasts: one sign that is late or lost ends nothing. */
export const SIGNS_OF_LIFE = 4;
