import type { Buffer } from 'node:buffer';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type pg from 'pg';
import { isSegment } from '../spool/segment-files.ts';
import { writeSealed } from './sealed-file.ts';
import { listTables, quoted, readSchema } from './tables.ts';

/** First line of a backup. */
export interface Meta {
  /** Of the package that made it. */
  version: string;
  madeAt: string;
  /** Names of the migrations its tables had. */
  schema: string[];
}

/**
 * Content of a backup, unsealed and unpacked: lines of a kind, a name, a count and a text, separated by tabs.
 * `rows`: JSON rows of a table as PostgreSQL writes them; `file`: base64; `end`: the last line, with all counts.
 */
export type Kind = 'meta' | 'keys' | 'file' | 'rows' | 'end';

export interface Counts {
  rows: Record<string, number>;
  files: number;
}

/** Rows that are in memory at a time; a run's call may be more than a megabyte. */
const FETCH = 100;

/**
 * Writes everything the package knows to `path`: all rows as one moment shows them, the spool and the keys, sealed
 * with `passphrase`. The service may be at work. Answers what was written.
 */
export async function writeBackup(options: {
  path: string;
  passphrase: string;
  pool: pg.Pool;
  /** `id:base64`, as SECRET_KEYS has it. */
  keyList: string;
  spoolFolder: string;
  version: string;
  madeAt: Date;
  /** Told how many rows were written. */
  onRows?: (rows: number) => void;
}): Promise<Counts> {
  const { pool, keyList, version, madeAt } = options;
  let written = 0;
  const counts: Counts = { rows: {}, files: 0 };
  const client = await pool.connect();

  async function* lines(): AsyncGenerator<string> {
    // Before the rows: a call taken out of the spool meanwhile is then in both, and the same run in both.
    const files = await readSpool(options.spoolFolder);
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    // A slow disk may keep it longer than a process of the service may stand still.
    await client.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    const meta: Meta = { version, madeAt: madeAt.toISOString(), schema: await readSchema(client) };
    yield line('meta', '', 1, JSON.stringify(meta));
    yield line('keys', '', 1, JSON.stringify(keyList));
    for (const [name, data] of files) {
      yield line('file', name, 1, data.toString('base64'));
      counts.files += 1;
    }
    for (const table of await listTables(client)) {
      counts.rows[table.name] = 0;
      await client.query(
        `DECLARE backup NO SCROLL CURSOR FOR SELECT row_to_json(t)::text AS row
         FROM (SELECT ${table.columns.map(quoted).join(', ')} FROM ${quoted(table.name)}) t`,
      );
      for (;;) {
        const { rows } = await client.query<{ row: string }>(`FETCH ${FETCH} FROM backup`);
        if (rows.length === 0) break;
        counts.rows[table.name] = (counts.rows[table.name] ?? 0) + rows.length;
        yield line('rows', table.name, rows.length, `[${rows.map(({ row }) => row).join(',')}]`);
        written += rows.length;
        options.onRows?.(written);
      }
      await client.query('CLOSE backup');
    }
    await client.query('COMMIT');
    yield line('end', '', 1, JSON.stringify(counts));
  }

  let broken: Error | undefined;
  try {
    await pipeline(lines, createGzip(), (packed: AsyncIterable<Buffer>) =>
      writeSealed(options.path, options.passphrase, packed),
    );
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
  }
  return counts;
}

function line(kind: Kind, name: string, count: number, text: string): string {
  return `${kind}\t${name}\t${count}\t${text}\n`;
}

/** Whole lines of every segment; when one is renamed by a drain meanwhile, the folder is read again. */
async function readSpool(folder: string): Promise<Map<string, Buffer>> {
  for (;;) {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    const files = new Map<string, Buffer>();
    try {
      for (const name of names.filter(isSegment)) {
        const data = await readFile(join(folder, name));
        // A torn last line is a call that has not been answered yet.
        files.set(name, data.subarray(0, data.lastIndexOf(10) + 1));
      }
      return files;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
