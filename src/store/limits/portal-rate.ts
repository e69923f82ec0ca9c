import type { Pool } from 'pg';

/**
 * `run` reads and `answer` delivers at once; `ahead` reads for runs that wait for a slot anyway, so it counts as if it had
 * come a little later; `repeat` (the second sending) comes after all others and leaves a fifth of the bucket to them.
 */
type RatePriority = 'run' | 'answer' | 'ahead' | 'repeat';

/** A priority that may rise while its hit waits; `onRaise` answers how to stop listening. */
interface RisingPriority {
  readonly priority: RatePriority;
  onRaise(listener: () => void): () => void;
}

/** The REST hits of a portal, shared by all processes on the database. */
export interface PortalRate {
  /** Hits that are left in the bucket now. */
  left(memberId: string): Promise<number>;
  /** Waits until one hit may be made. Rejects when the database is away or the store closes. */
  take(memberId: string, priority: RatePriority | RisingPriority): Promise<void>;
  /** The portal said QUERY_LIMIT_EXCEEDED: the bucket counts as full, and nothing leaves for so long. */
  penalize(memberId: string, ms: number): Promise<void>;
  close(): void;
}

/**
 * Our clock and the portal's drift, hits travel unevenly, and a new portal has answered a proof or two before it has a
 * bucket here: three hits and 1 % of the speed stay unused.
 */
const SPARE_HITS = 3;
const SPEED = 0.99;
const REPEAT_SHARE = 0.8;
/** So much later a hit that reads ahead counts as come: it lets single runs and answers pass, and is not starved by them. */
const AHEAD_YIELDS_MS = 2_000;
/** After so long the bucket is read again: another process may have used it, or left it. */
const LONGEST_SLEEP_MS = 1_000;

const LEVEL = `greatest(0, b.level - $2 * greatest(0, extract(epoch FROM clock_timestamp() - b.updated_at)))`;

/** One statement: the row lock makes it a queue, and the condition is read again after the wait for the lock. */
const TAKE = `
  INSERT INTO portal_budget AS b (member_id, level, updated_at) VALUES ($1, 1, clock_timestamp())
  ON CONFLICT (member_id) DO UPDATE SET level = ${LEVEL} + 1, updated_at = clock_timestamp()
  WHERE ${LEVEL} + 1 <= $3
  RETURNING level`;

const PENALIZE = `
  INSERT INTO portal_budget AS b (member_id, level, updated_at) VALUES ($1, $3, clock_timestamp())
  ON CONFLICT (member_id) DO UPDATE SET level = greatest(${LEVEL}, $3), updated_at = clock_timestamp()`;

interface Waiter {
  /** When its turn counts from, by `performance.now()`. */
  from: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Waiters of this process for one portal: first come, first served; repeats after all others. */
interface Line {
  urgent: Waiter[];
  ahead: Waiter[];
  repeats: Waiter[];
  moving: boolean;
  wake(): void;
}

function leave(line: Line, waiter: Waiter): void {
  for (const queue of [line.urgent, line.ahead, line.repeats]) {
    const index = queue.indexOf(waiter);
    if (index >= 0) queue.splice(index, 1);
  }
}

/** The queue whose first waiter is next. */
function nextQueue({ urgent, ahead, repeats }: Line): Waiter[] {
  const [first, patient] = [urgent[0], ahead[0]];
  if (first === undefined && patient === undefined) return repeats;
  if (first === undefined || patient === undefined) return first === undefined ? ahead : urgent;
  return patient.from < first.from ? ahead : urgent;
}

export function createPortalRate(options: { pool: Pool; perSecond: number; bucket: number }): PortalRate {
  const { pool, bucket } = options;
  const speed = options.perSecond * SPEED;
  const limit = Math.max(1, bucket - SPARE_HITS);
  const repeatLimit = Math.max(1, Math.floor(bucket * REPEAT_SHARE) - SPARE_HITS);
  const lines = new Map<string, Line>();
  let closed = false;

  function lineOf(memberId: string): Line {
    let line = lines.get(memberId);
    if (!line) {
      line = { urgent: [], ahead: [], repeats: [], moving: false, wake: () => undefined };
      lines.set(memberId, line);
    }
    return line;
  }

  async function move(memberId: string, line: Line): Promise<void> {
    if (line.moving) return line.wake();
    line.moving = true;
    for (;;) {
      const queue = nextQueue(line);
      const waiter = queue[0];
      if (!waiter) break;
      try {
        const waitMs = await attempt(memberId, queue === line.repeats ? repeatLimit : limit);
        if (waitMs > 0) await sleep(line, waitMs);
        // A waiter that gave up, or rose, meanwhile leaves its hit to the next one.
        else (queue.shift() ?? nextQueue(line).shift())?.resolve();
      } catch (error) {
        leave(line, waiter);
        waiter.reject(error);
      }
    }
    line.moving = false;
  }

  /** 0 when a hit was taken, else how long to wait before the next try. */
  async function attempt(memberId: string, most: number): Promise<number> {
    const taken = await pool.query(TAKE, [memberId, speed, most]);
    if (taken.rowCount) return 0;
    const { rows } = await pool.query(`SELECT ${LEVEL} AS level FROM portal_budget b WHERE member_id = $1`, [
      memberId,
      speed,
    ]);
    const over = Number(rows[0]?.level ?? 0) + 1 - most;
    return Math.max(1, Math.ceil((over / speed) * 1000));
  }

  async function left(memberId: string): Promise<number> {
    const { rows } = await pool.query(`SELECT ${LEVEL} AS level FROM portal_budget b WHERE member_id = $1`, [
      memberId,
      speed,
    ]);
    return Math.max(0, bucket - Number(rows[0]?.level ?? 0));
  }

  function sleep(line: Line, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(ms, LONGEST_SLEEP_MS));
      line.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  return {
    left,
    take(memberId, priority) {
      if (closed) return Promise.reject(new Error('the store is closed'));
      const line = lineOf(memberId);
      const rising = typeof priority === 'string' ? null : priority;
      const now = rising?.priority ?? priority;
      const queue = now === 'repeat' ? line.repeats : now === 'ahead' ? line.ahead : line.urgent;
      return new Promise<void>((resolve, reject) => {
        const waiter = {
          from: performance.now() + (now === 'ahead' ? AHEAD_YIELDS_MS : 0),
          resolve: () => settle(resolve),
          reject: (error: unknown) => settle(() => reject(error)),
        };
        const settle = (end: () => void) => {
          stopListening?.();
          end();
        };
        const stopListening = rising?.onRaise(() => {
          leave(line, waiter);
          line.urgent.push(waiter);
          line.wake();
        });
        const first = queue.push(waiter) === 1;
        // Only the head of a queue changes what the mover waits for.
        if (first || !line.moving) void move(memberId, line);
      });
    },

    async penalize(memberId, ms) {
      await pool.query(PENALIZE, [memberId, speed, bucket + (speed * Math.max(0, ms)) / 1000]);
    },

    close() {
      closed = true;
      for (const line of lines.values()) {
        for (const waiter of [line.urgent, line.ahead, line.repeats].flatMap((queue) => queue.splice(0))) {
          waiter.reject(new Error('the store is closed'));
        }
        line.wake();
      }
    },
  };
}
