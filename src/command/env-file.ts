import { readFileSync } from 'node:fs';
import type { Problem } from '../config.ts';

const NAME = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)$/;
const COMMENT = /^\s*(?:#.*)?$/;
/** A quoted value, or an open one, which ends before a `#` that stands behind a space; then at most a comment. */
const SINGLE = /^'([^']*)'\s*(?:#.*)?$/;
const DOUBLE = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/;
const OPEN = /^\s*((?!['"])\S.*?)?(?:\s+#.*|\s*)$/;

/** What an `.env` file gives, and the lines that cannot be read. */
interface EnvFile {
  values: Record<string, string>;
  problems: Problem[];
}

/**
 * Reads `.env` as a shell does: quotes, `export`, comments; CRLF and a byte order mark are fine. Node's own reader takes
 * `pass#word` for `pass`, `"a\n"` for a line break, and a line without `=` for nothing; a password must not change its
 * value between a shell, compose and this.
 */
export function parseEnvFile(bytes: Uint8Array): EnvFile {
  const found: EnvFile = { values: {}, problems: [] };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    found.problems.push({
      name: '.env',
      text: { en: 'a text file in UTF-8 is expected', ru: 'нужен текстовый файл в кодировке UTF-8' },
    });
    return found;
  }
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (COMMENT.test(line)) continue;
    const [, name, raw = ''] = NAME.exec(line) ?? [];
    const value = toValue(raw);
    if (name !== undefined && value !== null) found.values[name] = value;
    // The line itself may hold a password.
    else found.problems.push({ name: `.env:${index + 1}`, text: UNREADABLE });
  }
  return found;
}

const UNREADABLE = {
  en: "NAME=value is expected, with a value that holds spaces or quotes in '…', on one line",
  ru: "нужна строка вида ИМЯ=значение; значение с пробелами или кавычками пишется в '…', в одну строку",
};

function toValue(raw: string): string | null {
  const text = raw.trim();
  const single = SINGLE.exec(text);
  if (single) return single[1] ?? '';
  const double = DOUBLE.exec(text);
  if (double) return (double[1] ?? '').replace(/\\(["\\$`])/g, '$1');
  if (/^\s+#/.test(raw)) return '';
  const open = OPEN.exec(raw);
  return open ? (open[1] ?? '') : null;
}

/** The `.env` of a folder; one that is not there gives nothing. */
export function readEnvFile(path: string): EnvFile {
  try {
    return parseEnvFile(readFileSync(path));
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code);
    if (code === 'ENOENT') return { values: {}, problems: [] };
    const text = { en: `it cannot be read (${code})`, ru: `файл не читается (${code})` };
    return { values: {}, problems: [{ name: '.env', text }] };
  }
}
