import { pino } from 'pino';
import { cut } from './lib/text.ts';
import type { Log } from './robot/ports/log.ts';

/** Keys whose values never reach the output, at any depth. */
const SECRET = /token|secret|password|authorization|refresh|access|auth$|urlmachine|cookie|passphrase/i;
const MAX_TEXT = 2000;
/** The rest of a longer list is only counted. */
const MOST_ITEMS = 50;
/** A password may hold any character: all is hidden up to the last @, or to the end of a text that was cut before it. */
const DATABASE_URL = /(postgres(?:ql)?:\/\/)(?:.*@|[^/]*:.*)/gi;

/** Copies facts for the log without secrets, functions or endless texts. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') {
    return cut(value, MAX_TEXT)
      .replace(/([?&](?:auth|access_token|refresh_token|token|client_secret|code)=)[^&\s"']+/gi, '$1[hidden]')
      .replace(/([?&](?:ssl)?password=)[^&\n]*/gi, '$1[hidden]')
      .replace(DATABASE_URL, '$1[hidden]@')
      .replace(/(http:\/\/[^:@/\s]+:)[^@\s]+@/gi, '$1[hidden]@')
      .replace(/\b(Basic|Bearer)\s+[A-Za-z0-9+/_.=-]{6,}/g, '$1 [hidden]');
  }
  if (value instanceof Error) {
    const code = 'code' in value ? value.code : undefined;
    return redact(
      {
        name: value.name,
        message: value.message,
        code,
        stack: value.stack?.split('\n').slice(1, 6).join(' | '),
      },
      depth,
    );
  }
  if (Array.isArray(value)) {
    if (depth > 5) return '[deep]';
    const more = value.length - MOST_ITEMS;
    const shown = value.slice(0, MOST_ITEMS).map((item) => redact(item, depth + 1));
    return more > 0 ? [...shown, `+${more}`] : shown;
  }
  if (value !== null && typeof value === 'object') {
    if (depth > 5) return '[deep]';
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        SECRET.test(key) && typeof item === 'string' ? '[hidden]' : redact(item, depth + 1),
      ]),
    );
  }
  return typeof value === 'function' ? undefined : value;
}

/** The one writer of logs: JSON lines on standard output, redacted. */
export function createLog(
  level: string,
  write: (line: string) => void = (line) => process.stdout.write(line),
): Log {
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
  return toLog((how, event, facts) => logger[how](redact(facts) as object, event));
}

/** The same log with facts that every line carries. */
export function scopeLog(log: Log, scope: Record<string, unknown>): Log {
  return toLog((how, event, facts) => log[how](event, { ...scope, ...facts }));
}

type Level = keyof Log;

function toLog(write: (level: Level, event: string, facts: Record<string, unknown>) => void): Log {
  return {
    debug: (event, facts = {}) => write('debug', event, facts),
    info: (event, facts = {}) => write('info', event, facts),
    warn: (event, facts = {}) => write('warn', event, facts),
    error: (event, facts = {}) => write('error', event, facts),
  };
}
