/** A lock as the work under it sees it: lost when the process stood still for long or its database went away. */
export interface HeldLock {
  isHeld(): boolean;
}

/** One holder at a time across all processes; others wait, at most `maxWaitMs` when it is given. */
export interface LocksPort {
  hold<T>(key: string, work: (lock: HeldLock) => Promise<T>, maxWaitMs?: number): Promise<T>;
}

/** The locks of one attempt of a run. */
export interface AttemptLocks extends LocksPort {
  /** Asked right before each write to another system. @throws when another process may have taken the run over */
  check(): void;
}
