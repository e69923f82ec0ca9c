import { within } from '../lib/work/timeout.ts';
import type { Readiness } from './app.ts';

/** A database that is silent for so long counts as down for /readyz and /metrics. */
export const DATABASE_MS = 2_000;
/** How long a first question about readiness waits for Directum's first answer. */
const FIRST_PROBE_MS = 1_000;

interface ReadinessPorts {
  spool: { state(): Promise<'ok' | 'down'>; waiting(): number };
  /** Does Directum withhold documents for lost rights? @throws while the database is away */
  isBlind(): Promise<boolean>;
  /** Null before the database was reached: nobody has asked Directum yet. */
  directum(): { first: Promise<void>; state(): 'ok' | 'down' } | null;
  /** Those of removed applications count for nothing. */
  installations(): readonly { state: 'active' | 'paused' | 'uninstalled' }[];
}

/** What /readyz says (interface.md §2). */
export function createReadiness(ports: ReadinessPorts): () => Promise<Readiness> {
  return async () => {
    const probe = ports.directum();
    if (probe !== null) await within(FIRST_PROBE_MS, probe.first).catch(() => undefined);
    const [isBlind, spool] = await Promise.all([
      within(DATABASE_MS, ports.isBlind()).catch(() => null),
      ports.spool.state(),
    ]);
    const live = ports.installations().filter(({ state }) => state !== 'uninstalled');
    return {
      ready: isBlind !== null || spool === 'ok',
      database: isBlind === null ? 'down' : 'ok',
      spool: { state: spool, waiting: ports.spool.waiting() },
      directum: isBlind === true ? 'down' : (probe?.state() ?? 'down'),
      portals: { total: live.length, ok: live.filter(({ state }) => state === 'active').length },
    };
  };
}
