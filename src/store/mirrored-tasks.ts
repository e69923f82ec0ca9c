import type pg from 'pg';
import type { ShownAssignment, WantedTask } from '../documents/mirror.ts';
import type { TellingClient } from './tellings.ts';

export interface DueTask {
  portal: string;
  assignmentId: number;
  itemCode: string;
  taskId: number | null;
  tried: boolean;
  /** A person closed it although its assignment is open. */
  reopen: boolean;
  shown: ShownAssignment;
  hash: string;
  attempts: number;
}

/** A document with the items that show it. */
interface Shown {
  documentId: number;
  items: { portal: string; itemCode: string }[];
}

/** A task for a comparison with what the portal shows. */
export interface KeptTask extends DueTask {
  documentId: number;
  ended: boolean;
  /** It is about to be written. */
  due: boolean;
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
  const toDue = (row: Record<string, unknown>): DueTask => ({
    portal: row['portal'] as string,
    assignmentId: Number(row['assignment_id']),
    itemCode: row['item_code'] as string,
    taskId: row['task_id'] === null ? null : Number(row['task_id']),
    tried: row['tried'] as boolean,
    reopen: row['reopen'] as boolean,
    shown: JSON.parse(seal.decrypt(row['wanted'] as string)) as ShownAssignment,
    hash: row['wanted_hash'] as string,
    attempts: row['attempts'] as number,
  });

  async function record(
    client: TellingClient,
    { documentId, items }: Shown,
    wanted: WantedTask[],
    now: Date,
  ): Promise<void> {
    if (wanted.length === 0) return;
    const { rows } = await client.query(
      'SELECT portal, assignment_id, wanted_hash, ended FROM mirrored_task WHERE assignment_id = ANY($1)',
      [wanted.map((one) => one.assignmentId)],
    );
    const known = Map.groupBy(rows, (row) => Number(row.assignment_id));
    // In each portal the first item that shows the document.
    const firsts = [...new Map(items.toReversed().map((item) => [item.portal, item])).values()];
    const changed = wanted.flatMap(({ assignmentId, hash, open, shown }) => {
      const of = known.get(assignmentId) ?? [];
      const begins = on && open && shown.performer?.email != null;
      const fresh = begins ? firsts.filter(({ portal }) => of.every((row) => row.portal !== portal)) : [];
      const stale = of.filter((row) => !row.ended && row.wanted_hash !== hash);
      if (fresh.length + stale.length === 0) return [];
      const task = { id: assignmentId, hash, wanted: seal.encrypt(JSON.stringify(shown)) };
      return [
        ...fresh.map(({ portal, itemCode }) => ({ ...task, portal, itemCode })),
        ...stale.map((row) => ({ ...task, portal: row.portal as string, itemCode: '' })),
      ];
    });
    if (changed.length === 0) return;
    await client.query(
      `INSERT INTO mirrored_task AS m (portal, assignment_id, item_code, document_id, wanted, wanted_hash, due_at)
       SELECT g.portal, g.id, g."itemCode", $2, g.wanted, g.hash, $3::timestamptz
       FROM json_to_recordset($1::json) AS g (portal text, "itemCode" text, id bigint, wanted text, hash text)
       ON CONFLICT (portal, assignment_id) DO UPDATE SET wanted = excluded.wanted, wanted_hash = excluded.wanted_hash,
         due_at = excluded.due_at, attempts = 0 WHERE NOT m.ended`,
      [JSON.stringify(changed), documentId, now],
    );
  }

  return {
    /**
     * Remembers in the caller's transaction what tasks must show. In each portal an assignment gets its one task through
     * the first item that shows its document, and keeps it when that item is gone.
     */
    record,

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
      return rows.map(toDue).sort((a, b) => a.assignmentId - b.assignmentId);
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
        `UPDATE mirrored_task AS m SET task_id = g."taskId", ended = g.ended, reopen = m.reopen AND g."dueAt" IS NOT NULL,
           due_at = CASE WHEN m.wanted_hash = g.hash OR g.ended THEN g."dueAt" ELSE m.due_at END
         FROM json_to_recordset($1::json)
           AS g (portal text, "assignmentId" bigint, hash text, "taskId" bigint, ended boolean, "dueAt" timestamptz)
         WHERE m.portal = g.portal AND m.assignment_id = g."assignmentId"`,
        [JSON.stringify(tasks)],
      );
    },

    /** Tasks of the documents' assignments, ended ones too; those not begun where none are to begin left out. */
    async of(portal: string, documentIds: number[]): Promise<KeptTask[]> {
      const { rows } = await pool.query(
        `SELECT * FROM mirrored_task WHERE portal = $1 AND document_id = ANY($2) AND (task_id IS NOT NULL OR $3)
         ORDER BY assignment_id`,
        [portal, documentIds, on],
      );
      return rows.map((row) => ({
        ...toDue(row),
        documentId: Number(row.document_id),
        ended: row.ended as boolean,
        due: row.due_at !== null,
      }));
    },

    /** The portal shows other than it must: the tasks are written anew, closed ones that are open again closed. */
    async again(
      portal: string,
      tasks: { assignmentId: number; reopen: boolean }[],
      now: Date,
    ): Promise<void> {
      if (tasks.length === 0) return;
      await pool.query(
        `UPDATE mirrored_task AS m SET ended = false, attempts = 0, due_at = $3, reopen = g.reopen
         FROM json_to_recordset($2::json) AS g ("assignmentId" bigint, reopen boolean)
         WHERE m.portal = $1 AND m.assignment_id = g."assignmentId"`,
        [portal, JSON.stringify(tasks), now],
      );
    },

    /** How many tasks are still to be written. */
    async dueCount(portals: string[]): Promise<number> {
      const { rows } = await pool.query(
        'SELECT count(*)::int AS due FROM mirrored_task WHERE due_at IS NOT NULL AND portal = ANY($1)',
        [portals],
      );
      return rows[0].due;
    },

    /** Forgets the tasks of a portal (uninstallation with CLEAN=1). */
    async forget(portal: string): Promise<void> {
      await pool.query('DELETE FROM mirrored_task WHERE portal = $1', [portal]);
    },
  };
}

export type MirroredTasks = ReturnType<typeof createMirroredTasks>;
