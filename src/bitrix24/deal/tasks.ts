import { z } from 'zod';
import type { AssignmentTask, SeenTask, WriteResult } from '../../documents/ports/deal.ts';
import type { HeldLock, LocksPort } from '../../robot/ports/locks.ts';
import type { ItemRef } from '../../robot/ports/portal.ts';
import { type BatchAnswer, type BatchCommand, PAGE } from '../rest/batch.ts';
import { isPassing, said, toWriteResult, type Writer } from '../rest/writes.ts';

export interface TaskWrite {
  mark: string;
  taskId: number | null;
  /** Somebody closed it, and it is to be opened again. */
  reopen?: boolean;
  task: AssignmentTask;
}

const LETTERS: Readonly<Record<number, string>> = { 1: 'L', 2: 'D', 3: 'C', 4: 'CO', 7: 'Q', 31: 'SI' };

/** `UF_CRM_TASK` of an item: `D_123`, of a smart process `Tb1_5` (bitrix24.md C3, F3). */
export function toTaskBinding({ typeId, id }: ItemRef): string {
  return `${LETTERS[typeId] ?? `T${typeId.toString(16)}`}_${id}`;
}

/**
 * Bitrix24 tasks that mirror assignments (interface.md §5, bitrix24.md F10).
 *
 * No field of a task that the portal promises to filter by can hold a key of ours. So the mark is the last line of
 * the description, and a task whose making was cut off is looked for among the item's tasks.
 */
export function createTaskWriter({ writer, locks }: { writer: Writer; locks: LocksPort }) {
  async function update(
    memberId: string,
    writes: readonly (TaskWrite & { id: number })[],
  ): Promise<WriteResult[]> {
    const commands: BatchCommand[] = [];
    const updates = writes.map(({ id: taskId, reopen, task }) => {
      // One that a person opened meanwhile refuses this, which is all the same.
      if (reopen) commands.push({ method: 'tasks.task.renew', params: { taskId } });
      const fields = { RESPONSIBLE_ID: task.responsibleUserId, DEADLINE: task.deadline ?? '' };
      return commands.push({ method: 'tasks.task.update', params: { taskId, fields } }) - 1;
    });
    const sent = await writer.send(memberId, commands);
    const answers = updates.map((at, index) => {
      const renewed = writes[index]?.reopen ? (sent[at - 1] as BatchAnswer) : null;
      return renewed !== null && isPassing(renewed) ? renewed : (sent[at] as BatchAnswer);
    });
    const results = answers.map((answer, index) =>
      answer.ok ? { ok: true as const, id: writes[index]?.id as number } : toWriteResult(answer),
    );
    const unclear = results.flatMap((result, index) => (isUnclear(result) ? [index] : []));
    const rows = await look(
      memberId,
      unclear.map((index) => writes[index]?.id as number),
    );
    for (const [at, index] of unclear.entries()) {
      if (rows[at] === null) results[index] = { ok: false, why: 'gone' };
    }
    return results;
  }

  /** The tasks of items, all pages; for an item that the portal refuses, its refusal. */
  async function list(memberId: string, bindings: string[]): Promise<(TaskRow[] | BatchAnswer)[]> {
    const found: (TaskRow[] | BatchAnswer)[] = bindings.map(() => []);
    let open = bindings.map((_, at) => at);
    for (let start = 0; open.length > 0; start += PAGE) {
      const answers = await writer.send(
        memberId,
        open.map((at) => lookUp(bindings[at] as string, start)),
      );
      open = open.filter((at, index) => {
        const answer = answers[index] as BatchAnswer;
        const rows = rowsOf(answer);
        if (!answer.ok) found[at] = answer;
        const known = found[at];
        if (!Array.isArray(known) || rows === null) return false;
        const fresh = rows.filter(({ id }) => known.every((one) => one.id !== id));
        known.push(...fresh);
        // A portal that gives the same page again has no other.
        return rows.length >= PAGE && fresh.length > 0;
      });
    }
    return found;
  }

  async function make(
    memberId: string,
    writes: readonly TaskWrite[],
    claim: HeldLock,
  ): Promise<WriteResult[]> {
    const results = new Array<WriteResult>(writes.length);
    const bindings = [...new Set(writes.map(({ task }) => toTaskBinding(task.item)))];
    const listed = await list(memberId, bindings);
    const found: (TaskWrite & { id: number; index: number })[] = [];
    for (const [index, write] of writes.entries()) {
      const rows = listed[bindings.indexOf(toTaskBinding(write.task.item))] as TaskRow[] | BatchAnswer;
      if (!Array.isArray(rows)) {
        results[index] = toWriteResult(rows);
        continue;
      }
      const line = markLine(write.mark);
      const own = rows.find((row) => row.description?.includes(line));
      if (own !== undefined) found.push({ ...write, id: own.id, index });
    }
    const updated = await update(memberId, found);
    for (const [at, { index }] of found.entries()) results[index] = updated[at] as WriteResult;
    const missing = writes.map((_, index) => index).filter((index) => results[index] === undefined);
    if (!claim.isHeld()) {
      // This process stood still, and what was not there when it looked may have been made by another.
      for (const index of missing) results[index] = { ok: false, why: 'retry' };
      return results;
    }
    const answers = await writer.send(
      memberId,
      missing.map((index) => toAdd(writes[index] as TaskWrite)),
    );
    for (const [at, index] of missing.entries()) {
      const answer = answers[at] as BatchAnswer;
      const id = madeIdOf(answer);
      results[index] = id === null ? toWriteResult(answer) : { ok: true, id };
    }
    return results;
  }

  const ask = (memberId: string, ids: readonly number[]): Promise<BatchAnswer[]> =>
    writer.send(
      memberId,
      ids.map((taskId) => ({
        method: 'tasks.task.list',
        params: { filter: { ID: taskId }, select: ['ID', 'STATUS', 'RESPONSIBLE_ID', 'DEADLINE'] },
      })),
    );

  /** The tasks by id, null for one that is not there; undefined where the portal does not say. */
  async function look(memberId: string, ids: readonly number[]): Promise<(TaskRow | null | undefined)[]> {
    return (await ask(memberId, ids)).map((answer, index) => rowIn(answer, ids[index] as number));
  }

  return {
    async putTasks(memberId: string, writes: readonly TaskWrite[]): Promise<WriteResult[]> {
      const results = new Array<WriteResult>(writes.length);
      const known = writes.flatMap((write, index) =>
        write.taskId === null ? [] : [{ ...write, id: write.taskId, index }],
      );
      const updated = await update(memberId, known);
      for (const [at, { index }] of known.entries()) results[index] = updated[at] as WriteResult;
      const fresh = writes.map((_, index) => index).filter((index) => writes[index]?.taskId === null);
      if (fresh.length === 0) return results;
      // Between looking and making nobody else may do the same.
      const made = await locks.hold(`tasks:${memberId}`, (claim) =>
        make(
          memberId,
          fresh.map((index) => writes[index] as TaskWrite),
          claim,
        ),
      );
      for (const [at, index] of fresh.entries()) results[index] = made[at] as WriteResult;
      return results;
    },

    async completeTasks(
      memberId: string,
      tasks: readonly { taskId: number; note: string | null }[],
    ): Promise<WriteResult[]> {
      const commands: BatchCommand[] = [];
      const completes = tasks.map(({ taskId, note }) => {
        if (note !== null && note.trim() !== '') {
          commands.push({
            method: 'task.commentitem.add',
            params: { taskId, fields: { POST_MESSAGE: note } },
          });
        }
        return commands.push({ method: 'tasks.task.complete', params: { taskId } }) - 1;
      });
      const answers = await writer.send(memberId, commands);
      const results = completes.map((index) => toWriteResult(answers[index] as BatchAnswer));
      const unclear = results.flatMap((result, index) => (isUnclear(result) ? [index] : []));
      const rows = await look(
        memberId,
        unclear.map((index) => tasks[index]?.taskId as number),
      );
      for (const [at, index] of unclear.entries()) {
        const row = rows[at];
        if (row === null) results[index] = { ok: false, why: 'gone' };
        else if (row && isClosed(row)) results[index] = { ok: true };
      }
      return results;
    },

    /** @throws PortalError when the portal does not say */
    async readTasks(memberId: string, ids: readonly number[]): Promise<(SeenTask | 'gone' | null)[]> {
      return (await ask(memberId, ids)).map((answer, index) => {
        const row = rowIn(said(answer), ids[index] as number);
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
}

/** The portal refuses a task that is gone, or done, with one code and a text in its own language. */
function isUnclear(result: WriteResult): boolean {
  return !result.ok && result.why === 'refused';
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

/** Supposed by its person to be done, and done (CTasks states); both leave the list of what is to be done. */
const CLOSED: readonly number[] = [4, 5];

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
export type TaskRow = z.infer<typeof rowShape>;

const listShape = z.object({
  tasks: z.array(z.unknown()).transform((rows) => rows.flatMap((row) => rowShape.safeParse(row).data ?? [])),
});
const madeShape = z.object({ task: z.object({ id }) });

/** Tasks that an answer lists; null when it lists none at all. */
export function rowsOf(answer: BatchAnswer | undefined): TaskRow[] | null {
  const read = answer?.ok ? listShape.safeParse(answer.result) : null;
  return read?.success ? read.data.tasks : null;
}

/** A task in the list that was asked for by its id: null = it is not there; undefined = the portal does not say. */
export function rowIn(answer: BatchAnswer, taskId: number): TaskRow | null | undefined {
  const rows = rowsOf(answer);
  return rows === null ? undefined : (rows.find((row) => row.id === taskId) ?? null);
}

/** The id of a task just made. */
export function madeIdOf(answer: BatchAnswer): number | null {
  const made = answer.ok ? madeShape.safeParse(answer.result) : null;
  return made?.success ? made.data.task.id : null;
}

/** Null where the portal does not say. */
export function isClosed({ status }: TaskRow): boolean | null {
  return status == null ? null : CLOSED.includes(status);
}
