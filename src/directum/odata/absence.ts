import { type LocalText, RobotFailure } from '../../robot/failure.ts';
import { lostRights } from '../http/errors.ts';
import type { Reader } from './list-reader.ts';

/** Ids a filter surely takes (directum.md A.5). */
const MOST = 8;

export const DOCUMENTS: LocalText = { ru: 'документы', en: 'documents' };

/** Whether any of the records, or of the whole set, can be read; null when Directum refuses the question. */
export async function isAnyShown(
  reader: Reader,
  set: string,
  ids: readonly number[] = [],
): Promise<boolean | null> {
  const filter = ids.length === 0 ? { Id: { gt: 0 } } : { or: ids.slice(0, MOST).map((Id) => ({ Id })) };
  try {
    return (await reader.some(set, { filter, select: ['Id'] }, 1)).length > 0;
  } catch (error) {
    // A size guard that looks before `$top` proves nothing (directum.md A.5).
    if (error instanceof RobotFailure && error.code === 'directum_refused') return null;
    throw error;
  }
}

/**
 * Ends quietly when a record that could be read before may count as deleted (interface.md §2): one of `others` can be read
 * in the same question, or any of the set at all where no others are known.
 * @throws RobotFailure directum_unavailable
 */
export async function assertShown(
  reader: Reader,
  set: string,
  others: readonly number[],
  what: LocalText,
): Promise<void> {
  if ((await isAnyShown(reader, set, others)) !== true) throw lostRights(what);
}

/**
 * Whether a document that shows no task has had some. A task that may not be read is not "no task": a second one would be
 * started beside it. @throws RobotFailure directum_unavailable while no task can be read
 */
export async function hasHadTasks(
  reader: Reader,
  set: string | null,
  { own, others }: { own: readonly number[]; others: readonly number[] },
): Promise<boolean> {
  if (set === null || own.length === 0) return false;
  // Where no other task is known, any does.
  const asked = others.length === 0 ? [] : [...own.slice(0, 3), ...others];
  if ((await isAnyShown(reader, set, asked)) !== true) throw lostRights({ ru: 'задачи', en: 'tasks' });
  return true;
}
