import { RobotFailure } from './failure.ts';

/**
 * What stands in the way of a robot, collected while its inputs are resolved, so that all of it can be told at once. What
 * may pass by itself is no problem of an input: it ends the work.
 */
export class Problems {
  readonly #found: RobotFailure[] = [];

  /**
   * The value of an input, given when it is asked for. A value that could not be found throws the first problem then.
   * @throws what is no problem of an input, unless one was found before
   */
  async of<T>(work: () => Promise<T> | T): Promise<() => T> {
    try {
      const value = await work();
      return () => value;
    } catch (error) {
      if (!(error instanceof RobotFailure) || error.heals) {
        this.demandNone();
        throw error;
      }
      this.add(error);
      return () => {
        throw error;
      };
    }
  }

  add(failure: RobotFailure): void {
    // What needs the missing value of another input fails for the same reason.
    if (!this.#found.some(({ text }) => text.en === failure.text.en)) this.#found.push(failure);
  }

  /** All that was found, in the order of looking. */
  get all(): readonly RobotFailure[] {
    return this.#found;
  }

  /** Before each step that changes something. @throws the first problem */
  demandNone(): void {
    if (this.#found[0] !== undefined) throw this.#found[0];
  }
}
