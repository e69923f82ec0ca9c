import type { Pool } from 'pg';
import type { Feed } from '../../src/lib/work/feed-runner.ts';
import { createFeeds } from '../../src/store/feeds/feeds.ts';

/** One step of a feed, if it is due and nobody makes it; true while there is more of it at that moment. */
export async function feedStep(pool: Pool, feed: Feed, now: () => Date): Promise<boolean> {
  const feeds = createFeeds(pool);
  await feeds.begin([feed.name]);
  const [turn] = await feeds.take([feed], now());
  if (turn === undefined) return false;
  let next: Awaited<ReturnType<Feed['step']>>;
  try {
    next = await feed.step(turn.cursor, async () => {
      await feeds.hold(turn, feed.leaseMs, now());
    });
  } catch {
    next = { cursor: turn.cursor, dueAt: new Date(now().getTime() + feed.retryMs) };
  }
  await feeds.keep(turn, next.cursor, next.dueAt);
  return next.dueAt <= now();
}
