import { RobotFailure } from './failure.ts';

/**
 * What stands in the way of a robot while its inputs are resolved. A check collects all of it, so that it can be told at
 * once; work ends at the first. What may pass by itself is no problem of an input: it ends both, to be tried again.
 */
export class Problems {
  readonly #found: RobotFailure[] = [];
  readonly #collects: boolean;

  constructor({ collects }: { collects: boolean }) {
    this.#collects = collects;
  }

  /**
   * The value of an input, given when it is asked for: one that could not be found throws its problem then, so that
   * whatever needs it fails for the same reason.
   * @throws what is no problem of an input; of work every problem
   */
  async of<T>(work: () => Promise<T> | T): Promise<() => T> {
    try {
      const value = await work();
      return () => value;
    } catch (error) {
      this.take(error);
      return () => {
        throw error;
      };
    }
  }

  /** The same for a value that something else replaces where it could not be found. */
  async or<T>(work: () => Promise<T> | T, otherwise: T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.take(error);
      return otherwise;
    }
  }

  /** Keeps what was thrown as a problem. @throws it where it is none, or where work must end */
  take(error: unknown): RobotFailure {
    if (!this.#collects || !(error instanceof RobotFailure) || error.heals) throw error;
    // What needs the missing value of another input fails for the same reason.
    if (!this.#found.some(({ text }) => text.en === error.text.en)) this.#found.push(error);
    return error;
  }

  /** All that was found, in the order of looking. */
  get all(): readonly RobotFailure[] {
    return this.#found;
  }
}
