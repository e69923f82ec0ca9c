import { parseArgs } from 'node:util';
import { ConfigError, parseConfig } from '../src/config.ts';
import { createLog, redact } from '../src/log.ts';
import { checkBackup, restoreBackup } from '../src/store/backup/restore.ts';
import { BackupError } from '../src/store/backup/sealed-file.ts';
import { createSecretKeys, parseSecretKeys } from '../src/store/secrets.ts';
import { openStore } from '../src/store/store.ts';
import type { Shell } from './shell.ts';

const USAGE = 'usage: BACKUP_PASSPHRASE=… npm run restore -- FILE [--replace]';

/** Told to the operator, who then gets exit code 1. */
class Refusal extends Error {}

async function bring({ argv, env, stdout, stderr }: Shell): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv.slice(2),
    allowPositionals: true,
    options: { replace: { type: 'boolean' } },
  });
  const [path, ...rest] = positionals;
  if (path === undefined || rest.length > 0) throw new Refusal(USAGE);
  const passphrase = env['BACKUP_PASSPHRASE'];
  if (!passphrase?.trim())
    throw new Refusal(
      'BACKUP_PASSPHRASE: it is required and missing; the one the backup was made with is meant',
    );
  const config = parseConfig(env);
  const checked = await checkBackup(path, passphrase);
  const store = await openStore({
    databaseUrl: config.DATABASE_URL,
    dataDir: config.DATA_DIR,
    keys: createSecretKeys(parseSecretKeys(checked.keyList)),
    log: createLog('error', (line) => stderr.write(line)),
    now: () => new Date(),
  });
  try {
    await restoreBackup({
      path,
      passphrase,
      checked,
      pool: store.pool,
      dataDir: config.DATA_DIR,
      secretKeys: config.SECRET_KEYS,
      replace: values.replace ?? false,
    });
    stdout.write(
      `restored what was known at ${checked.meta.madeAt}: ${checked.counts.rows['run'] ?? 0} runs; start the service\n`,
    );
  } finally {
    await store.close();
  }
}

/** Brings a backup into an empty place; answers the exit code. */
export async function restore(shell: Shell): Promise<number> {
  try {
    await bring(shell);
    return 0;
  } catch (error) {
    const usage = error instanceof TypeError && 'code' in error;
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const told = error instanceof ConfigError || error instanceof Refusal;
    shell.stderr.write(
      `${
        told
          ? error.message
          : error instanceof BackupError
            ? `nothing was restored: ${error.message}`
            : usage
              ? `${error.message}\n${USAGE}`
              : `${absent ? 'nothing was restored' : 'restore failed'}: ${String(redact((error as Error).message))}`
      }\n`,
    );
    return 1;
  }
}

if (import.meta.main) process.exitCode = await restore(process);
