import type { DocumentState } from '../../robot/ports/document-state.ts';
import type { Log } from '../../robot/ports/log.ts';
import type { MissingDocuments, ReadingName } from '../../store/documents/missing-documents.ts';
import type { AbsencePort, ChangesPort } from '../ports/changes.ts';
import { askTogether, QUESTION, readAll } from './ask-together.ts';

/** More than so many, and more than one in SHARE, count as many at once (interface.md §2). */
const MANY = 10;
const SHARE = 10;
/** Above this they count as many without being asked for once more. */
const ASKED_AGAIN = 50;
/** Ids that the log and an operator are told. */
const NAMED = 20;
const TASKS = 5;

interface DeletionsPorts {
  store: MissingDocuments;
  changes: Pick<ChangesPort, 'statesOf' | 'anyOfTypes'>;
  /** Rights come back for one document after another: the rest counts as deleted once nothing came back for so long. */
  quietMs: number;
  /** No document is held any more. */
  onBack(): void;
  now: () => Date;
  log: Log;
}

/** How the documents were read of which some are missing. */
export interface Reading {
  /** How many were read, the missing ones among them. */
  read: number;
  /** How many more are missing that are decided later. */
  more?: number;
  /** Everything was read, so that what was held before is decided too. */
  whole?: boolean;
  /** An operator says that whatever is missing was deleted. */
  accept?: boolean;
}

interface Judged {
  deleted: number[];
  held: number[];
  /** Those that are shown after all. */
  shown: DocumentState[];
}

/**
 * Decides whether a document that Directum does not show counts as deleted (interface.md §2): only while another one can be
 * read in the same question. When none can, or when many vanish at once, the account seems to have lost its rights: then
 * they are held, which means that nothing follows from their absence. Every method may throw what ChangesPort does.
 */
export function createDeletions(ports: DeletionsPorts) {
  const { store, changes, now, log } = ports;

  async function hold(ids: number[], why: 'none can be read' | 'many at once'): Promise<void> {
    const before = await store.heldCount();
    const fresh = await store.hold(ids);
    if (fresh === 0) return;
    const facts = { why, documents: before + fresh, documentIds: ids.slice(0, NAMED) };
    log[before === 0 ? 'error' : 'warn']('directum.rights_lost', facts);
  }

  /** So many are not held any more. */
  async function released(count: number): Promise<void> {
    if (count === 0 || (await store.heldCount()) > 0) return;
    log.warn('directum.rights_back');
    ports.onBack();
  }

  async function shown(ids: number[]): Promise<void> {
    if (ids.length > 0) await released(await store.shown(ids, now()));
  }

  const readable = (ids: number[]) => readAll(ids, changes);

  async function judge(
    missing: number[],
    { read, more = 0, whole = false, accept = false }: Reading,
  ): Promise<Judged> {
    if (missing.length === 0) return { deleted: [], held: [], shown: [] };
    if (accept) return toJudged(missing, await readable(missing), () => true);
    const facts = await store.facts(missing);
    const undecided = { deleted: [], held: missing, shown: [] };
    if (!whole && missing.every((id) => facts.get(id)?.held)) return undecided;
    const fresh = missing.filter((id) => facts.get(id)?.deleted !== true);
    if (fresh.length > ASKED_AGAIN && isMany(fresh.length + more, read)) {
      await hold(fresh, 'many at once');
      return undecided;
    }
    const { found, proven, lost, asked } = await askTogether(missing, facts, ports);
    const gone = fresh.filter((id) => !found.has(id));
    const many =
      isMany(gone.length + more, read) || (lost.length > 0 && isMany(gone.length + lost.length, asked));
    if (many) await hold([...gone, ...lost], 'many at once');
    else if (proven.size < missing.length)
      await hold(
        [...gone.filter((id) => !proven.has(id)), ...(proven.size === 0 ? lost : [])],
        'none can be read',
      );
    const backAt = await store.backAt();
    const isQuiet =
      found.size === 0 && (backAt === null || now().getTime() - backAt.getTime() >= ports.quietMs);
    return toJudged(
      missing,
      [...found.values()],
      (id) => !many && proven.has(id) && (facts.get(id)?.held !== true || (whole && isQuiet)),
    );
  }

  /**
   * What was decided is not held any more. Called after the decision is kept, so that whoever asks meanwhile finds one of
   * both.
   */
  async function settle(judged: Pick<Judged, 'deleted' | 'shown'>): Promise<void> {
    if (judged.deleted.length > 0) await released(await store.forget(judged.deleted));
    await shown(judged.shown.map(({ id }) => id));
  }

  /** True when nothing can be read of what could be read before. */
  async function isBlind(): Promise<boolean> {
    const others = await store.others([], QUESTION);
    if (others.length === 0 || (await changes.statesOf(others)).length > 0) return false;
    if (await changes.anyOfTypes()) return false;
    await hold(others, 'none can be read');
    return true;
  }

  /** Runs that miss documents at the same time ask together: whoever comes while a question is under way joins the next. */
  let next: { ids: Set<number>; judged: Promise<Judged> } | null = null;
  let running: Promise<unknown> = Promise.resolve();

  function judgeTogether(id: number): Promise<Judged> {
    if (next === null) {
      const ids = new Set<number>();
      const judged = running.then(async () => {
        next = null;
        const decided = await judge([...ids], { read: await store.count() });
        await settle(decided);
        return decided;
      });
      running = judged.catch(() => undefined);
      next = { ids, judged };
    }
    next.ids.add(id);
    return next.judged;
  }

  const absence: AbsencePort = {
    async ofDocument(id) {
      if (id === null) return (await isBlind()) ? 'unknown' : 'gone';
      const { deleted, shown: found } = await judgeTogether(id);
      if (found.some((state) => state.id === id)) return 'shown';
      return deleted.includes(id) ? 'gone' : 'unknown';
    },
    tasksOf: (documentId) => store.tasksOf(documentId, TASKS),
  };

  return {
    judge,
    settle,
    shown,
    /** For the runs. */
    absence,

    /**
     * A reading of many documents did not find these; it decides at its end. @returns those that are known to be deleted
     */
    async note(reading: ReadingName, round: number | null, ids: number[]): Promise<number[]> {
      if (ids.length === 0) return [];
      const facts = await store.facts(ids);
      const isDeleted = (id: number) => facts.get(id)?.deleted === true;
      await store.note(
        reading,
        round,
        ids.filter((id) => !isDeleted(id)),
      );
      return ids.filter(isDeleted);
    },

    notedBy: store.notedBy,
    count: store.count,

    /**
     * Reads what is held, all of it where that is little. `missing` is to be decided; `back`: many are held and these of them
     * are shown again, so that everything is to be read. Null: nothing is held.
     */
    async recheck(): Promise<{ missing: number[]; back: DocumentState[] } | null> {
      if ((await store.heldCount()) === 0) return null;
      await released(await store.letGo());
      const { ids, count } = await store.held(ASKED_AGAIN);
      if (count <= ids.length) return { missing: ids, back: [] };
      const back = await readable(ids);
      await shown(back.map(({ id }) => id));
      return { missing: [], back };
    },

    /** What an operator is told: how many are held, some of them, and whether any other can be read. */
    async inspect(): Promise<{ held: number; ids: number[]; blind: boolean }> {
      const { ids, count } = await store.held(NAMED);
      const others = await store.others([], QUESTION);
      const blind = others.length > 0 && (await changes.statesOf(others)).length === 0;
      return { held: count, ids, blind: blind && !(others.length === 1 && (await changes.anyOfTypes())) };
    },
  };
}

export type Deletions = ReturnType<typeof createDeletions>;

function isMany(missing: number, read: number): boolean {
  return missing > MANY && missing > read / SHARE;
}

function toJudged(missing: number[], shown: DocumentState[], isDeleted: (id: number) => boolean): Judged {
  const back = new Set(shown.map(({ id }) => id));
  const gone = missing.filter((id) => !back.has(id));
  return { shown, deleted: gone.filter(isDeleted), held: gone.filter((id) => !isDeleted(id)) };
}
