import type { DocumentState, TaskState } from '../../robot/ports/document-state.ts';

/** A task that changed, with the documents it is about. */
export interface ChangedTask extends TaskState {
  modified: string | null;
  documentIds: number[];
}

/** One page of a question; `next` is the id to go on after, null on the last page. */
export interface ChangesPage<T> {
  rows: T[];
  next: number | null;
}

/** The newest rows of a question, one page of them, and how many rows it has in all. */
export interface NewestChanges<T> {
  rows: T[];
  total: number;
}

/** Bulk questions of the watcher. They may throw what DirectumPort does. */
export interface ChangesPort {
  /** The latest `Modified` by Directum's clock; null when there is none. */
  newest(kind: 'documents' | 'tasks'): Promise<string | null>;
  documents(since: string, after: number): Promise<ChangesPage<DocumentState>>;
  /** Empty where the installation does not show when a task changed. */
  tasks(since: string, after: number): Promise<ChangesPage<ChangedTask>>;
  /** The newest of what `documents` and `tasks` answer; null where the installation does not count. */
  newestDocuments(since: string): Promise<NewestChanges<DocumentState> | null>;
  newestTasks(since: string): Promise<NewestChanges<ChangedTask> | null>;
  /** Those of the documents that can be read. */
  statesOf(ids: number[]): Promise<DocumentState[]>;
  /** Status of tasks by id where `tasks` cannot say it; null where it can. */
  taskStatesOf(ids: number[]): Promise<TaskState[] | null>;
  /** Whether any document at all can be read of the types that the package makes. */
  anyOfTypes(): Promise<boolean>;
}

/**
 * Whether what Directum does not show is not there: absence may as well be lost rights (interface.md §2). It may throw what
 * DirectumPort does.
 */
export interface AbsencePort {
  /** `gone`: it counts as deleted, or never was; `shown`: it can be read after all; `unknown`: rights seem to be lost. */
  ofDocument(id: number | null): Promise<'gone' | 'shown' | 'unknown'>;
  /** Tasks that are known to have the document as their main one, and some of other documents. */
  tasksOf(documentId: number): Promise<{ own: number[]; others: number[] }>;
}
