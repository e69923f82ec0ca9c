import { toClean } from '../../lib/text.ts';
import { errorCode, type PortalErrorKind, toPortalError } from './portal-error.ts';
import { isRecord } from './values.ts';

export interface BatchCommand {
  method: string;
  params: Record<string, unknown>;
}

export type BatchAnswer =
  | { ok: true; result: unknown }
  | {
      ok: false;
      error: string;
      description: string;
      kind: PortalErrorKind;
      retry: boolean;
      retryAfterMs?: number | undefined;
    };

/** The portal takes no more in one hit (bitrix24.md H3). */
export const MAX_BATCH = 50;
/** Rows of a list's page (bitrix24.md H3). */
export const PAGE = 50;

/**
 * The portal puts results of other commands where a text of a batch says `$result[…]` and the like (bitrix24.md F1a): a
 * command with a foreign text of this kind goes alone.
 */
export function isRewritten(command: BatchCommand): boolean {
  return /\$(?:result|total|next|time|error)\[/.test(JSON.stringify(command));
}

/** Commands as the portal wants them: `method?query` in PHP bracket notation (bitrix24.md H3). */
export function toBatchParams(commands: Record<string, BatchCommand>): Record<string, unknown> {
  const cmd: Record<string, string> = {};
  for (const [key, { method, params }] of Object.entries(commands)) {
    const parts: string[] = [];
    for (const [name, value] of Object.entries(params)) write(parts, encodeURIComponent(name), value);
    cmd[key] = parts.length === 0 ? method : `${method}?${parts.join('&')}`;
  }
  return { halt: 0, cmd };
}

function write(parts: string[], name: string, value: unknown): void {
  if (value === null || value === undefined) return;
  if (typeof value === 'object') {
    // An empty list would arrive as `[""]` (B7), so it is left out.
    for (const [key, item] of Object.entries(value))
      write(parts, `${name}[${encodeURIComponent(toClean(key))}]`, item);
    return;
  }
  const text = typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
  // Half a surrogate pair cannot be encoded, and one such text of an older version's row must not fail the whole batch.
  parts.push(`${name}=${encodeURIComponent(toClean(text))}`);
}

/**
 * Reads a batch's `result` by command: 200 says nothing about any of them (bitrix24.md I47). `now` stands in for the
 * portal's clock where a refusal tells only until when it lasts.
 */
export function readBatch(keys: readonly string[], answer: unknown, now: Date): Record<string, BatchAnswer> {
  const envelope = isRecord(answer) ? answer : {};
  // PHP prints an empty map as a list.
  const results = isRecord(envelope['result']) ? envelope['result'] : {};
  const errors = isRecord(envelope['result_error']) ? envelope['result_error'] : {};
  const times = isRecord(envelope['result_time']) ? envelope['result_time'] : {};
  const read: Record<string, BatchAnswer> = {};
  for (const key of keys) {
    if (Object.hasOwn(errors, key)) {
      const error = errors[key];
      const time = isRecord(times[key]) ? times[key] : {};
      const { code, kind, retry, description, retryAfterMs } = toPortalError({
        code: errorCode(isRecord(error) ? error['error'] : error),
        status: null,
        description: isRecord(error) ? error['error_description'] : '',
        resetAt: time['operating_reset_at'] ?? (isRecord(error) ? error['operating_reset_at'] : undefined),
        finishedAt: time['finish'] ?? now.getTime() / 1_000,
      });
      read[key] = { ok: false, error: code, description, kind, retry, retryAfterMs };
    } else if (Object.hasOwn(results, key)) {
      read[key] = { ok: true, result: results[key] };
    } else {
      read[key] = { ok: false, error: 'NO_ANSWER', description: '', kind: 'server', retry: true };
    }
  }
  return read;
}
