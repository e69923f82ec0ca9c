import { LateError, within } from '../../lib/work/timeout.ts';
import type { Log } from '../../robot/ports/log.ts';
import { isDataError } from '../../store/db/data-error.ts';
import type { IncomingCalls, NewRun } from '../../store/runs/incoming-calls.ts';
import type { Spool } from '../../store/spool/disk-spool.ts';
import { createSpooledCalls } from './spooled-calls.ts';

/** From the arrival of a call: its write to the database is waited for no longer. The answer is due after 1 s. */
const WRITE_WAIT_MS = 700;
/** How long a write is waited for when there is no spool to turn to. */
const LAST_RESORT_MS = 5_000;
const RELOAD_MS = 5_000;
const TICK_MS = 250;
/** Calls that could not be checked are tried again after this. */
const RECHECK_MS = 5_000;
/** Every so many ticks the folder is read even when it seems empty: another process may have left calls. */
const READ_EVERY = 120;
/** Calls that are not checked yet may fill only this part of the spool: anybody can send them. */
const UNCHECKED_SHARE = 0.5;

export type Check = 'ok' | 'unknown' | 'forged';
type Kept = 'accepted' | 'repeated' | 'forbidden' | 'unavailable';

/** A line of the spool: a run of a checked call, a call that is still to be checked, or an event of a portal. */
export type Entry<Call> =
  | { run: NewRun }
  | { call: Call; receivedAt: string }
  | { event: unknown; receivedAt: string };

type EventResult = 'ok' | 'forbidden';

export interface CallIntakePorts<Call> {
  /** Groups writes to the database; rejects when one failed. */
  writer: { accept(run: NewRun): Promise<boolean> };
  calls: Pick<IncomingCalls, 'accept'>;
  spool: Spool;
  /** By what is in memory, or by asking the portal. @throws when it cannot be decided now */
  check(call: Call): Promise<Check>;
  /** Reads the installations anew. @throws while the database is away */
  reload(): Promise<void>;
  toRun(call: Call, receivedAt: Date): NewRun;
  /** Proves an event and does what it asks; may be repeated. @throws while the database is away */
  handleEvent(form: unknown): Promise<EventResult>;
  /** How long a call that could not be checked is kept. */
  maxHours: number;
  onAccepted(): void;
  now: () => Date;
  log: Log;
}

/**
 * Takes calls into the database, and into the spool while that fails or is slow; drains the spool when the database
 * is back. A run's id makes whatever arrives twice one run.
 */
export function createCallIntake<Call extends { memberId: string }>(ports: CallIntakePorts<Call>) {
  const { writer, spool, now, log } = ports;
  const takeSpooled = createSpooledCalls(ports);
  let away = false;
  let reloading: Promise<void> | null = null;
  let draining: Promise<void> | null = null;
  let stopping = false;
  let ticks = 0;
  /** By `performance.now()`: the spool is not drained before. */
  let notBefore = 0;

  function lost(error: unknown): void {
    if (!away) log.error('database.away', { error });
    away = true;
  }

  /** One question to the database for all who ask at the same time. */
  function reload(): Promise<void> {
    reloading ??= within(RELOAD_MS, ports.reload()).finally(() => {
      reloading = null;
    });
    return reloading;
  }

  async function checked(call: Call): Promise<Check> {
    const result = await ports.check(call);
    if (result !== 'unknown') return result;
    // Installed a moment ago through another process, or unknown only because the database was away.
    await reload();
    return ports.check(call);
  }

  async function keep(entry: Entry<Call>, share?: number): Promise<boolean> {
    try {
      await spool.append(JSON.stringify(entry), share);
      return true;
    } catch (error) {
      log.error('call.not_spooled', { error });
      return false;
    }
  }

  /** @throws an error of the values themselves */
  async function take(call: Call): Promise<Kept> {
    const until = performance.now() + WRITE_WAIT_MS;
    const receivedAt = now();
    let check: Check;
    try {
      check = await within(WRITE_WAIT_MS, checked(call));
    } catch (error) {
      log.warn('call.not_checked', { error });
      const entry = { call, receivedAt: receivedAt.toISOString() };
      return (await keep(entry, UNCHECKED_SHARE)) ? 'accepted' : 'unavailable';
    }
    if (check !== 'ok') return 'forbidden';

    const run = ports.toRun(call, receivedAt);
    if (away && (await keep({ run }))) return 'accepted';
    const written = writer.accept(run);
    try {
      return (await within(until - performance.now(), written)) ? 'accepted' : 'repeated';
    } catch (error) {
      if (isDataError(error)) throw error;
      lost(error);
      if (await keep({ run })) return 'accepted';
      if (!(error instanceof LateError)) return 'unavailable';
    }
    // Neither is certain yet: the database may still answer, and then 503 would be wrong.
    return within(LAST_RESORT_MS, written).then(
      (fresh) => (fresh ? 'accepted' : 'repeated'),
      () => 'unavailable' as const,
    );
  }

  /** Handles an event of a portal, which the platform sends once, or keeps it until the database is back. */
  async function takeEvent(form: unknown): Promise<EventResult | 'unavailable'> {
    const receivedAt = now().toISOString();
    try {
      await within(WRITE_WAIT_MS, reload());
      return await ports.handleEvent(form);
    } catch (error) {
      log.warn('event.not_handled', { error });
      return (await keep({ event: form, receivedAt }, UNCHECKED_SHARE)) ? 'ok' : 'unavailable';
    }
  }

  async function drain(): Promise<void> {
    try {
      // Shows that the database is back, and brings the installations that calls are checked by.
      await reload();
    } catch (error) {
      return lost(error);
    }
    if (away) log.info('database.back');
    away = false;
    const waiting = spool.waiting();
    try {
      await spool.drain(async (texts) => {
        if ((await takeSpooled(texts)) > 0) notBefore = performance.now() + RECHECK_MS;
      });
      if (waiting > 0) log.info('spool.drained', { calls: waiting, left: spool.waiting() });
    } catch (error) {
      log.warn('spool.not_drained', { error, waiting: spool.waiting() });
      notBefore = performance.now() + 1_000;
    }
  }

  function wake(): void {
    ticks += 1;
    const due = away || (spool.waiting() > 0 && performance.now() >= notBefore) || ticks % READ_EVERY === 1;
    if (!due || stopping) return;
    draining ??= drain().finally(() => {
      draining = null;
    });
  }
  let timer: NodeJS.Timeout | undefined;

  return {
    take,
    takeEvent,
    /** The database was reached: from now on what is on the disk goes there. */
    start(): void {
      timer = setInterval(wake, TICK_MS);
      wake();
    },
    /** Does the database answer, within the few seconds that a person in front of a page may wait? */
    isDatabaseThere: () =>
      reload().then(
        () => true,
        () => false,
      ),
    async stop(): Promise<void> {
      stopping = true;
      clearInterval(timer);
      await draining;
      await spool.close();
    },
  };
}
