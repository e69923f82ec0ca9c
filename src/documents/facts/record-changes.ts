import type { Feed } from '../../lib/work/feed-runner.ts';
import { LEASE_MS } from '../../lib/work/leases.ts';
import type { Log } from '../../robot/ports/log.ts';
import { isOutage } from '../../store/db/outage.ts';
import type { DocumentStores } from '../../store/document-stores.ts';
import type { DateChecks } from '../../store/documents/date-checks.ts';
import type { SyncedTasks } from '../../store/documents/synced-tasks.ts';
import type { Quarantine } from '../../store/feeds/quarantine.ts';
import type { NewFact, OutboxClient, ToldFacts } from '../../store/outbox/told-facts.ts';
import type { DocumentSnapshot, SnapshotChange } from '../ports/document.ts';
import { type Fact, triggerOf } from '../ports/facts.ts';
import { toWanted } from './assignment-tasks.ts';
import { openDates, toCheckDay, toDay, toDueFacts } from './due.ts';
import { JUST_MADE, toFacts } from './facts.ts';
import { toFactsOf } from './journal-lines.ts';

type Item = Pick<SnapshotChange['items'][number], 'portal' | 'itemCode' | 'type'>;

interface ChangeRecorderPorts {
  toldFacts: ToldFacts;
  syncedTasks: SyncedTasks;
  dateChecks: DateChecks;
  quarantine: Pick<Quarantine, 'put' | 'release'>;
  journal: DocumentStores['journal'];
  seal: { encrypt(text: string): string };
  timeZone: string;
  /** DIRECTUM_DUE_DAYS. */
  steps: readonly number[];
  now: () => Date;
  log: Log;
}

/** The feed of the daily check of dates. */
export const DATES = 'dates';
/** How often it is looked whether another day has begun. */
const DATES_MS = 30_000;
/** Documents of a step. */
const DATED = 200;

/** The last day that was checked to its end, and the last document of the check under way. */
interface DatesCursor {
  day?: string;
  after?: number;
}

/**
 * Writes to the outbox what portals are to be told of documents, and to the journal what happened to them, in the
 * transactions that keep their snapshots.
 */
export function createChangeRecorder(ports: ChangeRecorderPorts) {
  const { toldFacts, syncedTasks, dateChecks, quarantine, journal, timeZone, steps, now, log } = ports;

  function toRows(documentId: number, item: Item, facts: Fact[]): NewFact[] {
    return facts.map(({ kind, code, key, email, text }) => ({
      portal: item.portal,
      itemCode: item.itemCode,
      documentId,
      kind,
      code: kind === 'trigger' ? triggerOf(code, item.type) : code,
      key,
      payload: text === null ? null : ports.seal.encrypt(JSON.stringify({ email, text })),
    }));
  }

  /**
   * Checks the next documents; answers the last of them where there may be more. One that cannot be checked is found by fewer
   * and fewer at a time, and put aside until the next day.
   */
  async function checkDates(after: number): Promise<number | null> {
    for (let most = DATED; ; most = Math.ceil(most / 8)) {
      let ids: number[] = [];
      try {
        const last = await dateChecks.step(after, most, async (documents, client) => {
          ids = documents.map(({ documentId }) => documentId);
          const today = toDay(now(), timeZone);
          const rows = documents.flatMap(({ documentId, state, status, dates, items }) =>
            items.flatMap((item) => {
              const newSince = toDay(item.since, timeZone);
              const obligations = { name: state.name, url: state.url, status, dates };
              return toRows(documentId, item, toDueFacts(obligations, today, steps, newSince));
            }),
          );
          await toldFacts.add(client, rows, now());
        });
        await quarantine.release('dates', ids.map(String));
        return last;
      } catch (error) {
        const [documentId] = ids;
        if (isOutage(error) || documentId === undefined) throw error;
        if (most > 1) continue;
        log.error('date.not_checked', { error, documentId });
        await quarantine.put('dates', [{ key: String(documentId), reason: error }], now());
        return documentId;
      }
    }
  }

  return {
    /** Changes of one transaction: their facts, dates and assignments for every item that shows a document. */
    async record(all: SnapshotChange[], client: OutboxClient): Promise<void> {
      const today = toDay(now(), timeZone);
      // While nothing is known that an item could show, nobody is told.
      const changes = all.filter(({ after }) => after.status !== null);
      const rows = changes.flatMap(({ documentId, items, made, after, ...change }) => {
        const before = change.before ?? (made ? JUST_MADE : null);
        return items.flatMap((item) => {
          // A date written while the document is watched is told even if it lies in the past.
          const written = before?.dates == null ? made : before.dates.validTill !== after.dates?.validTill;
          const newSince = written ? null : toDay(item.since, timeZone);
          return toRows(documentId, item, [
            ...toFacts(before, after, item.since),
            ...toDatesOf(after, today, steps, newSince),
          ]);
        });
      });
      for (const { documentId, after } of changes) {
        const { status, dates } = after;
        if (status !== null && dates !== null)
          await toldFacts.cancelDates(client, documentId, [...openDates({ status, dates }).keys()]);
      }
      await toldFacts.add(client, rows, now());
      const wanted = changes.map(({ documentId, items, after }) => ({
        documentId,
        items,
        tasks: toWanted(after),
      }));
      await syncedTasks.record(client, wanted, now());
      const { lines, people } = toFactsOf(all, now());
      await journal.writeLines(client, lines);
      await journal.writePeople(client, people);
    },

    /** The daily check of all dates (interface.md §5: at least once a day). */
    dates: {
      name: DATES,
      leaseMs: LEASE_MS.database,
      retryMs: DATES_MS,
      async step(cursor) {
        const { day: checked = '', after = 0 } = cursor as DatesCursor;
        const day = toCheckDay(now(), timeZone);
        const dueAt = new Date(now().getTime() + DATES_MS);
        if (checked >= day) return { cursor, dueAt };
        const last = await checkDates(after);
        if (last === null) return { cursor: { day, after: 0 }, dueAt };
        return { cursor: { day: checked, after: last }, dueAt: now() };
      },
    } satisfies Feed as Feed,
  };
}

function toDatesOf(
  snapshot: DocumentSnapshot,
  today: string,
  steps: readonly number[],
  newSince: string | null,
): Fact[] {
  const { state, status, dates } = snapshot;
  if (state === null || status === null || dates === null) return [];
  return toDueFacts({ name: state.name, url: state.url, status, dates }, today, steps, newSince);
}
