import { type LocalText, RobotFailure } from '../../robot/failure.ts';
import { lostRights } from '../http/errors.ts';
import { EVERY_ROW, isAmong } from './filter.ts';
import type { Reader } from './list-reader.ts';

/** Ids a filter surely takes (directum.md A.5). */
const MOST_IDS = 8;

export const DOCUMENTS: LocalText = { ru: 'документы', en: 'documents' };

/**
 * Whether the account can read any of the records, or any of the whole set when no ids are given. Directum shows a record
 * without rights as if it did not exist (directum.md A.3), so this tells lost rights from deletion. Null when Directum
 * refuses the question.
 */
export async function canReadAny(
  reader: Reader,
  set: string,
  ids: readonly number[] = [],
): Promise<boolean | null> {
  const filter = ids.length === 0 ? EVERY_ROW : isAmong('Id', ids.slice(0, MOST_IDS));
  try {
    return (await reader.some(set, { filter, select: ['Id'] }, 1)).length > 0;
  } catch (error) {
    // A refusal says nothing about rights: the size guard may look before `$top` (directum.md A.5).
    if (error instanceof RobotFailure && error.code === 'directum_refused') return null;
    throw error;
  }
}

/**
 * Returns when a record that could be read before may count as deleted (interface.md §2): one of `others` can be read, or
 * any record of the set where no others are known.
 * @throws RobotFailure directum_unavailable when the rights seem to be lost
 */
export async function assertReadable(
  reader: Reader,
  set: string,
  others: readonly number[],
  what: LocalText,
): Promise<void> {
  if ((await canReadAny(reader, set, others)) !== true) throw lostRights(what);
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
  // Where no task of other documents is known, any task proves the rights.
  const asked = others.length === 0 ? [] : [...own.slice(0, 3), ...others];
  await assertReadable(reader, set, asked, { ru: 'задачи', en: 'tasks' });
  return true;
}
