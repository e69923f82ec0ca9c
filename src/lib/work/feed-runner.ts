import type { Log } from '../../robot/ports/log.ts';
import { createLoop } from './loop.ts';

/** Work that is due again and again, in steps, of which several processes make one at a time. */
export interface Feed {
  name: string;
  /** Longer than a step ever takes, or than it takes until it calls `hold`. */
  leaseMs: number;
  /** A step that failed is made again so much later, from the same cursor. */
  retryMs: number;
  /** One step from `cursor`, which is empty at first; what it does may be done twice. */
  step(cursor: unknown, hold: () => Promise<void>): Promise<FeedStep>;
}

/** Where the next step begins, and when. */
export interface FeedStep {
  cursor: unknown;
  dueAt: Date;
}

/** A feed without a cursor: `work` every `everyMs`, and at once again while it answers true. */
export function everyFeed(
  name: string,
  { everyMs, leaseMs, now }: { everyMs: number; leaseMs: number; now: () => Date },
  work: () => Promise<boolean>,
): Feed {
  return {
    ...{ name, leaseMs, retryMs: everyMs },
    async step(cursor) {
      const more = await work();
      return { cursor, dueAt: new Date(now().getTime() + (more ? 0 : everyMs)) };
    },
  };
}

interface Turn {
  name: string;
  holder: string;
  cursor: unknown;
}

interface FeedRunnerPorts {
  feeds: readonly Feed[];
  /** Where cursors are kept. */
  store: {
    begin(names: string[]): Promise<void>;
    take(feeds: { name: string; leaseMs: number }[], now: Date): Promise<Turn[]>;
    hold(turn: Turn, leaseMs: number, now: Date): Promise<boolean>;
    keep(turn: Turn, cursor: unknown, dueAt: Date): Promise<boolean>;
  };
  now: () => Date;
  log: Log;
}

/** A step that took so long that another process makes it by now. */
class OvertakenError extends Error {
  override readonly name = 'OvertakenError';
}

/** Makes the steps of feeds that are due. Feeds do not wait for one another. */
export function createFeedRunner({ feeds, store, now, log }: FeedRunnerPorts) {
  const underWay = new Map<string, Promise<void>>();
  let begun = false;

  const loop = createLoop(async () => {
    if (!begun) {
      await store.begin(feeds.map(({ name }) => name));
      begun = true;
    }
    const free = feeds.filter(({ name }) => !underWay.has(name));
    const turns = await store.take(
      free.map(({ name, leaseMs }) => ({ name, leaseMs })),
      now(),
    );
    for (const turn of turns) {
      const feed = feeds.find(({ name }) => name === turn.name);
      if (feed === undefined) continue;
      const going = run(feed, turn)
        .catch((error) => {
          log.warn('feed.failed', { error, feed: turn.name });
          return false;
        })
        .then((more) => {
          underWay.delete(turn.name);
          if (more) loop.wake();
        });
      underWay.set(turn.name, going);
    }
    return false;
  }, log);

  /** One step; true while there is more. */
  async function run(feed: Feed, turn: Turn): Promise<boolean> {
    const hold = async () => {
      if (!(await store.hold(turn, feed.leaseMs, now()))) throw new OvertakenError(feed.name);
    };
    let next: FeedStep;
    try {
      next = await feed.step(turn.cursor, hold);
    } catch (error) {
      log.warn('feed.failed', { error, feed: feed.name });
      next = { cursor: turn.cursor, dueAt: new Date(now().getTime() + feed.retryMs) };
    }
    const isKept = await store.keep(turn, next.cursor, next.dueAt);
    if (!isKept) log.warn('feed.overtaken', { feed: feed.name });
    return isKept && next.dueAt.getTime() <= now().getTime();
  }

  return {
    /** Something may be due. */
    wake: loop.wake,
    /** Until the steps under way have ended. */
    async stop(): Promise<void> {
      await loop.stop();
      await Promise.all(underWay.values());
    },
  };
}
