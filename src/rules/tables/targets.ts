import type { z } from 'zod';
import { readField } from '../../robot/descriptor.ts';
import type { AnyRobot } from '../../robot/robot.ts';
import { type RuleRow, robotsOf, toList } from './tables.ts';

/** A robot that a row may be for, with one type of document where it makes several. */
export interface Target {
  robot: AnyRobot;
  documentType: string | null;
  /** Inputs that a row may fill. */
  fills: readonly string[];
}

/** A file becomes a first version in one of these ways; one that is filled counts as all (interface.md §8). */
export const FILE_SOURCES: readonly string[] = ['template', 'file_field', 'crm_template'];

export const takesRules = (robot: AnyRobot): boolean => robot.fills !== undefined;

/** Types of documents that the robot is told to make; null when it makes one. */
export function documentTypesOf(robot: AnyRobot): string[] | null {
  const schema: z.ZodType | undefined = robot.inputs.shape['document_type'];
  return schema === undefined ? null : Object.keys(readField('document_type', schema).options ?? {});
}

/** What a row is for; unknown names are left out. */
export function targetsOf(row: RuleRow, robots: readonly AnyRobot[]): Target[] {
  return robotsOf(row).flatMap((code) => {
    const robot = robots.find((one) => one.code === code);
    if (robot === undefined || !takesRules(robot)) return [];
    const types = documentTypesOf(robot);
    if (types === null) return [toTarget(robot, null)];
    return toList(row.document_type)
      .filter((type) => types.includes(type))
      .map((type) => toTarget(robot, type));
  });
}

function toTarget(robot: AnyRobot, documentType: string | null): Target {
  const fills = robot.fills ?? [];
  // `Array.isArray` does not narrow a readonly list away.
  const byType = Array.isArray(fills) ? null : (fills as Readonly<Record<string, readonly string[]>>);
  return {
    robot,
    documentType,
    fills: byType === null ? (fills as readonly string[]) : (byType[documentType ?? ''] ?? []),
  };
}

/** Is the row for a step of this robot that makes this type of document? */
export function isFor(row: RuleRow, robot: AnyRobot, documentType: string): boolean {
  if (!robotsOf(row).includes(robot.code)) return false;
  return documentTypesOf(robot) === null || toList(row.document_type).includes(documentType);
}
