import type { DueLooks } from '../../store/documents/due-looks.ts';
import type { MirroredTasks } from '../../store/documents/synced-tasks.ts';
import type { NewTelling, TellingClient, Tellings } from '../../store/outbox/outbox.ts';
import type { Sight, SightChange } from '../ports/document.ts';
import type { Fact } from '../ports/facts.ts';
import { toWanted } from './assignment-tasks.ts';
import { openDates, toDay, toDueFacts, toLookDay } from './due.ts';
import { JUST_MADE, toFacts } from './facts.ts';

export interface NewsPorts {
  tellings: Tellings;
  mirrored: MirroredTasks;
  looks: DueLooks;
  seal: { encrypt(text: string): string };
  timeZone: string;
  /** DIRECTUM_DUE_DAYS. */
  steps: readonly number[];
  now: () => Date;
}

/** Writes down what portals are to be told because of documents, in the transactions that keep what was seen. */
export function createNews(ports: NewsPorts) {
  const { tellings, mirrored, looks, timeZone, steps, now } = ports;

  function toRows(
    documentId: number,
    item: { portal: string; itemCode: string },
    facts: Fact[],
  ): NewTelling[] {
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
    async record(changes: SightChange[], client: TellingClient): Promise<void> {
      const today = toDay(now(), timeZone);
      const rows = changes.flatMap(({ documentId, items, made, after, ...change }) => {
        const before = change.before ?? (made ? JUST_MADE : null);
        return items.flatMap((item) => {
          // A date written while the document is watched is news even if it lies in the past.
          const written = before?.dates == null ? made : before.dates.validTill !== after.dates?.validTill;
          const news = written ? null : toDay(item.since, timeZone);
          return toRows(documentId, item, [
            ...toFacts(before, after, item.since),
            ...toDatesOf(after, today, steps, news),
          ]);
        });
      });
      for (const { documentId, after } of changes) {
        const { status, dates } = after;
        if (status !== null && dates !== null)
          await tellings.cancelDates(client, documentId, [...openDates({ status, dates }).keys()]);
      }
      await tellings.add(client, rows, now());
      const wanted = changes.map(({ documentId, items, after }) => ({
        documentId,
        items,
        tasks: toWanted(after),
      }));
      await mirrored.record(client, wanted, now());
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
            const news = toDay(item.since, timeZone);
            const obligations = { name: state.name, url: state.url, status, dates };
            return toRows(documentId, item, toDueFacts(obligations, today, steps, news));
          }),
        );
        await tellings.add(client, rows, now());
      });
    },
  };
}

export type News = ReturnType<typeof createNews>;

function toDatesOf(sight: Sight, today: string, steps: readonly number[], news: string | null): Fact[] {
  const { state, status, dates } = sight;
  if (state === null || status === null || dates === null) return [];
  return toDueFacts({ name: state.name, url: state.url, status, dates }, today, steps, news);
}
