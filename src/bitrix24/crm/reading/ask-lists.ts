import { type BatchAnswer, type BatchCommand, MAX_BATCH, PAGE } from '../../rest/batch.ts';
import { PortalError } from '../../rest/portal-error.ts';
import type { PortalRest } from '../../rest/rest.ts';
import { isRecord } from '../../rest/values.ts';
import { isPassing, toError } from '../../rest/writes.ts';
import { type ListOf, toPage } from './list-commands.ts';

/** A command, and what its answer is read into; what is to be asked on account of it comes back. */
export interface Question {
  command: BatchCommand;
  take(answer: BatchAnswer): readonly Question[];
}

export type Row = Record<string, unknown>;

/** More pages of one command than this are no list of what was asked for. */
const MOST_PAGES = 40;

/** Asks all questions, and those that follow from their answers, fifty in a hit. @throws PortalError */
export async function askAll(
  rest: PortalRest,
  memberId: string,
  questions: readonly Question[],
): Promise<void> {
  let left = [...questions];
  while (left.length > 0) {
    const part = left.slice(0, MAX_BATCH);
    const commands = Object.fromEntries(part.map(({ command }, index) => [`q${index}`, command]));
    const answers = await rest.batch(memberId, commands, { priority: 'ahead' });
    const more = part.flatMap(({ take }, index) => take(answers[`q${index}`] as BatchAnswer));
    left = [...left.slice(MAX_BATCH), ...more];
  }
}

/**
 * Asks a list for the rows of these ids and puts them into `rows`, where an id without a row has an empty list. Ids that a
 * list may leave out although they are there go to `onAbsent`. What is thrown while the answers are read says that the list
 * cannot be used. @throws PortalError
 */
export function listQuestions(
  list: ListOf,
  ids: Iterable<number>,
  rows: Map<number, Row[]>,
  onAbsent: (id: number) => Question = noQuestion,
): Question[] {
  const all = [...new Set(ids)];
  const parts = Array.from({ length: Math.ceil(all.length / list.most) }, (_, n) =>
    all.slice(n * list.most, (n + 1) * list.most),
  );
  return parts.map((part) => pageQuestion(list, part, 0, rows, onAbsent));
}

function noQuestion(): never {
  throw new Error('a list that is whole leaves nothing to be asked singly');
}

function pageQuestion(
  list: ListOf,
  ids: readonly number[],
  start: number,
  rows: Map<number, Row[]>,
  onAbsent: (id: number) => Question,
): Question {
  return {
    command: toPage(list, ids, start),
    take(answer) {
      if (!answer.ok && list.isSpare && !isPassing(answer)) return ids.map(onAbsent);
      const page = readRows(list, answer);
      for (const row of page) {
        const id = Number(list.idOf(row));
        if (ids.includes(id)) rows.set(id, [...(rows.get(id) ?? []), row]);
        else if (list.isWhole) throw unusable(list, 'FOREIGN_ROWS');
      }
      if (!list.isUnique && page.length >= PAGE) {
        if (start >= MOST_PAGES * PAGE) throw unusable(list, 'TOO_MANY_PAGES');
        return [pageQuestion(list, ids, start + page.length, rows, onAbsent)];
      }
      const absent = ids.filter((id) => !rows.has(id));
      if (!list.isWhole) return absent.map(onAbsent);
      for (const id of absent) rows.set(id, []);
      return [];
    },
  };
}

/** Rows of a page. @throws PortalError for a refusal, and for what is no page */
function readRows(list: ListOf, answer: BatchAnswer): Row[] {
  if (!answer.ok) throw toError(answer, { retry: isPassing(answer), method: list.method });
  const page = isRecord(answer.result) ? answer.result['items'] : answer.result;
  if (!Array.isArray(page) || !page.every(isRecord)) throw unusable(list, 'UNREADABLE');
  return page;
}

function unusable({ method }: ListOf, code: string): PortalError {
  return new PortalError({ code, kind: 'refused', status: null, retry: false, method });
}
