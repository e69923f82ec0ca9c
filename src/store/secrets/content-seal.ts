import type { Log } from '../../robot/ports/log.ts';
import { SecretError, type SecretKeys } from './secrets.ts';

/** What is sealed, by its column; the text of an attempt goes with the run's end into `run`, `run_attempt` and `failure`. */
export type Content =
  | 'assignment.seen'
  | 'cache_entry.value'
  | 'document.dates'
  | 'document.observed'
  | 'document_slot.shown'
  | 'run.outcome'
  | 'run.text'
  | 'wait.facts'
  | 'watched_document.shown';

/**
 * Seals what people wrote or are called before it goes into a `jsonb` column, as a JSON string that holds an envelope of the
 * keys, bound to `content`. An object in such a column is what an earlier version wrote: it is read as it is until
 * FormerContent has sealed it.
 */
export interface ContentSeal {
  /** As a part of JSON that a statement takes apart. */
  seal(content: Content, value: unknown): unknown;
  /** As the value of a column. */
  toColumn(content: Content, value: unknown): string | null;
  /** Null also for what cannot be opened, because its key is gone: that is logged once for each content. */
  open<T>(content: Content, kept: unknown): T | null;
  /** False while a process of an earlier version, which could not read it, is connected: then nothing is sealed. */
  isOn(): boolean;
  /** Finds out whether such a process is still there; once there was none, nothing is asked any more. */
  look(): Promise<void>;
}

export function createContentSeal(options: {
  keys: Pick<SecretKeys, 'encrypt' | 'decrypt'>;
  isOlderConnected: () => Promise<boolean>;
  log: Log;
}): ContentSeal {
  const { keys, isOlderConnected, log } = options;
  const told = new Set<Content>();
  let on = false;

  function unreadable(content: Content, error: unknown): null {
    if (!told.has(content)) log.error('content.unreadable', { content, error });
    told.add(content);
    return null;
  }

  function seal(content: Content, value: unknown): unknown {
    if (value === null || value === undefined) return null;
    return on ? keys.encrypt(JSON.stringify(value), content) : value;
  }

  return {
    seal,
    toColumn(content, value) {
      const sealed = seal(content, value);
      return sealed === null ? null : JSON.stringify(sealed);
    },
    open<T>(content: Content, kept: unknown): T | null {
      if (typeof kept !== 'string') return kept as T | null;
      try {
        return JSON.parse(keys.decrypt(kept, content));
      } catch (error) {
        if (!(error instanceof SecretError)) throw error;
        return unreadable(content, error);
      }
    },
    isOn: () => on,
    async look() {
      if (!on) on = !(await isOlderConnected());
    },
  };
}
