import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, parseConfig } from '../src/config.ts';
import { createLog, redact } from '../src/log.ts';
import { writeBackup } from '../src/store/backup/backup.ts';
import { createSecretKeys, loadKeyList, parseSecretKeys } from '../src/store/secrets.ts';
import { openStore } from '../src/store/store.ts';
import type { Shell } from './shell.ts';

const USAGE = 'usage: BACKUP_PASSPHRASE=… npm run backup -- FILE';

/** Told to the operator, who then gets exit code 1. */
class Refusal extends Error {}

async function write({ argv, env, stdout, stderr }: Shell): Promise<void> {
  const [path, ...rest] = argv.slice(2);
  if (path === undefined || path.startsWith('-') || rest.length > 0) throw new Refusal(USAGE);
  const passphrase = env['BACKUP_PASSPHRASE'];
  if (!passphrase?.trim())
    throw new Refusal('BACKUP_PASSPHRASE: it is required and missing; a restore needs the same one');
  const config = parseConfig(env);
  const now = () => new Date();
  const log = createLog('error', (line) => stderr.write(line));
  const keyList = await loadKeyList({ secretKeys: config.SECRET_KEYS, dataDir: config.DATA_DIR });
  const store = await openStore({
    databaseUrl: config.DATABASE_URL,
    dataDir: config.DATA_DIR,
    keys: createSecretKeys(parseSecretKeys(keyList)),
    log,
    now,
  });
  try {
    const counts = await writeBackup({
      path,
      passphrase,
      pool: store.pool,
      keyList,
      spoolFolder: join(config.DATA_DIR, 'spool'),
      version: JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')).version,
      madeAt: now(),
    });
    const rows = Object.values(counts.rows).reduce((sum, count) => sum + count, 0);
    stdout.write(
      `${path}: ${rows} rows (${counts.rows['run'] ?? 0} runs), ${counts.files} spool files, the keys\n`,
    );
  } finally {
    await store.close();
  }
}

/** Writes everything the package knows into one sealed file; answers the exit code. */
export async function backup(shell: Shell): Promise<number> {
  try {
    await write(shell);
    return 0;
  } catch (error) {
    const told = error instanceof ConfigError || error instanceof Refusal;
    shell.stderr.write(
      `${told ? error.message : `backup failed: ${String(redact((error as Error).message))}`}\n`,
    );
    return 1;
  }
}

if (import.meta.main) process.exitCode = await backup(process);
