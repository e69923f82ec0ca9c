import type pg from 'pg';
import type { LockSession } from './lock-session.ts';

/** First key of the advisory locks of a kind of slots. */
const SPACES = { ordinary: 0x64_72_01, last: 0x64_72_02 };
export type SlotKind = keyof typeof SPACES;
/** Second key of the lock that every living process holds, shared; the other second keys are slots. */
const PRESENT = 0;

/**
 * Every living process, by its session, and the slots it holds. Sessions of processes that are gone are not in the list, nor
 * are their slots.
 */
const HELD = `
  SELECT pid, pid = pg_backend_pid() AS own, array_agg(objid::int) FILTER (WHERE objid <> $2) AS slots
  FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = $1 AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  GROUP BY pid HAVING bool_or(objid = $2) ORDER BY pid`;

/** Slots for runs at work, which all processes share evenly. */
export interface ConcurrencySlots {
  /** How many there are for all processes. */
  total: number;
  /** How many of them this process has. */
  held(): number;
  /** Takes free slots up to this process's part, gives back those beyond it that `inUse` does not need. True: it has more. */
  share(inUse: () => number): Promise<boolean>;
}

/**
 * Slots are advisory locks of the process's one session, so there are never more than `total`. A killed process frees its
 * own at once, one that stands still after a lease (lock-session.ts). A process that joins gets its part as the work of
 * others ends.
 */
export function createConcurrencySlots(
  session: LockSession,
  kind: SlotKind,
  total: number,
): ConcurrencySlots {
  const space = SPACES[kind];
  let holder: pg.Client | null = null;
  let held: number[] = [];

  async function enter(client: pg.Client): Promise<void> {
    held = [];
    await session.ask(client, 'SELECT pg_advisory_lock_shared($1, $2)', [space, PRESENT]);
    holder = client;
  }

  async function giveBack(client: pg.Client, slots: number[]): Promise<void> {
    await session.ask(client, 'SELECT pg_advisory_unlock($1, slot) FROM unnest($2::int[]) AS slot', [
      space,
      slots,
    ]);
  }

  /** Another process may be quicker with some of the free ones, so all are tried until there are as many. */
  async function take(client: pg.Client, free: number[], count: number): Promise<void> {
    const { rows } = await session.ask(
      client,
      'SELECT slot FROM unnest($2::int[]) AS slot WHERE pg_try_advisory_lock($1, slot) LIMIT $3',
      [space, free, count],
    );
    held.push(...rows.map(({ slot }) => Number(slot)));
  }

  return {
    // Others may take the slots as soon as the session is gone.
    total,
    held: () => (holder !== null && session.holds(holder) ? held.length : 0),
    async share(inUse) {
      const client = await session.current();
      try {
        if (client !== holder) await enter(client);
        const { rows } = await session.ask(client, HELD, [space, PRESENT]);
        const rank = rows.findIndex(({ own }) => own);
        const part = Math.floor(total / rows.length) + (rank < total % rows.length ? 1 : 0);
        const surplus = held.splice(Math.max(part, inUse()));
        if (surplus.length > 0) await giveBack(client, surplus);
        const taken = new Set(rows.flatMap(({ slots }) => slots ?? []));
        const free = Array.from({ length: total }, (_, n) => n + 1).filter((slot) => !taken.has(slot));
        const before = held.length;
        if (before < part && free.length > 0) await take(client, free, part - before);
        return held.length > before;
      } catch (error) {
        // Whether a lock was given or freed is unknown: the session ends, and its locks with it.
        session.drop(client);
        throw error;
      }
    },
  };
}
