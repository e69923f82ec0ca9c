import { z } from 'zod';
import type { BatchAnswer } from '../rest/batch.ts';

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
