import type { DueLooks } from '../../store/documents/due-looks.ts';
import type { SyncedTasks } from '../../store/documents/synced-tasks.ts';
import type { NewFact, Outbox, OutboxClient } from '../../store/outbox/outbox.ts';
import type { DocumentSnapshot, SnapshotChange } from '../ports/document.ts';
import type { Fact } from '../ports/facts.ts';
import { toWanted } from './assignment-tasks.ts';
import { openDates, toDay, toDueFacts, toLookDay } from './due.ts';
import { JUST_MADE, toFacts } from './facts.ts';

export interface NewsPorts {
  outbox: Outbox;
  syncedTasks: SyncedTasks;
  looks: DueLooks;
  seal: { encrypt(text: string): string };
  timeZone: string;
  /** DIRECTUM_DUE_DAYS. */
  steps: readonly number[];
  now: () => Date;
}

/** Writes down what portals are to be told because of documents, in the transactions that keep what was seen. */
export function createChangeRecorder(ports: NewsPorts) {
  const { outbox, syncedTasks, looks, timeZone, steps, now } = ports;

  function toRows(documentId: number, item: { portal: string; itemCode: string }, facts: Fact[]): NewFact[] {
    return facts.map(({ kind, code, key, email, text }) => ({
      portal: item.portal,
      itemCode: item.itemCode,
      documentId,
      kind,
      code,
      key,
      payload: text === null ? null : ports.seal.encrypt(JSON.stringify({ email, text })),
    }));
  }

  return {
    /** Observations of one transaction: their facts, dates and assignments for every item that shows a document. */
    async record(changes: SnapshotChange[], client: OutboxClient): Promise<void> {
      const today = toDay(now(), timeZone);
      const rows = changes.flatMap(({ documentId, items, made, after, ...change }) => {
        const before = change.before ?? (made ? JUST_MADE : null);
        return items.flatMap((item) => {
          // A date written while the document is watched is news even if it lies in the past.
          const written = before?.dates == null ? made : before.dates.validTill !== after.dates?.validTill;
          const recordChanges = written ? null : toDay(item.since, timeZone);
          return toRows(documentId, item, [
            ...toFacts(before, after, item.since),
            ...toDatesOf(after, today, steps, recordChanges),
          ]);
        });
      });
      for (const { documentId, after } of changes) {
        const { status, dates } = after;
        if (status !== null && dates !== null)
          await outbox.cancelDates(client, documentId, [...openDates({ status, dates }).keys()]);
      }
      await outbox.add(client, rows, now());
      const wanted = changes.map(({ documentId, items, after }) => ({
        documentId,
        items,
        tasks: toWanted(after),
      }));
      await syncedTasks.record(client, wanted, now());
    },

    /**
     * One step of the day's look at all dates, if it is due and nobody else looks (interface.md §5: at least once a day);
     * true while there is more of it.
     */
    async lookAtDates(): Promise<boolean> {
      const day = toLookDay(now(), timeZone);
      const after = await looks.take(day, now());
      if (after === null) return false;
      return looks.step(day, after, async (documents, client) => {
        const today = toDay(now(), timeZone);
        const rows = documents.flatMap(({ documentId, state, status, dates, items }) =>
          items.flatMap((item) => {
            const recordChanges = toDay(item.since, timeZone);
            const obligations = { name: state.name, url: state.url, status, dates };
            return toRows(documentId, item, toDueFacts(obligations, today, steps, recordChanges));
          }),
        );
        await outbox.add(client, rows, now());
      });
    },
  };
}

export type News = ReturnType<typeof createChangeRecorder>;

function toDatesOf(
  snapshot: DocumentSnapshot,
  today: string,
  steps: readonly number[],
  recordChanges: string | null,
): Fact[] {
  const { state, status, dates } = snapshot;
  if (state === null || status === null || dates === null) return [];
  return toDueFacts({ name: state.name, url: state.url, status, dates }, today, steps, recordChanges);
}
