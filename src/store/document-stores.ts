import type { Pool } from 'pg';
import type { Log } from '../robot/ports/log.ts';
import { createComparisons } from './documents/comparisons.ts';
import { createDateChecks } from './documents/date-checks.ts';
import { createDealProjection } from './documents/deal-projection.ts';
import { createMissingDocuments } from './documents/missing-documents.ts';
import { createSyncedTasks } from './documents/synced-tasks.ts';
import { createDocumentStore } from './documents/watched-documents.ts';
import { createQuarantine } from './feeds/quarantine.ts';
import { writeJournal, writePeople } from './journal/write-journal.ts';
import { createDirectumRate } from './limits/directum-rate.ts';
import { createFailures } from './outbox/kept-failures.ts';
import { createNotices } from './outbox/notices.ts';
import { createOutbox } from './outbox/outbox.ts';
import { createToldFacts } from './outbox/told-facts.ts';
import type { ContentSeal } from './secrets/content-seal.ts';
import type { SecretKeys } from './secrets/secrets.ts';

/** Tables of what deals show of their documents. */
export function openDocumentStores(options: {
  pool: Pool;
  asyncCommitPool: Pool;
  keys: SecretKeys;
  content: ContentSeal;
  /** DIRECTUM_TASKS. */
  syncsTasks: boolean;
  log: Log;
}) {
  const { pool, asyncCommitPool, keys, content, syncsTasks, log } = options;
  return {
    documents: createDocumentStore(pool, content),
    projection: createDealProjection(pool, content),
    queue: createOutbox(pool),
    toldFacts: createToldFacts(pool),
    notices: createNotices(pool),
    failures: createFailures(pool, content),
    syncedTasks: createSyncedTasks({ pool, seal: keys, log, on: syncsTasks }),
    dateChecks: createDateChecks(pool, content),
    missing: createMissingDocuments(pool),
    comparisons: createComparisons(pool),
    quarantine: createQuarantine(pool),
    journal: { writeLines: writeJournal, writePeople },
    directumRate: createDirectumRate(asyncCommitPool),
  };
}

export type DocumentStores = ReturnType<typeof openDocumentStores>;
