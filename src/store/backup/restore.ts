import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type pg from 'pg';
import { writeDurably } from '../../lib/durable-files.ts';
import { isSegment } from '../spool/segment-files.ts';
import type { Counts, Kind, Meta } from './backup.ts';
import { planKeys } from './restored-keys.ts';
import { BackupError, readSealed } from './sealed-file.ts';
import { listTables, lockTables, quoted, readSchema, type Table } from './tables.ts';

/** What a backup holds, after all of it was read and proved whole. */
interface Checked {
  meta: Meta;
  keyList: string;
  counts: Counts;
}

interface Line {
  kind: Kind;
  name: string;
  count: number;
  text: string;
}

/** A database with a row in one of these is in use. */
const WORTH = [
  'keyv',
  'run',
  'past_run',
  'former_crowd',
  'document_slot',
  'counterparty_pair',
  'document_intent',
  'watched_document',
  'outbox',
  'mirrored_task',
  'journal',
];

/**
 * Reads the whole file and changes nothing. `onRows` is told how many rows were read.
 * @throws BackupError when it is not a whole backup of that passphrase
 */
export async function checkBackup(
  path: string,
  passphrase: string,
  onRows: (rows: number) => void = () => undefined,
): Promise<Checked> {
  let read = 0;
  const found: { meta?: Meta; keyList?: string; end?: Counts } = {};
  const seen: Counts = { rows: {}, files: 0 };
  await readLines(path, passphrase, async ({ kind, name, count, text }) => {
    if (kind === 'meta') found.meta = JSON.parse(text);
    if (kind === 'keys') found.keyList = JSON.parse(text);
    if (kind === 'file') seen.files += 1;
    if (kind === 'rows') {
      seen.rows[name] = (seen.rows[name] ?? 0) + count;
      read += count;
      onRows(read);
    }
    if (kind === 'end') found.end = JSON.parse(text);
  });
  const { meta, keyList, end } = found;
  if (!meta || keyList === undefined || !end)
    throw new BackupError({ en: 'the file is no whole backup', ru: 'резервная копия в файле неполная' });
  const whole =
    end.files === seen.files &&
    Object.entries(end.rows).every(([name, count]) => count === (seen.rows[name] ?? 0));
  if (!whole)
    throw new BackupError({ en: 'the file is no whole backup', ru: 'резервная копия в файле неполная' });
  return { meta, keyList, counts: end };
}

/**
 * Puts a checked backup into the database, the spool and DATA_DIR/keys; all rows or none. Runs that somebody worked on
 * are due again.
 * @throws BackupError when the database is of another version, is at work or holds something, and `replace` is false
 */
export async function restoreBackup(options: {
  path: string;
  passphrase: string;
  checked: Checked;
  pool: pg.Pool;
  dataDir: string;
  /** SECRET_KEYS when it is set: then no key is written. */
  secretKeys: string | undefined;
  /** What the database holds is deleted first. */
  replace: boolean;
  /** Told how many rows were put back. */
  onRows?: (rows: number) => void;
}): Promise<void> {
  const { path, passphrase, checked, pool, dataDir } = options;
  const writeKeys = await planKeys(checked.keyList, options);
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    const here = await readSchema(client);
    if (here.join() !== checked.meta.schema.join())
      throw new BackupError({
        en: `the backup was made by version ${checked.meta.version} with tables of ${checked.meta.schema.at(-1)}, and these are of ${here.at(-1)}: restore it with the version that made it, then upgrade`,
        ru: `копия сделана версией ${checked.meta.version} с таблицами ${checked.meta.schema.at(-1)}, а здесь ${here.at(-1)}: восстановите её той же версией, затем обновите`,
      });
    await refuseWork(client);
    await client.query('BEGIN');
    // A slow disk may keep it longer than a process of the service may stand still.
    await client.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    const tables = await listTables(client);
    await lockTables(client, tables);
    if (!options.replace) await refuseWorth(client);
    await client.query(
      `TRUNCATE ${tables.map(({ name }) => quoted(name)).join(', ')} RESTART IDENTITY CASCADE`,
    );
    let rows = 0;
    await readLines(path, passphrase, async (line) => {
      if (line.kind === 'rows') {
        await insert(client, tables, line);
        rows += line.count;
        options.onRows?.(rows);
      }
      if (line.kind === 'file') await putSegment(join(dataDir, 'spool'), line.name, line.text);
    });
    for (const table of tables) await renumber(client, table);
    // The process that held a run when the backup was made does not hold it here.
    await client.query(
      `UPDATE run SET state = 'accepted', holder = NULL, lease_until = NULL WHERE state = 'running'`,
    );
    // Before the commit: rows without their key would be of no use, a key without its rows is only tried again.
    await writeKeys();
    await client.query('COMMIT');
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
  }
}

function readLines(path: string, passphrase: string, handle: (line: Line) => Promise<void>): Promise<void> {
  return pipeline(
    () => readSealed(path, passphrase),
    createGunzip(),
    async (unpacked: AsyncIterable<Buffer>) => {
      let parts: Buffer[] = [];
      for await (const chunk of unpacked) {
        let from = 0;
        for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
          await handle(toLine(Buffer.concat([...parts, chunk.subarray(from, at)]).toString('utf8')));
          parts = [];
          from = at + 1;
        }
        if (from < chunk.length) parts.push(chunk.subarray(from));
      }
    },
  );
}

function toLine(text: string): Line {
  const [kind = '', name = '', count = ''] = text.split('\t', 3);
  const start = kind.length + name.length + count.length + 3;
  return { kind: kind as Kind, name, count: Number(count), text: text.slice(start) };
}

/** PostgreSQL reads the rows as it wrote them; no number or date passes through ours. */
async function insert(client: pg.ClientBase, tables: Table[], { name, text }: Line): Promise<void> {
  const table = tables.find((one) => one.name === name);
  if (table === undefined)
    throw new BackupError({
      en: `the backup has a table ${name} that this version does not know`,
      ru: `в копии есть таблица ${name}, которой эта версия не знает`,
    });
  const columns = table.columns.map(quoted).join(', ');
  await client.query(
    `INSERT INTO ${quoted(name)} (${columns}) OVERRIDING SYSTEM VALUE
     SELECT ${columns} FROM json_populate_recordset(NULL::${quoted(name)}, $1::json)`,
    [text],
  );
}

async function renumber(client: pg.ClientBase, { name, numbered }: Table): Promise<void> {
  for (const column of numbered) {
    await client.query(
      `SELECT setval(pg_get_serial_sequence($1, $2), coalesce(max(${quoted(column)}), 0) + 1, false) FROM ${quoted(name)}`,
      [quoted(name), column],
    );
  }
}

/** Every process of ours keeps connections: the service always, a command while it runs. */
async function refuseWork(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ others: number }>(
    `SELECT count(*)::int AS others FROM pg_stat_activity WHERE datname = current_database()
       AND pid <> pg_backend_pid() AND application_name LIKE 'directum-%'`,
  );
  if (rows[0]?.others)
    throw new BackupError({
      en: 'the service or one of its commands is at work on this database: stop it first',
      ru: 'с этой базой работает сервис или одна из его команд: сначала остановите их',
    });
}

async function refuseWorth(client: pg.ClientBase): Promise<void> {
  for (const name of WORTH) {
    const { rowCount } = await client.query(`SELECT 1 FROM ${quoted(name)} LIMIT 1`);
    if (rowCount)
      throw new BackupError({
        en: `the database is not empty (table ${name}): restore into a new database or DATA_DIR, or add --replace to delete what it holds`,
        ru: `база не пуста (таблица ${name}): восстановите в новую базу или DATA_DIR либо добавьте --replace, чтобы удалить её содержимое`,
      });
  }
}

async function putSegment(folder: string, name: string, base64: string): Promise<void> {
  if (!isSegment(name))
    throw new BackupError({
      en: 'the backup has a file of a strange name',
      ru: 'в копии есть файл с недопустимым именем',
    });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeDurably(join(folder, name), Buffer.from(base64, 'base64'));
}
