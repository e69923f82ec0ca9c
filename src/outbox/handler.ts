import type { DueRow, Lane, Outbox } from '../store/outbox/outbox.ts';

/** A row with its payload, opened from its seal; null where it has none. */
export interface OpenRow extends DueRow {
  content: unknown;
}

/**
 * What became of a row. `retry`: it may pass; `unsure`: it may have been done all the same. `blockedMs`: the recipient takes
 * nothing of the lane for so long. `aside`: it cannot be processed as it is. Null: the handler has written itself what comes next.
 */
export type Outcome =
  | { ok: true }
  | { ok: false; why: 'gone' | 'refused'; reason?: string }
  | { ok: false; why: 'retry'; unsure?: 'failed' | 'lost' }
  | { ok: false; why: 'blocked'; blockedMs: number }
  | { ok: false; why: 'aside'; reason: unknown }
  | null;

export const RETRY: Outcome = { ok: false, why: 'retry' };

/** How the rows of one lane leave. */
export interface Handler {
  lane: Lane;
  queue: Pick<Outbox, 'take' | 'settle'>;
  /** Who can be reached now; paused and removed portals are not. Asked anew each time. */
  recipients(): string[];
  /** Rows of a recipient that are taken together. */
  most: number;
  leaseMs: number;
  /** Seconds between tries; the common ladder where it is absent. */
  ladder?: readonly number[];
  /** What was not told after so long is given up. */
  giveUpMs?: number;
  /** What is refused is tried again after so long, until it is given up. */
  refusedAgainMs?: number;
  /** Something that has to be done before rows are taken; true while there is more of it. */
  prepare?(recipients: string[]): Promise<boolean>;
  /** Another way to take rows than up to `most` of each recipient. */
  take?(recipients: string[], lockedUntil: Date): Promise<DueRow[]>;
  /** Sends rows of one recipient; an outcome for each, in their order. What it throws makes all of them due again. */
  send(recipient: string, rows: OpenRow[]): Promise<Outcome[]>;
}
