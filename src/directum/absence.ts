import { type LocalText, RobotFailure } from '../robot/failure.ts';
import { lostRights } from './errors.ts';
import type { Reader } from './reader.ts';

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
