import type pg from 'pg';
import type { JournalLine } from '../../journal/lines.ts';
import { inTransaction } from '../db/transaction.ts';
import type { SecretKeys } from '../secrets/secrets.ts';
import { BEGINNING, type ChainEnd, FACT, toChained } from './chain.ts';
import { writeJournal } from './write-journal.ts';

/** One process at a time adds to the chain. */
const SEALING = 7_340_513;
const STEP = 500;
/** Lines that one step of the retention cuts. */
const CUT = 5_000;

type Signing = Pick<SecretKeys, 'sign'>;

/** The end of the chain, and what is written into it (interface.md §9). */
export function createJournalSeal({ pool, keys, now }: { pool: pg.Pool; keys: Signing; now: () => Date }) {
  type AtEnd = (client: pg.PoolClient) => Promise<boolean>;
  /** Seals, unless somebody else is at the end of the chain: he seals too. */
  const unlessBusy = (work: AtEnd): Promise<boolean> =>
    inTransaction(pool, async (client) => {
      const { rows } = await client.query('SELECT pg_try_advisory_xact_lock($1) AS mine', [SEALING]);
      return rows[0].mine ? work(client) : false;
    });
  const atEnd = (work: AtEnd): Promise<boolean> =>
    inTransaction(pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock($1)', [SEALING]);
      return work(client);
    });

  return {
    /** Seals what was committed, in the order of its ids; true while there is more. A line that came late is sealed later. */
    seal: (): Promise<boolean> => unlessBusy((client) => sealStep(client, keys)),

    /**
     * Cuts lines older than `keepDays` from the oldest end, and writes a line about it, from which the chain then begins;
     * true while there is more.
     */
    cut: (keepDays: number): Promise<boolean> =>
      atEnd(async (client) => {
        const before = new Date(now().getTime() - keepDays * 86_400_000);
        const { rows } = await client.query(
          `SELECT seal_no::int AS no, hash, at < $1 AS old FROM journal WHERE seal_no IS NOT NULL ORDER BY seal_no LIMIT $2`,
          [before, CUT],
        );
        const young = rows.findIndex(({ old }) => !old);
        const old = young < 0 ? rows : rows.slice(0, young);
        const last = old.at(-1);
        if (last === undefined) return false;
        const line: JournalLine = {
          at: now(),
          portal: null,
          itemCode: null,
          documentId: null,
          type: 'journal.cut',
          actor: 'service',
          data: { lines: old.length, upTo: last.no, hash: last.hash },
        };
        await writeJournal(client, [line]);
        // Sealed before anything is taken away: at no moment does the chain begin where no line says so.
        while (await sealStep(client, keys));
        await client.query('DELETE FROM journal WHERE seal_no <= $1', [last.no]);
        return old.length === CUT;
      }),

    /** How long the oldest line waits to be sealed, in seconds; 0 when none does. */
    async lateSeconds(): Promise<number> {
      const { rows } = await pool.query(
        `SELECT coalesce(extract(epoch FROM $1::timestamptz - min(at)), 0)::float AS seconds FROM journal WHERE seal_no IS NULL`,
        [now()],
      );
      return Math.max(0, rows[0].seconds);
    },
  };
}

async function sealStep(client: pg.PoolClient, keys: Signing): Promise<boolean> {
  const { rows } = await client.query<{ id: string; fact: string }>(
    `SELECT id, ${FACT} AS fact FROM journal WHERE seal_no IS NULL ORDER BY id LIMIT $1`,
    [STEP],
  );
  if (rows.length === 0) return false;
  let end = await readEnd(client);
  const sealed = rows.map(({ id, fact }) => {
    const sealNo = end.sealNo + 1;
    const { keyId, hash } = keys.sign(toChained(sealNo, end.hash, fact));
    end = { sealNo, hash };
    return { id, no: sealNo, hash, key: keyId };
  });
  await client.query(
    `UPDATE journal SET seal_no = g.no, hash = g.hash, key_id = g.key
     FROM json_to_recordset($1::json) AS g (id bigint, no bigint, hash text, key text) WHERE journal.id = g.id`,
    [JSON.stringify(sealed)],
  );
  return rows.length === STEP;
}

/** The last sealed line, or where a chain begins. */
async function readEnd(client: pg.ClientBase): Promise<ChainEnd> {
  const { rows } = await client.query(
    'SELECT seal_no::int AS no, hash FROM journal WHERE seal_no IS NOT NULL ORDER BY seal_no DESC LIMIT 1',
  );
  return rows[0] ? { sealNo: rows[0].no, hash: rows[0].hash } : { sealNo: 0, hash: BEGINNING };
}
