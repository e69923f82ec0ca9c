import type { Removed } from './bitrix24/install/removals.ts';
import type { Config } from './config.ts';
import { DATES } from './documents/facts/record-changes.ts';
import type { Metrics } from './http/metrics.ts';
import { createRefusedCalls } from './http/refused-calls.ts';
import { createFeedRunner, everyFeed } from './lib/work/feed-runner.ts';
import { createHealthProbe } from './lib/work/health-probe.ts';
import { LEASE_MS } from './lib/work/leases.ts';
import { startRecurring } from './lib/work/recurring.ts';
import { within } from './lib/work/timeout.ts';
import type { Modules } from './modules.ts';
import type { Log } from './robot/ports/log.ts';
import { startRunWorkers } from './run-workers.ts';
import { OLD_RUNS, oldRunsFeed } from './runs/retention/old-runs.ts';
import { createWatch } from './runs/watch/watch.ts';
import { createFeeds } from './store/feeds/feeds.ts';
import { createJournalSeal } from './store/journal/seal-journal.ts';
import { writeJournal } from './store/journal/write-journal.ts';
import { createPastRuns } from './store/runs/past-runs.ts';
import { createFormerContent } from './store/secrets/former-content.ts';

const TICK_MS = 1_000;
/** The feed that cuts old lines of the journal. */
const OLD_LINES = 'old-lines';
/** How soon a change that Directum's `Modified` does not show is noticed (interface.md, directum_wait_signature). */
const RESCAN_MS = 3_600_000;
/** A line of the journal is sealed within a minute (interface.md §9). */
const SEAL_MS = 5_000;
/** The feed that seals what an earlier version wrote. */
const FORMER_CONTENT = 'former-content';
const FORMER_CONTENT_MS = 10_000;
const CUT_MS = 3_600_000;
const RELOAD_MS = 5_000;
/** Together they keep what /readyz says of Directum younger than a minute (interface.md §2). */
const PROBE_MS = 30_000;
const PROBE_LIMIT_MS = 20_000;
/** How long a removal's event waits for the portal to confirm it. */
const REMOVAL_MS = 500;

export interface WorkPorts {
  log: Log;
  now: () => Date;
  random: () => number;
  metrics: Metrics;
  /** How often every watched document is read again; an hour unless a test is in a hurry. */
  rescanMs?: number | undefined;
  /** How long a run is left to a process that may have died; 12 s unless a test is in a hurry. */
  leaseMs?: number | undefined;
  /** How often it looks for what became due; a second unless a test is in a hurry. */
  tickMs?: number | undefined;
  /** Seconds between the attempts of a run; 5 and more unless a test is in a hurry. */
  attemptDelays?: readonly number[] | undefined;
}

/** Starts what the service does by itself: it works off runs, answers, watches Directum, and shows in deals what changed. */
export async function startWork(config: Config, modules: Modules, ports: WorkPorts) {
  const { keys, store, runs, waits, directum, portals, deals } = modules;
  const { log, now, metrics, tickMs = TICK_MS } = ports;
  const { installations } = portals;
  const onCancelled = (robot: string) => metrics.runs.inc({ robot, ending: 'cancelled' });

  const { workers, outbox, orphanedRuns } = startRunWorkers(config, modules, {
    ...ports,
    tickMs,
    onCancelled,
  });
  const feeds = createFeeds(store.asyncCommitPool);
  const watch = createWatch({
    waits,
    feeds,
    quarantine: deals.quarantine,
    documents: deals.documents,
    observer: deals.observer,
    changes: directum.changes,
    documentContext: directum.documentContext,
    atCommonRate: deals.atCommonRate,
    pollMs: config.DIRECTUM_POLL_SECONDS * 1000,
    rescanMs: ports.rescanMs ?? RESCAN_MS,
    now,
    onWake: workers.wake,
    log,
  });
  /** Runs of a portal that let us go end with it; with CLEAN=1 what links its items to Directum goes too. */
  async function tidy({ memberId, portalKey, clean }: Removed): Promise<void> {
    for (const robot of await runs.cancelOf(memberId, now())) onCancelled(robot);
    await deals.dropFailures(portalKey);
    if (!clean) return;
    await store.forgetPortal(portalKey);
    await deals.forget(portalKey);
  }
  const checkRemovals = () => portals.removals.check(tidy);

  const refused = createRefusedCalls({ write: (line) => writeJournal(store.pool, [line]), now, log });
  refused.start();
  const seal = createJournalSeal({ pool: store.pool, keys, now });
  const formerContent = createFormerContent({ pool: store.pool, content: store.content });
  const { KEEP_RUNS_DAYS, KEEP_JOURNAL_DAYS } = config;
  const stepOf = (everyMs: number) => ({ everyMs, leaseMs: LEASE_MS.database, now });
  const runner = createFeedRunner({
    feeds: [
      watch.poll,
      watch.rescan,
      ...deals.feeds,
      everyFeed('sealing', stepOf(SEAL_MS), seal.seal),
      everyFeed(FORMER_CONTENT, stepOf(FORMER_CONTENT_MS), formerContent.seal),
      ...(KEEP_JOURNAL_DAYS > 0
        ? [everyFeed(OLD_LINES, stepOf(CUT_MS), () => seal.cut(KEEP_JOURNAL_DAYS))]
        : []),
      ...(KEEP_RUNS_DAYS > 0
        ? [oldRunsFeed({ pastRuns: createPastRuns(store.pool), keepDays: KEEP_RUNS_DAYS, now, log })]
        : []),
    ],
    store: feeds,
    now,
    log,
  });
  // A service that starts does not know what it missed (interface.md §5), nor with which settings it did.
  await feeds.restart(DATES, { day: '', after: 0 });
  await feeds.hasten([OLD_RUNS, OLD_LINES, FORMER_CONTENT]);
  const recurring = startRecurring(
    {
      clock: async () => void (await store.clock.look()),
      // With several processes the last one of an earlier version ends at some time.
      content: store.content.look,
      orphanedRuns: orphanedRuns.find,
      // Apart from the questions to Directum, which may take long: a deadline always fires.
      deadlines: async () => {
        if ((await waits.wakeExpired(now())) > 0) workers.wake();
      },
      // Each on its own: a portal that is slow with triggers does not hold up what deals show.
      ...deals.steps,
    },
    { wakes: [outbox.wake, runner.wake, portals.registration.check, checkRemovals], tickMs, log },
  );
  const reloading = setInterval(() => void installations.reload(), RELOAD_MS);
  const probe = createHealthProbe(directum.ping, { everyMs: PROBE_MS, limitMs: PROBE_LIMIT_MS });
  outbox.wake();

  return {
    wake: workers.wake,
    /** Whether Directum answers. */
    probe,
    /** Counts calls that were not taken. */
    refused,
    async handleEvent(form: unknown): Promise<'ok' | 'forbidden'> {
      const handled = await portals.installer.handleEvent(form);
      // Most portals say it at once: then nothing more of this one is taken when its event is answered.
      if (handled.removal) await within(REMOVAL_MS, checkRemovals()).catch(() => undefined);
      return handled.result;
    },
    async stop(): Promise<void> {
      clearInterval(reloading);
      probe.stop();
      // What still asks a platform is not waited for beyond these limits: the next start asks again.
      const asking = [recurring.stop(), runner.stop(), portals.registration.stop(), portals.removals.stop()];
      await Promise.all([workers.stop(), within(2000, Promise.all(asking)).catch(() => undefined)]);
      await within(1500, outbox.stop()).catch(() => undefined);
      await within(1000, refused.stop()).catch(() => undefined);
      // What was written last is sealed now and not only at the next start.
      await within(1000, seal.seal()).catch(() => undefined);
    },
  };
}
