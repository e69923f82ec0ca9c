import type pg from 'pg';
import { lockedDocuments } from '../locks/lock-order.ts';

/** Readings of all documents, which decide at their end: `sweep` is the hourly full rescan, `night` the comparison. */
export type ReadingName = 'sweep' | 'night';

export interface MissingFacts {
  /** It was decided before that it is deleted. */
  deleted: boolean;
  held: boolean;
}

/** Documents that the package made or watches and that do not count as deleted. */
const THERE = `status IS DISTINCT FROM 'deleted'`;

/** Documents that Directum does not show any more, and whether that is held for lost rights. */
export function createMissingDocuments(pool: pg.Pool) {
  /** Answers those that were held. */
  async function remove(ids: number[]): Promise<number[]> {
    const { rows } = await pool.query(
      `WITH one AS (SELECT id FROM missing_document WHERE id = ANY($1) ORDER BY id FOR UPDATE)
       DELETE FROM missing_document AS m USING one WHERE m.id = one.id RETURNING m.id, m.held`,
      [ids],
    );
    return rows.filter(({ held }) => held).map(({ id }) => Number(id));
  }

  return {
    /** What is known of those of the documents that the package made, watches or waits for. */
    async facts(ids: number[]): Promise<Map<number, MissingFacts>> {
      const { rows } = await pool.query(
        `SELECT id, d.status IS NOT DISTINCT FROM 'deleted' AS deleted, coalesce(m.held, false) AS held
         FROM unnest($1::bigint[]) AS id LEFT JOIN document d USING (id) LEFT JOIN missing_document m USING (id)
         WHERE d.id IS NOT NULL OR EXISTS (SELECT 1 FROM wait WHERE document_id = id)`,
        [ids],
      );
      return new Map(rows.map(({ id, deleted, held }) => [Number(id), { deleted, held }]));
    },

    /** Other documents than `ids`, of different ages: the newest, the oldest and some between. */
    async others(ids: number[], limit: number): Promise<number[]> {
      const some = Math.ceil(limit / 3);
      const { rows } = await pool.query(
        `WITH span AS (SELECT min(id) AS low, max(id) - min(id) AS width FROM document)
         (SELECT id FROM document WHERE ${THERE} AND id <> ALL($1) ORDER BY id DESC LIMIT $2)
         UNION (SELECT id FROM document WHERE ${THERE} AND id <> ALL($1) ORDER BY id LIMIT $2)
         UNION (SELECT id FROM document WHERE ${THERE} AND id <> ALL($1)
           AND id >= (SELECT low + random() * width FROM span) ORDER BY id LIMIT $2)
         LIMIT $3`,
        [ids, some, limit],
      );
      return rows.map(({ id }) => Number(id));
    },

    /** How many documents can be read. */
    async count(): Promise<number> {
      const { rows } = await pool.query(
        `SELECT count(*)::int AS count FROM document WHERE ended_at IS NULL AND ${THERE}`,
      );
      return rows[0].count;
    },

    /**
     * The reading did not find them, in that round of it. Where both readings miss one the full rescan decides, which comes
     * around sooner.
     */
    async note(reading: ReadingName, round: number | null, ids: number[]): Promise<void> {
      await pool.query(
        `INSERT INTO missing_document AS m (id, look, round)
         SELECT id, $2, $3::integer FROM unnest($1::bigint[]) AS id ORDER BY id
         ON CONFLICT (id) DO UPDATE SET look = excluded.look, round = coalesce(m.round, excluded.round)
           WHERE m.look <> 'sweep' AND excluded.look = 'sweep'`,
        [ids, reading, round],
      );
    },

    /** What the reading did not find: `before` the round, and only `since` it began. */
    async notedBy(
      reading: ReadingName,
      round: number | null,
    ): Promise<{ before: number[]; since: number[] }> {
      const { rows } = await pool.query(
        `SELECT id, coalesce(round = $2, false) AS fresh FROM missing_document WHERE look = $1 ORDER BY id`,
        [reading, round],
      );
      const of = (wanted: boolean) =>
        rows.filter(({ fresh }) => fresh === wanted).map(({ id }) => Number(id));
      return { before: of(false), since: of(true) };
    },

    /** Nothing follows from their absence until they are shown, or it is decided otherwise. Answers how many are new. */
    async hold(ids: number[]): Promise<number> {
      const { rowCount } = await pool.query(
        `INSERT INTO missing_document AS m (id, look, held)
         SELECT id, 'sweep', true FROM unnest($1::bigint[]) AS id LEFT JOIN document d USING (id)
         WHERE ${THERE} AND (d.id IS NOT NULL OR EXISTS (SELECT 1 FROM wait WHERE document_id = id)) ORDER BY id
         ON CONFLICT (id) DO UPDATE SET held = true WHERE NOT m.held`,
        [ids],
      );
      return rowCount ?? 0;
    },

    /** They count as deleted. @returns how many of them were held */
    async forget(ids: number[]): Promise<number> {
      return (await remove(ids)).length;
    },

    /** Directum shows them. Those that were held are read anew with all that is around them. @returns how many those are */
    async shown(ids: number[], now: Date): Promise<number> {
      const back = await remove(ids);
      if (back.length === 0) return 0;
      await pool.query('UPDATE watch SET rights_back_at = $1', [now]);
      await pool.query(
        `WITH ${lockedDocuments('id = ANY($1)')}
         UPDATE document SET look_at = least(look_at, $2) FROM one WHERE document.id = one.id`,
        [back, now],
      );
      return back.length;
    },

    async heldCount(): Promise<number> {
      const { rows } = await pool.query('SELECT count(*)::int AS count FROM missing_document WHERE held');
      return rows[0].count;
    },

    /** Some of those held, all of them where `limit` allows, and how many there are. */
    async held(limit: number): Promise<{ ids: number[]; count: number }> {
      const { rows } = await pool.query(
        `SELECT id, count(*) OVER ()::int AS count FROM missing_document WHERE held ORDER BY random() LIMIT $1`,
        [limit],
      );
      return { ids: rows.map(({ id }) => Number(id)).sort((a, b) => a - b), count: rows[0]?.count ?? 0 };
    },

    /** Forgets those that no item shows and no run waits for. @returns how many of them were held */
    async letGo(): Promise<number> {
      const { rows } = await pool.query(
        `SELECT id FROM missing_document m WHERE NOT EXISTS (SELECT 1 FROM document d WHERE d.id = m.id)
           AND NOT EXISTS (SELECT 1 FROM wait w WHERE w.document_id = m.id)`,
      );
      return (await remove(rows.map(({ id }) => Number(id)))).length;
    },

    async backAt(): Promise<Date | null> {
      const { rows } = await pool.query('SELECT rights_back_at FROM watch');
      return rows[0]?.rights_back_at ?? null;
    },

    /** Tasks of the document, and some of other documents. */
    async tasksOf(documentId: number, limit: number): Promise<{ own: number[]; others: number[] }> {
      const { rows } = await pool.query(
        `(SELECT task_id, true AS own FROM document_task WHERE document_id = $1 ORDER BY task_id DESC LIMIT $2)
         UNION ALL (SELECT task_id, false FROM document_task WHERE document_id <> $1 ORDER BY task_id DESC LIMIT $2)`,
        [documentId, limit],
      );
      const of = (wanted: boolean) => [
        ...new Set(rows.filter(({ own }) => own === wanted).map(({ task_id: id }) => Number(id))),
      ];
      return { own: of(true), others: of(false) };
    },
  };
}

export type MissingDocuments = ReturnType<typeof createMissingDocuments>;
