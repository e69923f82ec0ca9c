import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Everything a gauge reads at the moment of scraping. */
interface Measured {
  queueAgeSeconds: number;
  answersPending: number;
  spoolCalls: number;
  waits: number;
  watchedDocuments: number;
  watchLateSeconds: number;
  oldestUnansweredSeconds: number;
}

/** What could not be processed and was put aside. */
interface QuarantineMeasured {
  feed: string;
  count: number;
}

interface PortalMeasured {
  /** Short digest of the portal's key. */
  label: string;
  paused: boolean;
  budgetLeft: number;
}

/** What the gauges show while the database is away. */
export const UNMEASURED = {
  queueAgeSeconds: Number.NaN,
  answersPending: Number.NaN,
  oldestUnansweredSeconds: Number.NaN,
  waits: Number.NaN,
  watchedDocuments: Number.NaN,
  watchLateSeconds: Number.NaN,
  portals: [],
  quarantined: [],
};

/** The metrics of interface.md §6; `portal` labels are short digests, never hosts. */
export function createMetrics(
  measure: () => Promise<Measured & { portals: PortalMeasured[]; quarantined: QuarantineMeasured[] }>,
) {
  const registry = new Registry();
  const name = (text: string) => `directum_robots_${text}`;
  const counter = (metric: string, help: string, labelNames: string[]) =>
    new Counter({ name: name(metric), help, labelNames, registers: [registry] });
  const histogram = (metric: string, help: string, labelNames: string[]) =>
    new Histogram({
      name: name(metric),
      help,
      labelNames,
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 120],
      registers: [registry],
    });
  const gauge = (metric: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: name(metric), help, labelNames, registers: [registry] });

  const gauges: Record<keyof Measured, Gauge> = {
    queueAgeSeconds: gauge('queue_age_seconds', 'Age of the oldest run that is due and not taken up'),
    answersPending: gauge('answers_pending', 'Answers not yet sent'),
    spoolCalls: gauge('spool_calls', 'Calls kept in the spool'),
    waits: gauge('waits', 'Waiting runs'),
    watchLateSeconds: gauge(
      'watch_late_seconds',
      'How long the question to Directum of what changed is overdue',
    ),
    watchedDocuments: gauge('watched_documents', 'Documents being watched'),
    oldestUnansweredSeconds: gauge('oldest_unanswered_seconds', 'Age of the oldest call without its answer'),
  };
  const portalBudget = gauge('portal_budget_left', 'REST calls left in the bucket', ['portal']);
  const portalPaused = gauge('portal_paused', '1 while a portal waits for a new authorisation', ['portal']);
  const quarantine = gauge('quarantined', 'Rows that could not be processed and were put aside', ['feed']);
  const calls = counter('calls_total', 'Robot calls by what became of them', ['robot', 'result']);
  const counted = new Map<string, Counter.Internal>();
  return {
    /** Counters are kept by one text: finding one by its labels takes the library as long as all our checks of a call. */
    count(robot: string, result: string): void {
      const key = `${robot} ${result}`;
      let known = counted.get(key);
      if (known === undefined) {
        known = calls.labels(robot, result);
        counted.set(key, known);
      }
      known.inc();
    },
    runs: counter('runs_total', 'Attempts by their ending', ['robot', 'ending']),
    runSeconds: histogram('run_seconds', 'From the call to the end of its run', ['robot']),
    directumSeconds: histogram('directum_request_seconds', 'Requests to Directum', ['operation']),
    directumErrors: counter('directum_errors_total', 'Failed requests to Directum', ['code']),
    unknownStates: counter('unknown_states_total', 'Values in states of documents that nobody knows', []),
    portalSeconds: histogram('portal_request_seconds', 'Requests to portals', ['method']),
    refreshes: counter('token_refreshes_total', 'Refreshes of tokens', ['result']),
    contentType: registry.contentType,
    async text(): Promise<string> {
      const { portals, quarantined, ...measured } = await measure();
      quarantine.reset();
      for (const { feed, count } of quarantined) quarantine.set({ feed }, count);
      portalBudget.reset();
      portalPaused.reset();
      for (const { label, paused, budgetLeft } of portals) {
        portalBudget.set({ portal: label }, budgetLeft);
        portalPaused.set({ portal: label }, paused ? 1 : 0);
      }
      for (const [key, value] of Object.entries(measured)) gauges[key as keyof Measured].set(value);
      return registry.metrics();
    },
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
