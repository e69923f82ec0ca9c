import { PgBoss } from 'pg-boss';
import type { Log } from '../robot/ports.ts';
import type { RunStore } from '../store/runs.ts';

const QUEUE = 'run';
/** A job whose process died is taken up again after this many silent seconds; pg-boss allows no less. */
const HEARTBEAT_SECONDS = 10;
const TWO_WEEKS_SECONDS = 14 * 24 * 3600;
const DISPATCH_EVERY_MS = 1000;

export interface JobsOptions {
  /** Commits over it need not be waited for: a job that is lost, or comes back, only repeats a safe attempt. */
  connection: { connectionString: string; options: string };
  runs: RunStore;
  concurrency: number;
  work(runId: string): Promise<void>;
  now: () => Date;
  log: Log;
}

/**
 * Turns accepted runs into pg-boss jobs and works them off, one at a time per CRM item: policy `singleton` with
 * the item as key is a unique index in PostgreSQL, so it holds across processes.
 */
export async function startJobs({ connection, runs, concurrency, work, now, log }: JobsOptions) {
  const boss = new PgBoss({
    ...connection,
    schema: 'pgboss',
    max: 6,
    useListenNotify: true,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
    schedule: false,
  });
  boss.on('error', (error) => log.warn('jobs.failed', { error }));
  await boss.start();
  const options = {
    policy: 'singleton' as const,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    expireInSeconds: 3600,
    retentionSeconds: TWO_WEEKS_SECONDS * 26,
    deleteAfterSeconds: 3600,
    retryLimit: 1000,
    retryDelay: 1,
    retryBackoff: true,
    retryDelayMax: 60,
    notify: true,
  };
  if (!(await boss.getQueue(QUEUE))) await boss.createQueue(QUEUE, options);

  let stopping = false;
  let dispatching: Promise<void> | null = null;
  let again = false;

  async function dispatch(): Promise<void> {
    do {
      again = false;
      try {
        let count: number;
        do {
          count = await runs.enqueueDue(now(), 500, async (due, client) => {
            const db = {
              executeSql: async (text: string, values?: unknown[]) => ({
                rows: (await client.query(text, values as unknown[])).rows,
              }),
            };
            await boss.insert(
              QUEUE,
              due.map((run) => ({ data: { id: run.id }, singletonKey: run.itemKey })),
              { db },
            );
          });
        } while (count === 500 && !stopping);
      } catch (error) {
        log.warn('dispatch.failed', { error });
      }
    } while (again && !stopping);
  }

  function wake(): void {
    if (stopping) return;
    again = true;
    dispatching ??= dispatch().finally(() => {
      dispatching = null;
    });
  }
  const timer = setInterval(wake, DISPATCH_EVERY_MS);

  await boss.work<{ id: string }>(
    QUEUE,
    {
      localConcurrency: concurrency,
      batchSize: 1,
      pollingIntervalSeconds: 1,
      notifyPollingIntervalSeconds: 1,
      heartbeatRefreshSeconds: 3,
    },
    async (jobs) => {
      for (const job of jobs) await work(job.data.id);
    },
  );
  wake();

  return {
    /** Called when runs were accepted or postponed. */
    wake,
    async stop(): Promise<void> {
      stopping = true;
      clearInterval(timer);
      await dispatching;
      await boss.stop({ graceful: true, timeout: 8000 });
    },
  };
}
