import { createHash } from 'node:crypto';
import type { Language } from '../../robot/failure.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import type { AssignmentTask } from '../ports/deal.ts';
import type { DocumentSnapshot } from '../ports/document.ts';
import { toPlain } from './notices.ts';

/** What the task of one assignment must show; its hash tells a change. */
export interface WantedTask {
  assignmentId: number;
  /** False: the assignment ended, so the task must not stay open. */
  open: boolean;
  hash: string;
  shown: ShownAssignment;
}

export interface ShownAssignment {
  subject: string;
  url: string;
  document: { name: string; url: string };
  /** ISO with offset. */
  deadline: string | null;
  performer: { name: string; email: string | null } | null;
  /** How it ended; `moved`: forwarded to another person, who has an assignment of their own. */
  ending: 'completed' | 'moved' | 'aborted' | null;
}

/** A task as the package knows it. */
interface KnownTask {
  taskId: number | null;
  /** The making was begun: there may be a task although its id is not known. */
  tried: boolean;
  shown: ShownAssignment;
}

/** What is to be done in the portal. `put` with `close`: a task whose id got lost is found by its mark, then closed. */
export type TaskChange =
  | { do: 'nothing' }
  | { do: 'end' }
  | { do: 'put'; task: AssignmentTask; close: boolean }
  | { do: 'close'; note: string | null; ended: boolean };

const TITLE_LETTERS = 200;
/** Results by which a person hands the work over (directum.md F.4). */
const FORWARDED = new Set(['Forward', 'Forwarded']);

/** The assignments of a document as tasks must show them. Suspended work goes on later, so its task stays. */
export function toWanted({ state, assignments }: DocumentSnapshot): WantedTask[] {
  if (state === null) return [];
  return assignments.map(({ id, subject, url, deadline, performer, status, result }) => {
    const ending =
      status === 'Aborted'
        ? ('aborted' as const)
        : status !== 'Completed'
          ? null
          : FORWARDED.has(result ?? '')
            ? ('moved' as const)
            : ('completed' as const);
    const shown: ShownAssignment = {
      subject,
      url,
      document: { name: state.name, url: state.url },
      deadline,
      performer: performer && { name: performer.name, email: performer.email },
      ending,
    };
    const hash = createHash('sha256').update(JSON.stringify(shown)).digest('base64url');
    return { assignmentId: id, open: ending === null, hash, shown };
  });
}

/**
 * What one task needs. `userId` is the portal user of the performer, null for a person the portal does not know: then no task
 * is made, and one given to the performer before is closed with a note.
 */
export function toTaskChange(
  { taskId, tried, shown }: KnownTask,
  userId: number | null,
  item: ItemRef,
  language: Language,
): TaskChange {
  const words = WORDS[language];
  if (shown.ending !== null) {
    if (taskId !== null) return { do: 'close', note: words.ending[shown.ending], ended: true };
    return tried && userId !== null
      ? { do: 'put', task: toTask(shown, userId, item, language), close: true }
      : { do: 'end' };
  }
  if (userId !== null) return { do: 'put', task: toTask(shown, userId, item, language), close: false };
  return taskId === null ? { do: 'nothing' } : { do: 'close', note: words.ending.moved, ended: false };
}

/** By this mark a task is found again after its id got lost. */
export function toMark(portal: string, assignmentId: number): string {
  return `${createHash('sha256').update(portal).digest('hex').slice(0, 12)}:${assignmentId}`;
}

function toTask(shown: ShownAssignment, userId: number, item: ItemRef, language: Language): AssignmentTask {
  const words = WORDS[language];
  const name = toPlain(shown.document.name, TITLE_LETTERS);
  const subject = toPlain(shown.subject, TITLE_LETTERS);
  return {
    title: `Directum: ${subject === '' ? name : subject}`,
    description: [
      words.work,
      `${words.assignment}: ${shown.url}`,
      `${words.document}: ${name} ${shown.document.url}`,
    ].join('\n'),
    responsibleUserId: userId,
    deadline: shown.deadline,
    item,
  };
}

const WORDS = {
  ru: {
    work: 'Выполните задание в Directum: здесь задача закроется сама.',
    assignment: 'Задание',
    document: 'Документ',
    ending: {
      completed: null,
      moved: 'Задание в Directum передано другому сотруднику.',
      aborted: 'Задание в Directum прекращено: делать ничего не нужно.',
    },
  },
  en: {
    work: 'Do the assignment in Directum: this task then closes by itself.',
    assignment: 'Assignment',
    document: 'Document',
    ending: {
      completed: null,
      moved: 'The assignment in Directum was given to another person.',
      aborted: 'The assignment in Directum was aborted: there is nothing to do.',
    },
  },
} satisfies Record<Language, unknown>;
