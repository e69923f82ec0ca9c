import type { TaskState } from '../../robot/ports/document-state.ts';
import type { ChangesPage, NewestChanges } from './changes.ts';
import type { Assignment, DocumentDates } from './document.ts';

/** Bulk questions about tasks, assignments and dates of watched documents. They may throw what DirectumPort does. */
export interface DocumentContextPort {
  /** The latest `Modified` of an assignment by Directum's clock; null when there is none or it is not shown. */
  newestAssignment(): Promise<string | null>;
  /** Assignments changed since, by id; empty where the installation does not show when one changed. */
  assignments(since: string, after: number): Promise<ChangesPage<Assignment>>;
  /** The newest of what `assignments` answers; null where the installation does not count. */
  newestAssignments(since: string): Promise<NewestChanges<Assignment> | null>;
  /** All assignments of these tasks, sub-tasks included. */
  assignmentsOf(taskIds: number[]): Promise<Assignment[]>;
  /** Started tasks that have one of the documents as their main one, with the documents. */
  tasksOf(documentIds: number[]): Promise<(TaskState & { url: string; documentIds: number[] })[]>;
  /** Dates of those of the documents that are of a type with dates. */
  datesOf(documentIds: number[]): Promise<DocumentDates[]>;
}
