import type pg from 'pg';

/** A row that was taken to be sent. */
export interface DueRow {
  id: string;
  /** How often it was taken or changed until now: what becomes of it counts only while nobody else takes or changes it. */
  takes: number;
  recipient: string;
  portal: string;
  kind: 'answer' | 'trigger' | 'notice' | 'comment' | 'task';
  lane: Lane;
  itemCode: string;
  /** Null: it tells of a run. */
  documentId: number | null;
  runId: string | null;
  code: string;
  key: string;
  /** Sealed. */
  payload: string | null;
  createdAt: Date;
  attempts: number;
  /** What is known of an earlier try that may have done it. */
  unsure: 'failed' | 'lost' | null;
  /** Of a notice whose person is known. */
  userId: number | null;
  /** The message that a notice goes out in, alone or with others. */
  message: string | null;
}

export type Lane = 'first' | 'second' | 'trigger' | 'address' | 'gather' | 'message' | 'comment' | 'task';

/** Up to `most` rows of a lane and recipient are wanted, and left to the caller until `lockedUntil`. */
interface WantedRows {
  lane: Lane;
  recipient: string;
  most: number;
  lockedUntil: Date;
}

/** What became of a row. */
export interface SettledRow {
  id: string;
  takes: number;
  state: 'due' | 'sent' | 'gone' | 'refused';
  dueAt: Date;
  /** Why it is due again, or what ended it. */
  error: string | null;
}

/** Two sendings of one answer stand at least 30 s apart (interface.md §3). */
const SECOND_AFTER_MS = 31_000;

/** The order in which all lock several rows (lock-order.ts). */
export const IN_ORDER = 'ORDER BY outbox.document_id, outbox.id FOR UPDATE OF outbox';

/** A row nobody else is sending. `now` is a parameter. */
export const isFree = (now: string) =>
  `due_at <= ${now} AND (locked_until IS NULL OR locked_until <= ${now})`;

/** What is written with every take, and what is known of the take before. */
export const TAKEN = 'attempts = attempts + 1, takes = takes + 1';
export const BEFORE = `CASE WHEN locked_until IS NOT NULL THEN 'lost' WHEN last_error IN ('failed', 'lost') THEN last_error END AS unsure`;

/**
 * The queue of everything that leaves for portals (docs/architecture.md). With a pool whose commits are not waited for, a row
 * may be sent once more after a crash of the database: only for what does not mind.
 */
export function createOutbox(pool: pg.Pool) {
  return {
    /** Takes due rows of each lane and recipient, the oldest first; of a series only its first one. */
    async take(wanted: WantedRows[], now: Date): Promise<DueRow[]> {
      if (wanted.length === 0) return [];
      // What was refused waits for an administrator, and the others of its series do not wait with it.
      const { rows } = await pool.query(
        `WITH one AS MATERIALIZED (
           SELECT due.*, line."lockedUntil" FROM json_to_recordset($1::json) AS line (lane text, recipient text, most int, "lockedUntil" timestamptz)
           CROSS JOIN LATERAL (
             SELECT id, ${BEFORE} FROM outbox AS o
             WHERE state = 'due' AND o.lane = line.lane AND o.recipient = line.recipient AND ${isFree('$2')}
               AND (series IS NULL OR NOT EXISTS (SELECT FROM outbox AS earlier WHERE earlier.state = 'due'
                 AND earlier.recipient = o.recipient AND earlier.series = o.series AND earlier.id < o.id
                 AND earlier.last_error IS DISTINCT FROM 'refused'))
             ORDER BY due_at, id LIMIT line.most FOR UPDATE SKIP LOCKED) AS due)
         UPDATE outbox SET locked_until = one."lockedUntil", ${TAKEN} FROM one WHERE outbox.id = one.id
         RETURNING outbox.*, one.unsure`,
        [JSON.stringify(wanted), now],
      );
      return toRows(rows);
    },

    /**
     * Writes what became of rows, a line of the journal for each message that was sent or given up, and the second sending of
     * an answer whose first one was sent. That something was sent is true whoever says it; what a task must show may have
     * changed since.
     */
    async settle(settled: SettledRow[], now: Date): Promise<void> {
      if (settled.length === 0) return;
      await pool.query(
        `WITH one AS (SELECT outbox.id, g.state, g."dueAt", g.error FROM outbox
           JOIN json_to_recordset($1::json) AS g (id bigint, takes int, state text, "dueAt" timestamptz, error text) ON outbox.id = g.id
           WHERE outbox.state = 'due' AND (outbox.takes = g.takes OR (g.state = 'sent' AND outbox.kind <> 'task')) ${IN_ORDER}),
         changed AS (UPDATE outbox SET state = one.state, due_at = one."dueAt", last_error = one.error, locked_until = NULL,
             settled_at = CASE WHEN one.state <> 'due' THEN $2::timestamptz END
           FROM one WHERE outbox.id = one.id RETURNING outbox.*),
         again AS (INSERT INTO outbox (recipient, portal, kind, lane, dedupe_key, run_id, item_code, payload, created_at, due_at)
           SELECT recipient, portal, kind, 'second', run_id || '/2', run_id, item_code, payload, created_at, $3 FROM changed
           WHERE state = 'sent' AND lane = 'first' ON CONFLICT DO NOTHING)
         INSERT INTO journal (at, portal, item_code, document_id, type, actor, data)
         SELECT settled_at, portal, item_code, document_id,
           CASE WHEN failure_id IS NULL THEN 'message.sent' ELSE 'failure.shown' END, 'service',
           jsonb_strip_nulls(jsonb_build_object('kind', kind, 'code', code, 'key', CASE WHEN failure_id IS NULL THEN nullif(key, '') END,
             'run', (SELECT run_id FROM failure WHERE failure.id = failure_id), 'result', state, 'error', last_error,
             'person', 'portal ' || user_id, 'digest', CASE WHEN message LIKE 'digest/%' THEN message END))
         FROM changed WHERE state <> 'due' AND kind IN ('trigger', 'notice', 'comment') ORDER BY id`,
        [JSON.stringify(settled), now, new Date(now.getTime() + SECOND_AFTER_MS)],
      );
    },
  };
}

export type Outbox = ReturnType<typeof createOutbox>;

/** Rows in the order of their writing. */
export function toRows(rows: Record<string, unknown>[]): DueRow[] {
  return rows.map(toRow).sort((a, b) => Number(a.id) - Number(b.id));
}

const toNumber = (value: unknown) => (value === null ? null : Number(value));

function toRow(row: Record<string, unknown>): DueRow {
  return {
    id: row['id'] as string,
    takes: row['takes'] as number,
    recipient: row['recipient'] as string,
    portal: row['portal'] as string,
    kind: row['kind'] as DueRow['kind'],
    lane: row['lane'] as Lane,
    itemCode: row['item_code'] as string,
    documentId: toNumber(row['document_id']),
    runId: row['run_id'] as string | null,
    code: row['code'] as string,
    key: row['key'] as string,
    payload: row['payload'] as string | null,
    createdAt: row['created_at'] as Date,
    attempts: row['attempts'] as number,
    unsure: row['unsure'] as DueRow['unsure'],
    userId: toNumber(row['user_id']),
    message: row['message'] as string | null,
  };
}
