import { join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };
import { defineCommand, Misuse, obey, Refusal } from '../src/command/command.ts';
import { createLog } from '../src/log.ts';
import { writeBackup } from '../src/store/backup/backup.ts';
import { requireEmbedded } from '../src/store/postgres/embedded.ts';
import { createSecretKeys, loadKeyList, parseSecretKeys } from '../src/store/secrets/secrets.ts';
import { openStore } from '../src/store/store.ts';
import { isShort, LEAST_PASSPHRASE } from './backup-passphrase.ts';

/** Writes everything the package knows into one sealed file. */
export const backup = defineCommand(
  {
    call: 'npm run backup',
    about: {
      en: 'Writes everything the service knows into one encrypted file: all rows, the calls in the spool and the keys. The service may be at work.',
      ru: 'Записывает всё, что знает сервис, в один зашифрованный файл: все строки базы, вызовы из спула и ключи. Сервис при этом может работать.',
    },
    forms: ['FILE'],
    words: 1,
    options: {},
    notes: {
      en: `The setting BACKUP_PASSPHRASE holds the passphrase, ${LEAST_PASSPHRASE} characters or more; a restore needs the same one. A file of that name is replaced.\nExit code: 0 written, 1 not.`,
      ru: `Парольная фраза берётся из настройки BACKUP_PASSPHRASE, не короче ${LEAST_PASSPHRASE} знаков; для восстановления нужна та же. Файл с тем же именем заменяется.\nКод выхода: 0 — записано, 1 — нет.`,
    },
  },
  async ({ words: [path], shell, config, print, progress, say }) => {
    if (path === undefined)
      throw new Misuse({ en: 'FILE is missing: where to write to', ru: 'не указан FILE: куда записать' });
    const passphrase = shell.env['BACKUP_PASSPHRASE'];
    const settings = config();
    if (!passphrase?.trim())
      throw new Refusal({
        en: 'BACKUP_PASSPHRASE: it is required and missing; a restore needs the same one',
        ru: 'BACKUP_PASSPHRASE: настройка обязательна, а её нет; для восстановления нужна та же фраза',
      });
    if (isShort(passphrase))
      throw new Refusal({
        en: `BACKUP_PASSPHRASE: ${LEAST_PASSPHRASE} characters at least are expected; the file holds all keys`,
        ru: `BACKUP_PASSPHRASE: нужно не меньше ${LEAST_PASSPHRASE} знаков; в файле лежат все ключи`,
      });
    const now = () => new Date();
    if (settings.DATABASE_URL === undefined) await requireEmbedded(settings.DATA_DIR);
    const dataDir = settings.DATA_DIR;
    const keyList = await loadKeyList({ secretKeys: settings.SECRET_KEYS, dataDir, onlyOpen: true });
    const store = await openStore({
      databaseUrl: settings.DATABASE_URL,
      dataDir,
      keys: createSecretKeys(parseSecretKeys(keyList)),
      log: createLog('error', (line) => shell.stderr.write(line)),
      now,
      onlyOpen: true,
    });
    try {
      const counts = await writeBackup({
        path,
        passphrase,
        pool: store.pool,
        keyList,
        spoolFolder: join(dataDir, 'spool'),
        version: manifest.version,
        madeAt: now(),
        onRows: (rows) => progress({ en: `${rows} rows written`, ru: `записано строк: ${rows}` }),
      });
      const rows = Object.values(counts.rows).reduce((sum, count) => sum + count, 0);
      const runs = counts.rows['run'] ?? 0;
      print(
        say({
          en: `${path}: ${rows} rows (${runs} runs), ${counts.files} spool files, the keys`,
          ru: `${path}: строк ${rows} (запусков ${runs}), файлов спула ${counts.files}, ключи`,
        }),
      );
      return 0;
    } finally {
      await store.close();
    }
  },
);

if (import.meta.main) process.exitCode = await obey(backup, process);
