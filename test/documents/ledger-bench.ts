import { noticeHandlers } from '../../src/documents/deliver/notices.ts';
import { taskHandler } from '../../src/documents/deliver/task-sync.ts';
import { triggerHandler } from '../../src/documents/deliver/triggers.ts';
import { createChangeRecorder } from '../../src/documents/facts/record-changes.ts';
import type { DealPort } from '../../src/documents/ports/deal.ts';
import type { DocumentSnapshot } from '../../src/documents/ports/document.ts';
import { createDateChecks } from '../../src/store/documents/date-checks.ts';
import { createSyncedTasks } from '../../src/store/documents/synced-tasks.ts';
import { createQuarantine } from '../../src/store/feeds/quarantine.ts';
import { writeJournal, writePeople } from '../../src/store/journal/write-journal.ts';
import { createFailures } from '../../src/store/outbox/kept-failures.ts';
import { createNotices } from '../../src/store/outbox/notices.ts';
import { createOutbox } from '../../src/store/outbox/outbox.ts';
import { createToldFacts } from '../../src/store/outbox/told-facts.ts';
import { loadSecretKeys } from '../../src/store/secrets/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import { type StoreBench, storeBench } from '../store/bench.ts';
import { outboxStep } from './outbox-step.ts';

const START = Date.parse('2026-03-02T09:00:00Z');

/** The ledger on a real database, with a clock that is moved by hand and portals that are given. */
export async function ledgerBench() {
  const bench: StoreBench = await storeBench();
  const stores: Store[] = [await bench.open(), await bench.open()];
  const keys = await loadSecretKeys({ dataDir: bench.dataDir });
  let time = START;
  const now = () => new Date(time);
  let deals: Record<string, DealPort> = {};

  const replica = (store: Store, on = true) => {
    const queue = createOutbox(store.pool);
    const toldFacts = createToldFacts(store.pool);
    const failures = createFailures(store.pool, store.content);
    const syncedTasks = createSyncedTasks({ pool: store.pool, seal: keys, log: bench.log, on });
    const dateChecks = createDateChecks(store.pool, store.content);
    const recordChanges = createChangeRecorder({
      toldFacts,
      syncedTasks,
      dateChecks,
      quarantine: createQuarantine(store.pool),
      journal: { writeLines: writeJournal, writePeople },
      seal: keys,
      timeZone: 'Europe/Moscow',
      steps: [30, 7, 1],
      now,
      log: bench.log,
    });
    const ports = {
      queue,
      notices: createNotices(store.pool),
      quarantine: createQuarantine(store.pool),
      failures,
      syncedTasks,
      portals: { keys: () => Object.keys(deals), deals: (portal: string) => deals[portal] as DealPort },
      toItem: (code: string) => {
        const id = Number(/^DEAL_(\d+)$/.exec(code)?.[1]);
        return id > 0 ? { typeId: 2, id, code } : null;
      },
      seal: keys,
      now,
      log: bench.log,
    };
    return {
      recordChanges,
      /** One observation, in its transaction. */
      async see(
        documentId: number,
        before: DocumentSnapshot | null,
        after: DocumentSnapshot,
        items: { portal: string; itemCode: string }[] = [{ portal: 'p', itemCode: 'DEAL_915' }],
        made = false,
      ) {
        const client = await store.pool.connect();
        try {
          await client.query('BEGIN');
          const since = new Date(START - 86_400_000);
          const change = {
            documentId,
            items: items.map((item) => ({ ...item, since, type: null })),
            made,
            before,
            assignmentsBefore: before?.assignments ?? [],
            after,
          };
          await recordChanges.record([change], client);
          await client.query('COMMIT');
        } finally {
          client.release();
        }
      },
      tell: () => outboxStep([triggerHandler(ports), ...noticeHandlers(ports)], ports),
      mirror: () => outboxStep([taskHandler(ports)], ports),
    };
  };

  const [one, two] = [replica(stores[0] as Store), replica(stores[1] as Store)];
  return {
    one,
    two,
    withoutTasks: replica(stores[0] as Store, false),
    pool: (stores[0] as Store).pool,
    lines: bench.lines,
    now,
    reach: (portals: Record<string, DealPort>) => {
      deals = portals;
    },
    /** Lets time pass, both replicas working at each step. */
    async pass(ms: number, stepMs = 1000) {
      for (let passed = 0; passed < ms; passed += stepMs) {
        time += stepMs;
        await Promise.all([one.tell(), two.tell(), one.mirror(), two.mirror()]);
      }
    },
    /** Time passes and nobody works. */
    idle: (ms: number) => {
      time += ms;
    },
    /** A fresh ledger and a fresh clock. */
    async clear() {
      time = START;
      bench.lines.length = 0;
      await (stores[0] as Store).pool.query('TRUNCATE outbox, quarantine, mirrored_task, journal');
    },
    close: () => bench.close(),
  };
}
