export type Priority = 'run' | 'answer' | 'ahead' | 'repeat';

/**
 * Priority of a question that several callers share: that of its most urgent caller. When one joins, a hit of the
 * question that still waits for the rate limit moves forward.
 */
export class Urgency {
  priority: Priority;
  readonly #listeners = new Set<() => void>();

  constructor(priority: Priority) {
    this.priority = priority;
  }

  /** A caller joins whose own hits have this priority. */
  raise(priority: Priority): void {
    if (this.priority !== 'repeat' || priority === 'repeat') return;
    this.priority = priority;
    for (const listener of this.#listeners) listener();
  }

  /** Answers how to stop listening. */
  onRaise(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
