import type pg from 'pg';
import { inTransaction } from '../db/transaction.ts';
import type { SecretKeys } from '../secrets/secrets.ts';
import { BEGINNING, type Broken, type ChainEnd, FACT, followChain, type SealedLine } from './chain.ts';

const PAGE = 1_000;

/** Which lines are wanted; each limit may be open. */
export interface JournalFilter {
  from: Date | null;
  /** Lines before this moment. */
  to: Date | null;
  itemCode: string | null;
  /** A part of the actor's name. */
  actor: string | null;
}

/** A line as it is shown. */
export interface ReadLine {
  id: number;
  at: Date;
  portal: string | null;
  itemCode: string | null;
  documentId: number | null;
  type: string;
  actor: string;
  data: Record<string, unknown>;
  sealNo: number | null;
  hash: string | null;
}

/** Reads the journal in pages, so that a long one needs little memory. */
export function createJournalReader(pool: pg.Pool, keys: Pick<SecretKeys, 'signBy'>) {
  async function page(filter: JournalFilter, after: number): Promise<ReadLine[]> {
    const { rows } = await pool.query(
      `SELECT id::int, at, portal, item_code, document_id::int, type, actor, data, seal_no::int, hash FROM journal
       WHERE id > $1 AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
         AND ($4::text IS NULL OR item_code = $4) AND ($5::text IS NULL OR strpos(lower(actor), lower($5)) > 0)
       ORDER BY id LIMIT $6`,
      [after, filter.from, filter.to, filter.itemCode, filter.actor, PAGE],
    );
    return rows.map((row) => ({
      id: row.id,
      at: row.at,
      portal: row.portal,
      itemCode: row.item_code,
      documentId: row.document_id,
      type: row.type,
      actor: row.actor,
      data: row.data,
      sealNo: row.seal_no,
      hash: row.hash,
    }));
  }

  return {
    /** Lines in the order in which they were written. */
    async *lines(filter: JournalFilter): AsyncGenerator<ReadLine> {
      for (let after = 0; ; ) {
        const found = await page(filter, after);
        yield* found;
        if (found.length < PAGE) return;
        after = found.at(-1)?.id ?? after;
      }
    },

    /** Names of people by the keys that lines hold; an erased one is absent. */
    async people(): Promise<Map<string, string>> {
      const { rows } = await pool.query<{ key: string; name: string }>(
        'SELECT key, name FROM journal_person',
      );
      return new Map(rows.map(({ key, name }) => [key, name]));
    },

    /**
     * Follows the whole chain as one moment shows it, while lines are sealed and cut beside. `expected` is a hash that must
     * stand in it, or be the last that was cut, which shows an end that was taken away.
     * @returns the end of the chain as far as it holds, the first broken line, and whether `expected` was met
     */
    verify: (expected: string | null): Promise<{ end: ChainEnd; broken: Broken | null; isThere: boolean }> =>
      inTransaction(pool, async (client) => {
        await client.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
        let end = await beginning(client);
        let isThere = expected === null || end.hash === expected;
        for (;;) {
          const lines = await sealedAfter(client, end.sealNo);
          isThere ||= lines.some(({ hash }) => hash === expected);
          const followed = followChain(lines, end, keys);
          end = followed.end;
          if (followed.broken !== null || lines.length < PAGE)
            return { end, broken: followed.broken, isThere };
        }
      }),
  };
}

async function sealedAfter(client: pg.ClientBase, sealNo: number): Promise<SealedLine[]> {
  const { rows } = await client.query(
    `SELECT seal_no::int AS no, hash, key_id, ${FACT} AS fact FROM journal WHERE seal_no > $1 ORDER BY seal_no LIMIT $2`,
    [sealNo, PAGE],
  );
  return rows.map((row) => ({ sealNo: row.no, hash: row.hash, keyId: row.key_id, fact: row.fact }));
}

/** Where the chain begins: after the lines that the last cut took away. That cut is a line of the chain itself. */
async function beginning(client: pg.ClientBase): Promise<ChainEnd> {
  const { rows } = await client.query(
    `SELECT (data->>'upTo')::int AS no, data->>'hash' AS hash FROM journal
     WHERE type = 'journal.cut' AND seal_no IS NOT NULL ORDER BY seal_no DESC LIMIT 1`,
  );
  return rows[0] ? { sealNo: rows[0].no, hash: rows[0].hash } : { sealNo: 0, hash: BEGINNING };
}
