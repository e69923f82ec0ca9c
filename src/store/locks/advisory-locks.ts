import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { LocksPort } from '../../robot/ports/locks.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { LockSession } from './lock-session.ts';

/** Between tries to get a lock that another process holds; doubled each time, and spread by half. */
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 160;
const HELD = 'claim held elsewhere';

/**
 * Locks as PostgreSQL advisory locks. All locks of a process live on one connection: a lock inside a lock then needs no
 * second connection, so holders cannot starve each other. A queue per key stands in front, because for PostgreSQL one
 * session is one holder.
 *
 * When the connection is lost the locks are gone with it, also where another process ended it because this one stood
 * still. The work can see that by `isHeld`; its result counts, and nobody else in this process gets the lock meanwhile.
 * Against work of another process the search by ExternalId protects.
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
        // Whether the lock was given is unknown: the session ends, so that nobody holds it.
        session.drop(client);
        throw error;
      }
      if (performance.now() > until) throw new Error(HELD);
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS);
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
