export type Priority = 'run' | 'answer' | 'repeat';

/**
 * How urgent a question is that others may join: as urgent as whoever waits for its answer most. A hit of it that
 * still stands in the budget's line moves up.
 */
export class Urgency {
  priority: Priority;
  readonly #listeners = new Set<() => void>();

  constructor(priority: Priority) {
    this.priority = priority;
  }

  /** Somebody waits for the answer whose own hits have this priority. */
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
