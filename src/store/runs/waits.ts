import type pg from 'pg';
import type { DocumentState, TaskState } from '../../robot/ports/document-state.ts';
import { lockedRuns } from '../locks/lock-order.ts';
import type { ContentSeal } from '../secrets/content-seal.ts';
import { HOLDS, type Hold, toHold } from './runs.ts';

/** A wait as an attempt leaves it. */
interface NewWait {
  documentId: number;
  waitFor: string;
  until: Date;
  document: DocumentState;
  task: TaskState | null;
  /** The facts a verdict depends on, as text. */
  seen: string;
}

interface KnownWait {
  documentId: number;
  document: DocumentState;
  task: TaskState | null;
}

/** Waiting runs. No list of them is ever loaded. */
export function createWaits(pool: pg.Pool, content: ContentSeal) {
  /** Waiting runs whose wait fits `condition` are due at once. */
  const wake = async (from: string, condition: string, values: unknown[]): Promise<number> => {
    const { rowCount } = await pool.query(
      `WITH ${lockedRuns(`run.state = 'waiting' AND ${condition}`, `JOIN wait ON wait.run_id = run.id ${from}`)}
       UPDATE run SET state = 'accepted', next_at = $1 FROM one WHERE run.id = one.id`,
      values,
    );
    return rowCount ?? 0;
  };

  return {
    /**
     * The run waits: its row, its attempt and its wait are written together. True when it did not wait before; null when
     * the run is not the attempt's any more, and nothing is changed.
     */
    async save(
      hold: Hold,
      attempt: { startedAt: Date; finishedAt: Date },
      wait: NewWait,
    ): Promise<boolean | null> {
      const { rows } = await pool.query<{ fresh: boolean }>(
        `WITH changed AS (UPDATE run SET state = 'waiting', next_at = $6, deadline_at = $6, attempts = attempts + 1,
             last_code = NULL, last_text = NULL, lost = 0, abandoned = 0 WHERE ${HOLDS} RETURNING id, attempts),
           tried AS (INSERT INTO run_attempt (run_id, number, started_at, finished_at, ending)
             SELECT id, attempts, $12, $13, 'waiting' FROM changed ON CONFLICT DO NOTHING)
         INSERT INTO wait (run_id, document_id, wait_for, deadline_at, facts, seen, task_id, task_status, task_started_at, created_at, saved_at)
         SELECT id, $4, $5, $6, $7, $8, $9, $10, $11, $13, $13 FROM changed
         ON CONFLICT (run_id) DO UPDATE SET deadline_at = excluded.deadline_at, facts = excluded.facts, seen = excluded.seen,
           task_id = excluded.task_id, task_status = excluded.task_status, task_started_at = excluded.task_started_at,
           saved_at = excluded.saved_at
         RETURNING (xmax = 0) AS fresh`,
        [
          ...toHold(hold),
          wait.documentId,
          wait.waitFor,
          wait.until,
          content.toColumn('wait.facts', { document: wait.document, task: wait.task }),
          wait.seen,
          wait.task?.id ?? null,
          wait.task?.status ?? null,
          wait.task?.startedAt ?? null,
          attempt.startedAt,
          attempt.finishedAt,
        ],
      );
      return rows[0] ? rows[0].fresh : null;
    },

    /** Null also when it cannot be opened: then the run begins to wait anew. */
    async last(runId: string): Promise<KnownWait | null> {
      const { rows } = await pool.query('SELECT document_id, facts FROM wait WHERE run_id = $1', [runId]);
      const row = rows[0];
      const facts = row && content.open<Pick<KnownWait, 'document' | 'task'>>('wait.facts', row.facts);
      return facts ? { documentId: Number(row.document_id), ...facts } : null;
    },

    async savedFile(runId: string): Promise<string | null> {
      const { rows } = await pool.query('SELECT sha256 FROM saved_file WHERE run_id = $1', [runId]);
      return rows[0]?.sha256 ?? null;
    },

    async fileSaved(runId: string, sha256: string): Promise<void> {
      await pool.query(
        `INSERT INTO saved_file (run_id, sha256) VALUES ($1, $2)
         ON CONFLICT (run_id) DO UPDATE SET sha256 = excluded.sha256`,
        [runId, sha256],
      );
    },

    /** Of these documents, those that a run began to wait for, or went on waiting for, or an item began to show since then. */
    async savedSince(documentIds: number[], since: Date): Promise<ReadonlySet<number>> {
      if (documentIds.length === 0) return new Set();
      const { rows } = await pool.query(
        `SELECT document_id FROM wait WHERE saved_at > $2 AND document_id = ANY($1)
         UNION SELECT document_id FROM watched_document WHERE created_at > $2 AND document_id = ANY($1)`,
        [documentIds, since],
      );
      return new Set(rows.map((row) => Number(row.document_id)));
    },

    /** The same of tasks: those of which no run knew before count too, so whoever waits may wait for any of them. */
    async tasksSavedSince(taskIds: number[], since: Date): Promise<ReadonlySet<number>> {
      if (taskIds.length === 0) return new Set();
      const { rowCount } = await pool.query('SELECT FROM wait WHERE saved_at > $1 LIMIT 1', [since]);
      return new Set(rowCount === 0 ? [] : taskIds);
    },

    /** Wakes runs whose time is over. */
    wakeExpired: (now: Date) => wake('', 'wait.deadline_at <= $1', [now]),

    /** Wakes runs whose document shows other facts than their last attempt saw. */
    wakeChanged: (changed: { id: number; seen: string }[], now: Date) =>
      wake(
        ', json_to_recordset($2::json) AS c (id bigint, seen text)',
        'wait.document_id = c.id AND wait.seen <> c.seen',
        [now, JSON.stringify(changed)],
      ),

    /** Wakes runs whose document has a newer task, or whose task has another status. */
    wakeTasks: (
      changed: { documentId: number; id: number; status: string; startedAt: string | null }[],
      now: Date,
    ) =>
      wake(
        ', json_to_recordset($2::json) AS c ("documentId" bigint, id bigint, status text, "startedAt" timestamptz)',
        `wait.document_id = c."documentId" AND CASE WHEN wait.task_id = c.id THEN wait.task_status IS DISTINCT FROM c.status
           ELSE wait.task_id IS NULL OR c."startedAt" > wait.task_started_at
             OR (c.id > wait.task_id AND c."startedAt" IS NOT DISTINCT FROM wait.task_started_at) END`,
        [now, JSON.stringify(changed)],
      ),

    /** Wakes runs of documents that may be gone; the attempt asks for each once more. */
    wakeMissing: (ids: number[], now: Date) => wake('', 'wait.document_id = ANY($2)', [now, ids]),

    /**
     * What the gauges of /metrics show: how many wait, documents that are watched for them or for an item, and how long
     * the question of what changed is overdue.
     */
    async measure(now: Date): Promise<{ waits: number; watchedDocuments: number; watchLateSeconds: number }> {
      const { rows } = await pool.query(
        `WITH open AS (SELECT document_id FROM wait JOIN run ON run.id = wait.run_id WHERE run.state <> 'ended'),
           watched AS (SELECT document_id FROM open UNION SELECT id FROM document WHERE ended_at IS NULL)
         SELECT (SELECT count(*) FROM open)::int AS waits, (SELECT count(*) FROM watched)::int AS documents,
           CASE WHEN NOT EXISTS (SELECT 1 FROM watched) THEN 0
             ELSE greatest(0, (SELECT extract(epoch FROM $1 - greatest(nullif(due_at, '-infinity'), held_until))
               FROM feed WHERE name = 'poll'))::float END AS late`,
        [now],
      );
      return { waits: rows[0].waits, watchedDocuments: rows[0].documents, watchLateSeconds: rows[0].late };
    },

    /** The next documents that runs wait for, by id, with the newest task known of them. */
    async watchedAfter(id: number, limit: number): Promise<{ id: number; taskId: number | null }[]> {
      const { rows } = await pool.query(
        `SELECT document_id, max(task_id) AS task_id FROM wait JOIN run ON run.id = wait.run_id
         WHERE run.state = 'waiting' AND document_id > $1 GROUP BY document_id ORDER BY document_id LIMIT $2`,
        [id, limit],
      );
      return rows.map((row) => ({
        id: Number(row.document_id),
        taskId: row.task_id === null ? null : Number(row.task_id),
      }));
    },

    /** Whether the installation shows which assignments changed, as the poll has found out. */
    async seesAssignments(): Promise<boolean> {
      const { rowCount } = await pool.query(
        `SELECT FROM feed WHERE name = 'poll' AND cursor ->> 'assignments' IS NOT NULL`,
      );
      return rowCount === 1;
    },

    async isEmpty(): Promise<boolean> {
      const { rowCount } = await pool.query(
        `SELECT 1 FROM wait JOIN run ON run.id = wait.run_id WHERE run.state <> 'ended' LIMIT 1`,
      );
      return rowCount === 0;
    },
  };
}

export type WaitStore = ReturnType<typeof createWaits>;
