/** States by which a document counts as approved, signed, or over (directum.md B.8, E.1). */
export interface ApprovalStates {
  lifeCycleState: string | null;
  internalApprovalState: string | null;
  externalApprovalState: string | null;
  exchangeState: string | null;
  lastVersionApproved: boolean;
}

/** What Directum shows of a document's approval and signing (directum.md E.1). Its own values; empty is null. */
export interface DocumentState extends ApprovalStates {
  id: number;
  name: string;
  url: string;
  /** ISO with offset, by Directum's clock. */
  modified: string | null;
  registrationNumber: string | null;
  ourSignatory: string | null;
  /** Of its document kind. Absent in what an earlier version kept. */
  kindId?: number | null;
}

/** Who works on a document now, by the tasks that have it as their main one. */
export interface DocumentWork {
  /** Names of those who hold open assignments. */
  holders: string[];
  /** When the oldest of these assignments was made, ISO with offset; null when there is none. */
  since: string | null;
  /** Card of the task started last; null when there is none. */
  taskUrl: string | null;
}

/** An approval task of any kind. */
export interface TaskState {
  id: number;
  status: string;
  startedAt: string | null;
}

/** Who signed in a signing assignment and when, ISO with offset; each null when Directum does not show it. */
export interface Signing {
  by: string | null;
  at: string | null;
}
