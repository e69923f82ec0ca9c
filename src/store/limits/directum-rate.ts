import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';

/** A little under three questions a second, all processes together (design.md, Promises 5). */
const APART_MS = 340;

/** Takes the next free moment. */
const TAKE = `
  UPDATE watch SET next_question_at = make_interval(secs => $1) + greatest(next_question_at, clock_timestamp())
  RETURNING extract(epoch FROM next_question_at - clock_timestamp())::float - $1 AS seconds`;

/** The pace of questions to Directum that are many and urgent to nobody. */
export interface DirectumRate {
  /** Waits for a moment: first come, first served, whichever process it is. One whose taker is gone passes unused. */
  take(): Promise<void>;
  /** What somebody waits for is asked at once; the others wait that moment longer. */
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
