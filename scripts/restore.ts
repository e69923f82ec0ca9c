import { parseArgs } from 'node:util';
import { ConfigError, parseConfig } from '../src/config.ts';
import { createLog, redact } from '../src/log.ts';
import { checkBackup, restoreBackup } from '../src/store/backup/restore.ts';
import { BackupError } from '../src/store/backup/sealed-file.ts';
import { createSecretKeys, parseSecretKeys } from '../src/store/secrets.ts';
import { openStore } from '../src/store/store.ts';

const USAGE = 'usage: BACKUP_PASSPHRASE=… npm run restore -- FILE [--replace]';

/** Told to the operator, who then gets exit code 1. */
class Refusal extends Error {}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2),
    allowPositionals: true,
    options: { replace: { type: 'boolean' } },
  });
  const [path, ...rest] = positionals;
  if (path === undefined || rest.length > 0) throw new Refusal(USAGE);
  const passphrase = process.env['BACKUP_PASSPHRASE'];
  if (!passphrase?.trim())
    throw new Refusal(
      'BACKUP_PASSPHRASE: it is required and missing; the one the backup was made with is meant',
    );
  const config = parseConfig(process.env);
  const checked = await checkBackup(path, passphrase);
  const store = await openStore({
    databaseUrl: config.DATABASE_URL,
    dataDir: config.DATA_DIR,
    keys: createSecretKeys(parseSecretKeys(checked.keyList)),
    log: createLog('error', (line) => process.stderr.write(line)),
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
    process.stdout.write(
      `restored what was known at ${checked.meta.madeAt}: ${checked.counts.rows['run'] ?? 0} runs; start the service\n`,
    );
  } finally {
    await store.close();
  }
}

try {
  await main();
} catch (error) {
  const usage = error instanceof TypeError && 'code' in error;
  const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
  const told = error instanceof ConfigError || error instanceof Refusal;
  process.stderr.write(
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
  process.exitCode = 1;
}
