import { parseJson } from '../../lib/text.ts';
import { within } from '../../lib/work/timeout.ts';
import { withoutBadRows } from '../../store/db/data-error.ts';
import type { NewRun } from '../../store/runs/incoming-calls.ts';
import type { CallIntakePorts, Entry } from './call-intake.ts';

const STEP_TIMEOUT_MS = 10_000;
const GROUP = 500;

/**
 * Takes the entries of one segment of the spool: writes the runs, handles the events. Calls that still cannot be checked go
 * to the end of the spool. The answer is how many those are. @throws while the database is away
 */
export function createSpooledCalls<Call extends { memberId: string }>(
  ports: CallIntakePorts<Call>,
): (texts: string[]) => Promise<number> {
  const { calls, spool, now, log } = ports;
  const isTooOld = (receivedAt: Date) => now().getTime() - receivedAt.getTime() > ports.maxHours * 3_600_000;

  async function write(found: Map<string, NewRun>): Promise<void> {
    await withoutBadRows(
      [...found.values()],
      async (runs) => {
        const fresh = await within(STEP_TIMEOUT_MS, calls.accept(runs));
        if (fresh.size > 0) ports.onAccepted();
      },
      ({ id }, error) => log.error('spool.call_refused', { error, runId: id }),
    );
    found.clear();
  }

  /** What becomes of an entry: a run to write, `later` when it still cannot be checked, or nothing. */
  async function examine(entry: Entry<Call>, silent: Set<string>): Promise<NewRun | 'later' | null> {
    if ('run' in entry) {
      const { receivedAt, deadlineAt } = entry.run;
      return { ...entry.run, receivedAt: new Date(receivedAt), deadlineAt: new Date(deadlineAt) };
    }
    const receivedAt = new Date(entry.receivedAt);
    if ('event' in entry) return examineEvent(entry.event, receivedAt);
    const { call } = entry;
    try {
      // A portal that did not answer is not asked again for each of its calls.
      if (silent.has(call.memberId)) return 'later';
      const check = await within(STEP_TIMEOUT_MS, ports.check(call));
      const run = ports.toRun(call, receivedAt);
      if (check === 'ok') return run;
      log.warn('spool.call_dropped', { reason: check, runId: run.id });
      return null;
    } catch (error) {
      if (isTooOld(receivedAt)) {
        log.error('spool.call_dropped', { reason: 'never_checked', error });
        return null;
      }
      silent.add(call.memberId);
      return 'later';
    }
  }

  async function examineEvent(form: unknown, receivedAt: Date): Promise<'later' | null> {
    try {
      const result = await ports.handleEvent(form);
      if (result === 'forbidden') log.warn('spool.event_dropped', { reason: 'forged' });
      return null;
    } catch (error) {
      const over = isTooOld(receivedAt);
      log[over ? 'error' : 'warn'](over ? 'spool.event_dropped' : 'event.not_handled', { error });
      return over ? null : 'later';
    }
  }

  return async (texts) => {
    const silent = new Set<string>();
    const later: string[] = [];
    const found = new Map<string, NewRun>();
    for (const text of texts) {
      // Written by call-intake.ts, perhaps of an earlier version.
      const entry = parseJson(text) as Entry<Call>;
      // The runs of earlier calls are written before an event is handled: a removal ends the runs that it finds.
      if ('event' in entry) await write(found);
      const run = await examine(entry, silent);
      if (run === 'later') later.push(text);
      else if (run !== null) found.set(run.id, run);
      if (found.size >= GROUP) await write(found);
    }
    await write(found);
    if (later.length > 0) log.warn('spool.calls_not_checked', { calls: later.length });
    await Promise.all(later.map((text) => spool.append(text)));
    return later.length;
  };
}
