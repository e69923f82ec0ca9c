import type { JournalLine } from '../journal/lines.ts';
import type { Log } from '../robot/ports/log.ts';

const MINUTE_MS = 60_000;
/** Results of a call that is taken, now or before. */
const TAKEN = new Set(['accepted', 'repeated']);

/**
 * Counts refused calls by robot and reason, and writes them as one line of the journal a minute: anybody can send calls, so
 * each for itself would be too many. A count that cannot be written is kept for the next minute; a process that is killed
 * loses those of its last one.
 */
export function createRefusedCalls(ports: {
  write(line: JournalLine): Promise<void>;
  now: () => Date;
  log: Log;
  everyMs?: number;
}) {
  const { now, log } = ports;
  /** By robot and reason, as one text. */
  let counts = new Map<string, { robot: string; reason: string; count: number }>();
  let since: Date | null = null;
  let timer: NodeJS.Timeout | undefined;

  function add(robot: string, reason: string, more: number): void {
    const key = `${robot} ${reason}`;
    const { count } = counts.get(key) ?? { count: 0 };
    counts.set(key, { robot, reason, count: count + more });
  }

  async function write(): Promise<void> {
    if (since === null) return;
    const [at, calls] = [since, [...counts.values()]];
    counts = new Map();
    since = null;
    const data = { until: now().toISOString(), calls };
    const place = { portal: null, itemCode: null, documentId: null };
    try {
      await ports.write({ at, ...place, type: 'calls.refused', actor: 'service', data });
    } catch (error) {
      log.warn('refused_calls.not_written', { error });
      for (const { robot, reason, count } of calls) add(robot, reason, count);
      since = at;
    }
  }

  return {
    /** `result` of a call of a robot that there is. */
    count(robot: string, result: string): void {
      if (TAKEN.has(result)) return;
      since ??= now();
      add(robot, result, 1);
    },
    start(): void {
      timer = setInterval(() => void write(), ports.everyMs ?? MINUTE_MS);
    },
    async stop(): Promise<void> {
      clearInterval(timer);
      await write();
    },
  };
}
