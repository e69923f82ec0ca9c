import { z } from 'zod';
import type { AssignmentTask, SeenTask, WriteResult } from '../../documents/ports/deal.ts';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import { type BatchAnswer, type BatchCommand, PAGE } from '../rest/batch.ts';
import { isPassing, said, toWriteResult, type Writer, withAnswers } from '../rest/writes.ts';
import { putOnce } from './put-once.ts';

interface TaskWrite {
  mark: string;
  taskId: number | null;
  /** Somebody closed it, and it is to be opened again. */
  reopen?: boolean;
  task: AssignmentTask;
}

/**
 * Bitrix24 tasks that mirror assignments (interface.md §5, bitrix24.md F10).
 *
 * No field of a task that the portal promises to filter by can hold a key of ours. So the mark is the last line of
 * the description, and a task whose making was cut off is looked for among the item's tasks.
 */
export function createTaskWriter({ writer, locks }: { writer: Writer; locks: LocksPort }) {
  return {
    putTasks: (memberId: string, writes: readonly TaskWrite[]): Promise<WriteResult[]> =>
      putOnce(writes, {
        idOf: ({ taskId }) => taskId,
        update: (known) => update(memberId, known),
        find: (missing) => find(memberId, missing),
        make: (missing) => make(memberId, missing),
        locked: (work) => locks.hold(`tasks:${memberId}`, work),
      }),

    async completeTasks(
      memberId: string,
      tasks: readonly { taskId: number; note: string | null }[],
    ): Promise<WriteResult[]> {
      const answers = await sendInTurn(
        memberId,
        tasks.map(({ taskId, note }) => ({
          before: note === null || note.trim() === '' ? null : toComment(taskId, note),
          main: { method: 'tasks.task.complete', params: { taskId } },
        })),
      );
      const results = withAnswers(tasks, answers).map(
        ([{ taskId }, { main }]) => [taskId, toWriteResult(main)] as const,
      );
      return lookAtRefused(memberId, results, isClosed);
    },

    /** @throws PortalError when the portal does not say */
    async readTasks(memberId: string, ids: readonly number[]): Promise<(SeenTask | 'gone' | null)[]> {
      return withAnswers(ids, await ask(memberId, ids)).map(([id, answer]) => {
        const row = rowIn(said(answer), id);
        if (row === undefined) return null;
        if (row === null) return 'gone';
        return {
          responsibleUserId: row.responsibleid ?? null,
          deadline: row.deadline || null,
          closed: isClosed(row),
        };
      });
    },
  };

  async function update(
    memberId: string,
    known: readonly [write: TaskWrite, id: number][],
  ): Promise<WriteResult[]> {
    const answers = await sendInTurn(
      memberId,
      known.map(([{ reopen, task }, taskId]) => ({
        // One that a person opened meanwhile refuses this, which is all the same.
        before: reopen ? { method: 'tasks.task.renew', params: { taskId } } : null,
        main: {
          method: 'tasks.task.update',
          params: {
            taskId,
            fields: { RESPONSIBLE_ID: task.responsibleUserId, DEADLINE: task.deadline ?? '' },
          },
        },
      })),
    );
    const results = withAnswers(known, answers).map(([[, id], { before, main }]) => {
      const answer = before !== null && isPassing(before) ? before : main;
      return [id, answer.ok ? ({ ok: true, id } as const) : toWriteResult(answer)] as const;
    });
    return lookAtRefused(memberId, results, () => false);
  }

  /** Tasks of an earlier attempt whose answer was lost: those of the same item with our mark. */
  async function find(memberId: string, writes: readonly TaskWrite[]): Promise<(number[] | WriteResult)[]> {
    const bindings = writes.map(({ task }) => toTaskBinding(task.item));
    const listed = await list(memberId, new Set(bindings));
    return withAnswers(writes, bindings).map(([{ mark }, binding]) => {
      const { rows = [], refusal } = listed.get(binding) ?? {};
      if (refusal !== undefined) return toWriteResult(refusal);
      const own = rows.find(({ description }) => description?.includes(markLine(mark)));
      return own === undefined ? [] : [own.id];
    });
  }

  /** The tasks of items, all pages; for an item that the portal refuses, its refusal. */
  async function list(memberId: string, bindings: ReadonlySet<string>): Promise<Map<string, ItemTasks>> {
    const found = new Map<string, ItemTasks>();
    let open = [...bindings];
    for (let start = 0; open.length > 0; start += PAGE) {
      const answers = await writer.send(
        memberId,
        open.map((binding) => lookUp(binding, start)),
      );
      const more: string[] = [];
      for (const [binding, answer] of withAnswers(open, answers)) {
        const known = found.get(binding)?.rows ?? [];
        const rows = rowsOf(answer) ?? [];
        const fresh = rows.filter(({ id }) => known.every((one) => one.id !== id));
        found.set(binding, { rows: [...known, ...fresh], ...(!answer.ok && { refusal: answer }) });
        // A portal that gives the same page again has no other.
        if (rows.length >= PAGE && fresh.length > 0) more.push(binding);
      }
      open = more;
    }
    return found;
  }

  async function make(memberId: string, writes: readonly TaskWrite[]): Promise<WriteResult[]> {
    return (await writer.send(memberId, writes.map(toAdd))).map((answer) => {
      const id = madeIdOf(answer);
      return id === null ? toWriteResult(answer) : { ok: true, id };
    });
  }

  /** The portal refuses a task that is gone, or done, with one code and a text in its own language: it is looked at. */
  async function lookAtRefused(
    memberId: string,
    results: readonly (readonly [taskId: number, result: WriteResult])[],
    isDone: (row: TaskRow) => boolean | null,
  ): Promise<WriteResult[]> {
    const isRefused = (result: WriteResult) => !result.ok && result.why === 'refused';
    const refused = results.flatMap(([id, result]) => (isRefused(result) ? [id] : []));
    const answers = new Map(withAnswers(refused, await ask(memberId, refused)));
    return results.map(([id, result]) => {
      const answer = answers.get(id);
      if (answer === undefined || !isRefused(result)) return result;
      const row = rowIn(answer, id);
      if (row === null) return { ok: false, why: 'gone' };
      return row !== undefined && isDone(row) ? { ok: true } : result;
    });
  }

  function ask(memberId: string, ids: readonly number[]): Promise<BatchAnswer[]> {
    return writer.send(
      memberId,
      ids.map((taskId) => ({
        method: 'tasks.task.list',
        params: { filter: { ID: taskId }, select: ['ID', 'STATUS', 'RESPONSIBLE_ID', 'DEADLINE'] },
      })),
    );
  }

  /** Commands of which some need another one right before them, all in the same hits. */
  async function sendInTurn(
    memberId: string,
    turns: readonly { before: BatchCommand | null; main: BatchCommand }[],
  ): Promise<{ before: BatchAnswer | null; main: BatchAnswer }[]> {
    const commands = turns.flatMap(({ before, main }) => (before === null ? [main] : [before, main]));
    const answers = new Map(withAnswers(commands, await writer.send(memberId, commands)));
    // Every command is an object of its own and has its answer.
    const answerTo = (command: BatchCommand) => answers.get(command) as BatchAnswer;
    return turns.map(({ before, main }) => ({
      before: before === null ? null : answerTo(before),
      main: answerTo(main),
    }));
  }
}

const LETTERS: Readonly<Record<number, string>> = { 1: 'L', 2: 'D', 3: 'C', 4: 'CO', 7: 'Q', 31: 'SI' };

/** `UF_CRM_TASK` of an item: `D_123`, of a smart process `Tb1_5` (bitrix24.md C3, F3). */
function toTaskBinding({ typeId, id }: ItemRef): string {
  return `${LETTERS[typeId] ?? `T${typeId.toString(16)}`}_${id}`;
}

function markLine(mark: string): string {
  return `[directum:${mark}]`;
}

function lookUp(binding: string, start: number): BatchCommand {
  return {
    method: 'tasks.task.list',
    params: {
      filter: { UF_CRM_TASK: binding },
      order: { ID: 'desc' },
      select: ['ID', 'DESCRIPTION', 'UF_CRM_TASK'],
      ...(start > 0 && { start }),
    },
  };
}

function toAdd({ mark, task }: TaskWrite): BatchCommand {
  return {
    method: 'tasks.task.add',
    params: {
      fields: {
        TITLE: task.title,
        DESCRIPTION: [task.description, markLine(mark)].filter((part) => part !== '').join('\n\n'),
        RESPONSIBLE_ID: task.responsibleUserId,
        ...(task.deadline === null ? {} : { DEADLINE: task.deadline }),
        UF_CRM_TASK: [toTaskBinding(task.item)],
      },
    },
  };
}

function toComment(taskId: number, text: string): BatchCommand {
  return { method: 'task.commentitem.add', params: { taskId, fields: { POST_MESSAGE: text } } };
}

const id = z.coerce.number().int().positive();
const count = z.coerce.number().nullish().catch(null);
/** Rows of `tasks.task.list`, whose keys some versions print in upper case, some with an underscore. */
const rowShape = z
  .record(z.string(), z.unknown())
  .transform((row) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => [key.replaceAll('_', '').toLowerCase(), value]),
    ),
  )
  .pipe(
    z.object({
      id,
      description: z.string().nullish().catch(null),
      status: count,
      responsibleid: count,
      deadline: z.string().nullish().catch(null),
    }),
  );
type TaskRow = z.infer<typeof rowShape>;

interface ItemTasks {
  rows: TaskRow[];
  refusal?: BatchAnswer;
}

const listShape = z.object({
  tasks: z.array(z.unknown()).transform((rows) => rows.flatMap((row) => rowShape.safeParse(row).data ?? [])),
});
const madeShape = z.object({ task: z.object({ id }) });

/** Tasks that an answer lists; null when it lists none at all. */
function rowsOf(answer: BatchAnswer): TaskRow[] | null {
  const read = answer.ok ? listShape.safeParse(answer.result) : null;
  return read?.success ? read.data.tasks : null;
}

/** A task in the list that was asked for by its id: null = it is not there; undefined = the portal does not say. */
function rowIn(answer: BatchAnswer, taskId: number): TaskRow | null | undefined {
  const rows = rowsOf(answer);
  return rows === null ? undefined : (rows.find((row) => row.id === taskId) ?? null);
}

/** The id of a task just made. */
function madeIdOf(answer: BatchAnswer): number | null {
  const made = answer.ok ? madeShape.safeParse(answer.result) : null;
  return made?.success ? made.data.task.id : null;
}

/** Supposed by its person to be done, and done (CTasks states); both leave the list of what is to be done. */
const CLOSED: readonly number[] = [4, 5];

/** Null where the portal does not say. */
function isClosed({ status }: TaskRow): boolean | null {
  return status == null ? null : CLOSED.includes(status);
}
