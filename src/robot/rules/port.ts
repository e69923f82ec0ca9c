import type { AnyRobot } from '../robot.ts';
import type { Properties } from '../run/inputs.ts';

/** A row of a decision table, and the inputs it filled. */
export interface TakenRow {
  table: string;
  /** Counted from 1, among all rows of the table. */
  number: number;
  inputs: readonly string[];
}

/** Decision tables of the run's portal, for the item of the run (interface.md §8). */
export interface RulesPort {
  /**
   * The step's properties, with the inputs that a table's row fills. `row` is null when no row filled anything.
   * @throws RobotFailure rule_not_found, input_invalid for a name that the portal did not fill in, and what reading the item throws
   */
  fill(robot: AnyRobot, properties: Properties): Promise<{ properties: Properties; row: TakenRow | null }>;
}
