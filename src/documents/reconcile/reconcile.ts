import type { Feed, FeedStep } from '../../lib/work/feed-runner.ts';
import { LEASE_MS } from '../../lib/work/leases.ts';
import { zoneShift } from '../../lib/zone.ts';
import type { Found } from '../../store/documents/comparisons.ts';
import type { Difference } from './compare.ts';
import {
  compareAfter,
  decide,
  deletedSince,
  type ReconcilePorts,
  type Step,
  type Uncompared,
} from './comparison-step.ts';

const DAY_MS = 86_400_000;
/** An executed or annulled contract is rarely opened again after so long. */
const FINAL_DAYS = 180;
/** When offices are closed and portals have little to do. */
const NIGHT_HOUR = 3;

/** What a comparison tells while it goes on. */
export interface Told {
  /** An item that differed, with all that differed of it. */
  onItem?(item: Pick<Difference, 'portal' | 'itemCode'>, differences: Difference[]): void;
  onUncompared?(cause: Uncompared): void;
  onStep?(documents: number, all: number): void;
}

/** What is compared by a command. */
export interface Asked {
  /** Only what this item shows. */
  itemCode: string | null;
  /** The operator knows that all that Directum does not show was deleted. */
  accept: boolean;
}

/** The result of a comparison by a command. */
interface Compared extends Omit<Found, 'differences'> {
  /** Documents that Directum does not show and that do not count as deleted. */
  held: number[];
}

/**
 * Reads from Directum everything watched, or what one item shows, compares it with what the portals really show, and makes
 * what differs due to be updated. What cannot be read is left out. @returns documents read, and how many could not be read
 * or compared
 */
export async function reconcile(
  ports: ReconcilePorts,
  told: Told,
  { itemCode, accept }: Asked = { itemCode: null, accept: false },
): Promise<Compared> {
  const { comparisons, now } = ports;
  if (itemCode === null) await letGo(ports);
  const all = await comparisons.count(deletedSince(now()), itemCode);
  const result = { documents: 0, failed: 0 };
  const missing: number[] = [];
  // An item has one line, so it waits until the last of its documents was compared.
  const open = new Map<string, Difference[]>();
  const tell = (names: Iterable<string>) => {
    for (const name of names) {
      const of = open.get(name) ?? [];
      if (of[0]) told.onItem?.(of[0], of);
      open.delete(name);
    }
  };
  const take = (step: Pick<Step, 'failed' | 'differences' | 'uncompared'>) => {
    for (const one of step.differences) {
      const name = toItemName(one);
      open.set(name, [...(open.get(name) ?? []), one]);
    }
    for (const cause of step.uncompared) told.onUncompared?.(cause);
    result.failed += step.failed;
  };
  for (let after = 0; ; ) {
    const step = await compareAfter(after, ports, itemCode);
    if (step === null) {
      const reading = { read: result.documents, whole: itemCode === null, accept };
      const { held, ...decided } = await decide(missing, reading, ports, itemCode);
      take(decided);
      tell([...open.keys()]);
      return { ...result, held };
    }
    take(step);
    missing.push(...step.missing);
    result.documents += step.documents;
    after = step.last;
    const waiting = await comparisons.shownAfter(
      after,
      [...open.values()].flatMap(([first]) => first ?? []),
    );
    const later = new Set(waiting.map(toItemName));
    tell([...open.keys()].filter((name) => !later.has(name)));
    told.onStep?.(result.documents, all);
  }
}

function toItemName({ portal, itemCode }: Pick<Difference, 'portal' | 'itemCode'>): string {
  return `${portal} ${itemCode}`;
}

/** The feed of the night's comparison. */
const NIGHT = 'night';
const RETRY_MS = 60_000;

/**
 * How far the night's comparison is, and what it found up to there. Empty: none was planned yet, for nothing was lost on the
 * way.
 */
interface NightCursor extends Partial<Found> {
  after?: number;
}

/** The comparison of the night, a few documents a step: what a killed process began goes on from its last step. */
export function nightFeed(ports: ReconcilePorts, timeZone: string): Feed {
  const { now, log } = ports;
  const say = (differences: Difference[]) => {
    for (const { itemCode, documentId, what } of differences)
      log.info('deal.differed', { item: itemCode, documentId, what });
    return differences.length;
  };
  const nextNight = (): FeedStep => ({ cursor: { after: 0 }, dueAt: toNextNight(now(), timeZone) });
  return {
    name: NIGHT,
    leaseMs: LEASE_MS.comparison,
    retryMs: RETRY_MS,
    async step(cursor) {
      const { after, documents = 0, differences = 0, failed = 0 } = cursor as NightCursor;
      if (after === undefined) return nextNight();
      if (after === 0) await letGo(ports);
      const { deletions } = ports.observer;
      const step = await compareAfter(after, ports, null);
      if (step !== null) {
        await deletions.note('night', null, step.missing);
        const found = {
          documents: documents + step.documents,
          differences: differences + say(step.differences),
          failed: failed + step.failed,
        };
        return { cursor: { after: step.last, ...found }, dueAt: now() };
      }
      const found = { documents, differences, failed };
      try {
        const missing = await deletions.notedBy('night', null);
        const decided = await decide(missing.before, { read: documents, whole: true }, ports, null);
        found.differences += say(decided.differences);
        found.failed += decided.failed;
      } catch (error) {
        log.warn('reconcile.failed', { error });
      }
      if (documents > 0) log.info('reconcile.done', { ...found });
      return nextNight();
    },
  };
}

async function letGo({ comparisons, now }: ReconcilePorts): Promise<void> {
  await comparisons.letGo(new Date(now().getTime() - FINAL_DAYS * DAY_MS), now());
}

/** When the next night's comparison begins. */
export function toNextNight(now: Date, timeZone: string): Date {
  const isNight = (time: number) => new Date(time + zoneShift(time, timeZone)).getUTCHours() === NIGHT_HOUR;
  const quarter = 15 * 60_000;
  let at = now.getTime();
  // Out of this night, if it is one, and on to the next.
  while (isNight(at)) at += quarter;
  while (!isNight(at)) at = (Math.floor(at / quarter) + 1) * quarter;
  return new Date(at);
}
