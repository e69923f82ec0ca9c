import type { DocumentState, TaskState } from './document-state.ts';

/** The waiting of one run. */
export interface WaitPort {
  /** When this run stops waiting: after these hours, or the setting's, from its receipt; the step's timeout shortens it. */
  until(hours: number | undefined): Date;
  /** Milliseconds to go; nothing or less when the time is over. */
  left(until: Date): number;
  /** What the last attempt saw; null when the run has not waited yet. */
  last(): Promise<{ documentId: number; document: DocumentState; task: TaskState | null } | null>;
  /** SHA-256 of the file an earlier attempt put into the item. */
  savedFile(): Promise<string | null>;
  fileSaved(sha256: string): Promise<void>;
}
