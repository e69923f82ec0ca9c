import type pg from 'pg';
import type { ShownAssignment, WantedTask } from '../documents/mirror.ts';
import type { TellingClient } from './tellings.ts';

export interface DueTask {
  portal: string;
  assignmentId: number;
  itemCode: string;
  taskId: number | null;
  tried: boolean;
  shown: ShownAssignment;
  hash: string;
  attempts: number;
}

export interface SettledTask {
  portal: string;
  assignmentId: number;
  /** What the task shows now: a change that came meanwhile stays due. */
  hash: string;
  taskId: number | null;
  ended: boolean;
  /** Null: done. */
  dueAt: Date | null;
}

export interface MirroredTasksOptions {
  pool: pg.Pool;
  seal: { encrypt(text: string): string; decrypt(text: string): string };
  /** DIRECTUM_TASKS: without it no task is begun, and those begun before are still brought to their end. */
  on: boolean;
}

/** Which assignment is which task of a portal, and what the task must show. */
export function createMirroredTasks({ pool, seal, on }: MirroredTasksOptions) {
  return {
    /**
     * Remembers in the caller's transaction what tasks must show. An assignment gets its one task through the first item
     * that shows its document, and keeps it when that item is gone.
     */
    async record(
      client: TellingClient,
      of: { portal: string; itemCode: string; documentId: number },
      wanted: WantedTask[],
      now: Date,
    ): Promise<void> {
      if (wanted.length === 0) return;
      const { rows } = await client.query(
        'SELECT assignment_id, wanted_hash, ended FROM mirrored_task WHERE portal = $1 AND assignment_id = ANY($2)',
        [of.portal, wanted.map((one) => one.assignmentId)],
      );
      const known = new Map(rows.map((row) => [Number(row.assignment_id), row]));
      const changed = wanted.filter(({ assignmentId, hash, open, shown }) => {
        const row = known.get(assignmentId);
        if (row === undefined) return on && open && shown.performer?.email != null;
        return !row.ended && row.wanted_hash !== hash;
      });
      if (changed.length === 0) return;
      const sealed = changed.map(({ assignmentId, hash, shown }) => ({
        id: assignmentId,
        hash,
        wanted: seal.encrypt(JSON.stringify(shown)),
      }));
      await client.query(
        `INSERT INTO mirrored_task AS m (portal, assignment_id, item_code, document_id, wanted, wanted_hash, due_at)
         SELECT $2, g.id, $3, $4, g.wanted, g.hash, $5::timestamptz
         FROM json_to_recordset($1::json) AS g (id bigint, wanted text, hash text)
         ON CONFLICT (portal, assignment_id) DO UPDATE SET wanted = excluded.wanted, wanted_hash = excluded.wanted_hash,
           due_at = excluded.due_at, attempts = 0 WHERE NOT m.ended`,
        [JSON.stringify(sealed), of.portal, of.itemCode, of.documentId, now],
      );
    },

    /** Leases tasks of these portals that do not show what they must. */
    async take(portals: string[], now: Date, leaseMs: number, limit: number): Promise<DueTask[]> {
      const { rows } = await pool.query(
        `UPDATE mirrored_task AS m SET due_at = $3, attempts = attempts + 1 FROM (
           SELECT portal, assignment_id FROM mirrored_task WHERE due_at <= $2 AND portal = ANY($1)
           ORDER BY due_at, assignment_id LIMIT $4 FOR UPDATE SKIP LOCKED) AS due
         WHERE m.portal = due.portal AND m.assignment_id = due.assignment_id
         RETURNING m.*`,
        [portals, now, new Date(now.getTime() + leaseMs), limit],
      );
      return rows
        .map((row) => ({
          portal: row.portal as string,
          assignmentId: Number(row.assignment_id),
          itemCode: row.item_code as string,
          taskId: row.task_id === null ? null : Number(row.task_id),
          tried: row.tried as boolean,
          shown: JSON.parse(seal.decrypt(row.wanted)) as ShownAssignment,
          hash: row.wanted_hash as string,
          attempts: row.attempts as number,
        }))
        .sort((a, b) => a.assignmentId - b.assignmentId);
    },

    /** Written before tasks are made: a crash then leaves a trace of them. */
    async trying(tasks: { portal: string; assignmentId: number }[]): Promise<void> {
      await pool.query(
        `UPDATE mirrored_task AS m SET tried = true
         FROM json_to_recordset($1::json) AS g (portal text, "assignmentId" bigint)
         WHERE m.portal = g.portal AND m.assignment_id = g."assignmentId"`,
        [JSON.stringify(tasks)],
      );
    },

    async settle(tasks: SettledTask[]): Promise<void> {
      if (tasks.length === 0) return;
      await pool.query(
        `UPDATE mirrored_task AS m SET task_id = g."taskId", ended = g.ended,
           due_at = CASE WHEN m.wanted_hash = g.hash OR g.ended THEN g."dueAt" ELSE m.due_at END
         FROM json_to_recordset($1::json)
           AS g (portal text, "assignmentId" bigint, hash text, "taskId" bigint, ended boolean, "dueAt" timestamptz)
         WHERE m.portal = g.portal AND m.assignment_id = g."assignmentId"`,
        [JSON.stringify(tasks)],
      );
    },

    /** Forgets the tasks of a portal (uninstallation with CLEAN=1). */
    async forget(portal: string): Promise<void> {
      await pool.query('DELETE FROM mirrored_task WHERE portal = $1', [portal]);
    },
  };
}

export type MirroredTasks = ReturnType<typeof createMirroredTasks>;
