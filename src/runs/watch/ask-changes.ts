import { createHash } from 'node:crypto';
import type { ChangesPage, NewestChanges } from '../../documents/ports/changes.ts';

/** Times come from Directum's clock and rows may appear late: each question asks a little further back (directum.md G.2). */
const OVERLAP_MS = 5 * 60_000;
/**
 * `Modified` has whole seconds on the wire, so a row may change once more without another one, for so long after it was first
 * read. Directum's clock is not ours, so only our own time since then is counted.
 */
const YOUNG_MS = 2_000;
/** Clocks of processes differ by no more. */
const SKEW_MS = 60_000;

interface Change {
  id: number;
  modified: string | null;
}

/** A row as it was handed on, and when it was asked for. */
interface Seen {
  modified: number;
  /** A hash of all that was read of it. */
  content: string;
  askedAt: number;
  /** When it was first read as it is. */
  firstAskedAt: number;
  /** It was read again as it is, when it could no longer change within its second. */
  confirmed: boolean;
}

interface Question<T extends Change> {
  page(since: string, after: number): Promise<ChangesPage<T>>;
  /** The newest rows and how many there are; null where the installation does not count. */
  newest(since: string): Promise<NewestChanges<T> | null>;
  take(rows: T[], askedAt: Date): Promise<void>;
  /** Of these ids, those of which somebody asked to be told since a moment: what was handed on before is news to him. */
  awaitedSince(ids: number[], since: Date): Promise<ReadonlySet<number>>;
}

/**
 * Asks what changed since a cursor, and hands each change on once, though each question asks further back than the last one
 * did. What was handed on is remembered for that time by this process; another one, or the next start, hands it on once more,
 * which changes nothing. A change that commits late with an older `Modified` is new and is seen: the question still covers
 * it, and rows are left out one by one and never by their time.
 */
export function createAskChanges<T extends Change>(
  { page, newest, take, awaitedSince }: Question<T>,
  { now, onPage }: { now: () => Date; onPage: () => Promise<void> },
) {
  let seen = new Map<number, Seen>();

  const timeOf = ({ modified }: T) => (modified === null ? Number.NaN : Date.parse(modified));

  function toSeen(row: T, known: Seen | undefined, at: number): Seen {
    const content = contentOf(row);
    if (known?.content !== content)
      return { modified: timeOf(row), content, askedAt: at, firstAskedAt: at, confirmed: false };
    return { ...known, askedAt: at, confirmed: known.confirmed || at - known.firstAskedAt >= YOUNG_MS };
  }

  /** What was not read of it may have changed. */
  const mayHaveChanged = ({ confirmed, firstAskedAt, modified }: Seen) =>
    !confirmed && Math.abs(firstAskedAt - modified) < YOUNG_MS;

  /** Answers the new cursor, and what `keep` remembers once all of a cycle was handed on. */
  return async function ask(cursor: Date): Promise<{ cursor: Date; keep(): void }> {
    const from = Math.max(0, cursor.getTime() - OVERLAP_MS);
    const since = new Date(from).toISOString();
    const inWindow = new Map([...seen].filter(([, { modified }]) => modified > from));
    const oldest = Math.min(now().getTime(), ...[...inWindow.values()].map(({ askedAt }) => askedAt));
    const awaited = await awaitedSince([...inWindow.keys()], new Date(oldest - SKEW_MS));
    const handed = new Map<number, Seen>();
    let latest = cursor.getTime();

    async function hand(rows: T[], askedAt: Date): Promise<void> {
      for (const row of rows) if (!Number.isNaN(timeOf(row))) latest = Math.max(latest, timeOf(row));
      const fresh: T[] = [];
      const read = new Map<number, Seen>();
      for (const row of rows) {
        // A row of an earlier page may stand among the newest ones too, as it is by now.
        const before = handed.get(row.id);
        const known = before ?? seen.get(row.id);
        const present = toSeen(row, known, askedAt.getTime());
        const isAgain = before === undefined && (awaited.has(row.id) || (known && mayHaveChanged(known)));
        if (present.content !== known?.content || isAgain) fresh.push(row);
        if (!Number.isNaN(present.modified)) read.set(row.id, present);
      }
      if (fresh.length > 0) await take(fresh, askedAt);
      for (const [id, present] of read) handed.set(id, present);
    }

    /** All that is new stands among the newest rows: with it every row of the window is known. */
    async function isInNewest(): Promise<boolean> {
      if (awaited.size > 0 || inWindow.size === 0) return false;
      const askedAt = now();
      const found = await newest(since);
      if (found === null) return false;
      const others = [...inWindow.keys()].filter((id) => !found.rows.some((row) => row.id === id));
      if (found.total !== others.length + found.rows.length) return false;
      if (others.some((id) => !inWindow.get(id)?.confirmed)) return false;
      await hand(found.rows, askedAt);
      for (const id of others) handed.set(id, inWindow.get(id) as Seen);
      return true;
    }

    for (let after: number | null = 0; after !== null; ) {
      const askedAt = now();
      const { rows, next } = await page(since, after);
      await hand(rows, askedAt);
      if (after === 0 && next !== null && (await isInNewest())) break;
      after = next;
      if (after !== null) await onPage();
    }
    return {
      // A card dated in the future must not hide all changes until then.
      cursor: new Date(Math.min(latest, Math.max(cursor.getTime(), now().getTime()))),
      keep() {
        seen = handed;
      },
    };
  };
}

const contentOf = (row: object): string => createHash('sha256').update(JSON.stringify(row)).digest('base64');
