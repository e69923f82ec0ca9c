import type { z } from 'zod';
import { readField } from '../descriptor.ts';
import { RobotFailure } from '../failure.ts';
import type { AnyRobot } from '../robot.ts';
import type { TakenRow } from './port.ts';

/** The output `rule`: which row of which table filled empty inputs (interface.md §3). */
export function toRuleOutput(row: TakenRow | null): { rule?: string } {
  return row === null ? {} : { rule: `${row.table}: ${row.number}` };
}

/**
 * The failure with the row that gave the value, where it is about an input that a table filled: the designer of the robot
 * sees the field empty. Every text names its field by the title in «» (interface.md §3), whichever room wrote it.
 */
export function blameRow(failure: RobotFailure, robot: AnyRobot, row: TakenRow | null): RobotFailure {
  if (row === null) return failure;
  const { code, text, cause, heals } = failure;
  const known = { ...toRuleOutput(row), ...failure.known };
  const isAbout = row.inputs.some((input) => {
    const schema: z.ZodType | undefined = robot.inputs.shape[input];
    return schema !== undefined && text.en.includes(`«${readField(input, schema).name.en}»`);
  });
  if (!isAbout) return new RobotFailure(code, text, { cause, heals, known });
  const told = {
    ru: `${text.ru} Значение — из таблицы решений «${row.table}», строка ${row.number}.`,
    en: `${text.en} The value comes from the decision table «${row.table}», row ${row.number}.`,
  };
  return new RobotFailure(code, told, { cause, heals, known });
}
