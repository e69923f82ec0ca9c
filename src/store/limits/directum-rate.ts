import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';

/** A little under three questions a second, all processes together (design.md, Promises 5). */
const APART_MS = 340;

/** Reserves the next free moment. */
const TAKE = `
  UPDATE watch SET next_question_at = make_interval(secs => $1) + greatest(next_question_at, clock_timestamp())
  RETURNING extract(epoch FROM next_question_at - clock_timestamp())::float - $1 AS seconds`;

/** The common rate of questions to Directum that are many and for which nobody waits. */
interface DirectumRate {
  /** Waits for the next free moment: first come, first served, in all processes. A moment whose taker is gone is lost. */
  take(): Promise<void>;
  /** For what somebody waits for: it asks at once, and the others wait that much longer. */
  owe(): Promise<void>;
}

export function createDirectumRate(pool: Pool): DirectumRate {
  async function reserve(): Promise<number> {
    const { rows } = await pool.query<{ seconds: number }>(TAKE, [APART_MS / 1000]);
    return Math.max(0, (rows[0]?.seconds ?? 0) * 1000);
  }
  return {
    take: async () => void (await sleep(await reserve())),
    owe: async () => void (await reserve()),
  };
}
