import type pg from 'pg';
import type { ShownAssignment, WantedTask } from '../../documents/facts/assignment-tasks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { OutboxClient } from '../outbox/told-facts.ts';

export interface SyncedTask {
  portal: string;
  assignmentId: number;
  itemCode: string;
  taskId: number | null;
  tried: boolean;
  /** A person closed it although its assignment is open. */
  reopen: boolean;
  shown: ShownAssignment;
  hash: string;
}

/** A document with the items that show it, and what the tasks of its assignments must show. */
interface Wanted {
  documentId: number;
  items: { portal: string; itemCode: string }[];
  tasks: WantedTask[];
}

/** A task for a comparison with what the portal shows. */
export interface KeptTask extends SyncedTask {
  documentId: number;
  ended: boolean;
  /** It is about to be written. */
  due: boolean;
}

export interface SettledTask {
  portal: string;
  assignmentId: number;
  taskId: number | null;
  ended: boolean;
  /** It will be written again. */
  again: boolean;
  /** What was written in the portal, for the journal; absent when nothing was. */
  sent?: { did: 'made' | 'changed' | 'closed' | 'refused'; task: number | null };
}

interface SyncedTasksOptions {
  pool: pg.Pool;
  seal: { encrypt(text: string): string; decrypt(text: string): string };
  /** DIRECTUM_TASKS: without it no task is begun, and those begun before are still brought to their end. */
  on: boolean;
  log: Log;
}

/** As all lock several tasks (lock-order.ts). */
const IN_ORDER = 'ORDER BY m.assignment_id, m.portal FOR UPDATE OF m';
/** The tasks that come as `$1`, locked, with the columns that come with them. */
const lockedOf = (columns = '') =>
  `one AS (SELECT g.* FROM mirrored_task AS m
    JOIN json_to_recordset($1::json) AS g (portal text, "assignmentId" bigint${columns && `, ${columns}`})
      ON m.portal = g.portal AND m.assignment_id = g."assignmentId" ${IN_ORDER})`;

const IS_LOCKED = 'm.portal = one.portal AND m.assignment_id = one."assignmentId"';
const IS_ITS_ROW = `outbox.portal = m.portal AND outbox.kind = 'task' AND outbox.dedupe_key = m.assignment_id::text`;

/** The end of a statement that writes tasks as `due`: they leave from `$2` on, also where somebody is writing them as they were. */
const MAKE_DUE = `
  , held AS MATERIALIZED (SELECT outbox.id FROM outbox JOIN due AS m ON ${IS_ITS_ROW}
     ORDER BY outbox.document_id, outbox.id FOR UPDATE OF outbox)
   INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, document_id, item_code, key, created_at, due_at)
   SELECT portal, portal, 'task', 'task', assignment_id, document_id, item_code, assignment_id, $2::timestamptz, $2 FROM due
   WHERE (SELECT count(*) FROM held) >= 0 ORDER BY document_id, assignment_id
   ON CONFLICT (portal, kind, dedupe_key) DO UPDATE SET state = 'due', created_at = excluded.created_at, due_at = excluded.due_at,
     locked_until = NULL, attempts = 0, takes = outbox.takes + 1, last_error = NULL, settled_at = NULL`;

/** Which assignment is which task of a portal, and what it must show; its row of the outbox is due again with each change. */
export function createSyncedTasks({ pool, seal, on, log }: SyncedTasksOptions) {
  const toTask = (row: Record<string, unknown>): SyncedTask => ({
    portal: row['portal'] as string,
    assignmentId: Number(row['assignment_id']),
    itemCode: row['item_code'] as string,
    taskId: row['task_id'] === null ? null : Number(row['task_id']),
    tried: row['tried'] as boolean,
    reopen: row['reopen'] as boolean,
    shown: JSON.parse(seal.decrypt(row['wanted'] as string)) as ShownAssignment,
    hash: row['wanted_hash'] as string,
  });

  /**
   * Tasks whose key is gone do not take the others with them: each is left as the portal shows it, and written anew when
   * its assignment is read next, at night at the latest.
   */
  async function opened<T extends SyncedTask>(
    rows: Record<string, unknown>[],
    open: (row: Record<string, unknown>) => T,
  ): Promise<T[]> {
    const closed: { portal: unknown; assignmentId: number }[] = [];
    const tasks = rows.flatMap((row) => {
      try {
        return [open(row)];
      } catch (error) {
        const assignmentId = Number(row['assignment_id']);
        closed.push({ portal: row['portal'], assignmentId });
        log.error('task.not_opened', { error, assignmentId });
        return [];
      }
    });
    if (closed.length > 0)
      await pool.query(
        `WITH ${lockedOf()}
         UPDATE mirrored_task AS m SET wanted_hash = '' FROM one WHERE ${IS_LOCKED}`,
        [JSON.stringify(closed)],
      );
    return tasks;
  }

  async function record(client: OutboxClient, wanted: Wanted[], now: Date): Promise<void> {
    const ids = wanted.flatMap(({ tasks }) => tasks.map((one) => one.assignmentId));
    if (ids.length === 0) return;
    const { rows } = await client.query(
      'SELECT portal, assignment_id, wanted_hash, ended FROM mirrored_task WHERE assignment_id = ANY($1)',
      [ids],
    );
    const known = Map.groupBy(rows, (row) => Number(row.assignment_id));
    const changed = wanted.flatMap(({ documentId, items, tasks }) => {
      // In each portal the first item that shows the document.
      const firsts = [...new Map(items.toReversed().map((item) => [item.portal, item])).values()];
      return tasks.flatMap(({ assignmentId, hash, open, shown }) => {
        const of = known.get(assignmentId) ?? [];
        const begins = on && open && shown.performer?.email != null;
        const fresh = begins ? firsts.filter(({ portal }) => of.every((row) => row.portal !== portal)) : [];
        const stale = of.filter((row) => !row.ended && row.wanted_hash !== hash);
        if (fresh.length + stale.length === 0) return [];
        const task = { id: assignmentId, documentId, hash, wanted: seal.encrypt(JSON.stringify(shown)) };
        return [
          ...fresh.map(({ portal, itemCode }) => ({ ...task, portal, itemCode })),
          ...stale.map((row) => ({ ...task, portal: row.portal as string, itemCode: '' })),
        ];
      });
    });
    if (changed.length === 0) return;
    // An assignment of several documents is shown by the first of them.
    const single = [...new Map(changed.toReversed().map((one) => [`${one.id} ${one.portal}`, one])).values()];
    await client.query(
      `WITH due AS (INSERT INTO mirrored_task AS m (portal, assignment_id, item_code, document_id, wanted, wanted_hash)
         SELECT g.portal, g.id, g."itemCode", g."documentId", g.wanted, g.hash
         FROM json_to_recordset($1::json)
           AS g (portal text, "itemCode" text, id bigint, "documentId" bigint, wanted text, hash text)
         ORDER BY g.id, g.portal
         ON CONFLICT (portal, assignment_id) DO UPDATE SET wanted = excluded.wanted, wanted_hash = excluded.wanted_hash
           WHERE NOT m.ended
         RETURNING m.*)
       ${MAKE_DUE}`,
      [JSON.stringify(single), now],
    );
  }

  return {
    /**
     * Keeps in the caller's transaction what tasks must show, all of it at once (lock-order.ts). In each portal an
     * assignment gets its one task through the first item that shows its document, and keeps it when that item is gone.
     */
    record,

    /** Those of these assignments, with what they must show. */
    async find(portal: string, assignmentIds: number[]): Promise<SyncedTask[]> {
      const { rows } = await pool.query(
        'SELECT * FROM mirrored_task WHERE portal = $1 AND assignment_id = ANY($2) ORDER BY assignment_id',
        [portal, assignmentIds],
      );
      return opened(rows, toTask);
    },

    /** Written before tasks are made: a crash then leaves a trace of them. */
    async trying(tasks: { portal: string; assignmentId: number }[]): Promise<void> {
      await pool.query(
        `WITH ${lockedOf()}
         UPDATE mirrored_task AS m SET tried = true FROM one WHERE ${IS_LOCKED}`,
        [JSON.stringify(tasks)],
      );
    },

    /** Keeps what was done, and a line of the journal for it. */
    async keep(tasks: SettledTask[], now: Date): Promise<void> {
      if (tasks.length === 0) return;
      await pool.query(
        `WITH ${lockedOf('"taskId" bigint, ended boolean, again boolean, sent jsonb')},
         kept AS (UPDATE mirrored_task AS m SET task_id = one."taskId", ended = one.ended, reopen = m.reopen AND one.again
           FROM one WHERE ${IS_LOCKED} RETURNING m.*, one.sent)
         INSERT INTO journal (at, portal, item_code, document_id, type, actor, data)
         SELECT $2::timestamptz, portal, item_code, document_id, 'task.sent', 'service',
           jsonb_strip_nulls(jsonb_build_object('assignment', assignment_id) || sent)
         FROM kept WHERE sent IS NOT NULL ORDER BY assignment_id, portal`,
        [JSON.stringify(tasks), now],
      );
    },

    /** Tasks of the documents' assignments, ended ones too; those not begun where none are to begin left out. */
    async of(portal: string, documentIds: number[]): Promise<KeptTask[]> {
      const { rows } = await pool.query(
        `SELECT m.*, EXISTS (SELECT FROM outbox WHERE ${IS_ITS_ROW} AND state = 'due') AS due FROM mirrored_task AS m
         WHERE portal = $1 AND document_id = ANY($2) AND (task_id IS NOT NULL OR $3) ORDER BY assignment_id`,
        [portal, documentIds, on],
      );
      return opened(rows, (row) => ({
        ...toTask(row),
        documentId: Number(row['document_id']),
        ended: row['ended'] as boolean,
        due: row['due'] as boolean,
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
        `WITH ${lockedOf('reopen boolean')},
         due AS (UPDATE mirrored_task AS m SET ended = false, reopen = one.reopen FROM one WHERE ${IS_LOCKED} RETURNING m.*)
         ${MAKE_DUE}`,
        [JSON.stringify(tasks.map((task) => ({ ...task, portal }))), now],
      );
    },

    /** How many tasks are still to be written. */
    async dueCount(portals: string[]): Promise<number> {
      const { rows } = await pool.query(
        `SELECT count(*)::int AS due FROM outbox WHERE state = 'due' AND lane = 'task' AND recipient = ANY($1)`,
        [portals],
      );
      return rows[0].due;
    },

    /** Forgets the tasks of a portal (uninstallation with CLEAN=1). */
    async forget(portal: string): Promise<void> {
      await pool.query(
        `WITH one AS (SELECT id FROM outbox WHERE portal = $1 AND kind = 'task' ORDER BY document_id, id FOR UPDATE)
         DELETE FROM outbox USING one WHERE outbox.id = one.id`,
        [portal],
      );
      await pool.query(
        `WITH one AS (SELECT portal, assignment_id AS "assignmentId" FROM mirrored_task AS m WHERE portal = $1 ${IN_ORDER})
         DELETE FROM mirrored_task AS m USING one WHERE ${IS_LOCKED}`,
        [portal],
      );
    },
  };
}

export type SyncedTasks = ReturnType<typeof createSyncedTasks>;
