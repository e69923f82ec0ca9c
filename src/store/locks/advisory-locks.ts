import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { LockSession } from './lock-session.ts';

const POLL_MS = [10, 20, 40, 80, 160] as const;
const HELD = 'claim held elsewhere';

/**
 * Claims as PostgreSQL advisory locks. All claims of a process live on one connection: a claim inside a claim
 * then needs no second connection, so holders cannot starve each other. A queue per key stands in front, because
 * for PostgreSQL one session is one holder.
 *
 * When the connection is lost the locks are gone with it, also where another process ended it because this one stood
 * still. The work is told by `isHeld`, its own result counts and this process still lets nobody else in; against
 * another process the look-up by ExternalId remains.
 */
export function createAdvisoryLocks({ session, log }: { session: LockSession; log: Log }): LocksPort {
  const tails = new Map<string, Promise<void>>();

  async function lock(key: string, until: number): Promise<pg.Client> {
    for (let attempt = 0; ; attempt += 1) {
      const client = await session.current();
      try {
        const { rows } = await session.ask(
          client,
          'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS mine',
          [key],
        );
        if (rows[0].mine) return client;
      } catch (error) {
        // Whether the lock was given is unknown: the session ends, so that it is nobody's.
        session.drop(client);
        throw error;
      }
      if (performance.now() > until) throw new Error(HELD);
      const pause = POLL_MS[Math.min(attempt, POLL_MS.length - 1)]!;
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
    }
  }

  /** Waits for the holders of this process that came before. @throws when that takes longer than until `until` */
  async function queue(before: Promise<void>, until: number): Promise<void> {
    const left = until - performance.now();
    if (left === Number.POSITIVE_INFINITY) return before;
    const tooLong = new AbortController();
    const late = sleep(Math.max(0, left), undefined, { signal: tooLong.signal }).then(() => {
      throw new Error(HELD);
    });
    late.catch(() => undefined);
    return Promise.race([before, late]).finally(() => tooLong.abort());
  }

  async function unlock(client: pg.Client, key: string): Promise<void> {
    try {
      await session.ask(client, 'SELECT pg_advisory_unlock(hashtextextended($1, 0))', [key]);
    } catch (error) {
      // A session that cannot unlock is ended: that releases the lock for certain.
      log.warn('claim.release_failed', { reason: String(error) });
      session.drop(client);
    }
  }

  return {
    async hold(key, work, maxWaitMs = Number.POSITIVE_INFINITY) {
      const until = performance.now() + maxWaitMs;
      const before = tails.get(key) ?? Promise.resolve();
      const gate = Promise.withResolvers<void>();
      const tail = before.then(() => gate.promise);
      tails.set(key, tail);
      tail.then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
      try {
        await queue(before, until);
        const client = await lock(key, until);
        try {
          return await work({ isHeld: () => session.holds(client) });
        } finally {
          await unlock(client, key);
        }
      } finally {
        gate.resolve();
      }
    },
  };
}
