import { defineCommand, Misuse, obey, Refusal } from '../src/command/command.ts';
import { toMoment } from '../src/command/moment.ts';
import { tell } from '../src/command/trouble.ts';
import { createLog } from '../src/log.ts';
import { checkBackup, restoreBackup } from '../src/store/backup/restore.ts';
import { createSecretKeys, parseSecretKeys } from '../src/store/secrets/secrets.ts';
import { openStore } from '../src/store/store.ts';

/** Brings a backup into an empty place. */
export const restore = defineCommand(
  {
    call: 'npm run restore',
    about: {
      en: 'Puts a backup into an empty DATA_DIR or database. The service must not run. The whole file is proved before anything is changed.',
      ru: 'Возвращает резервную копию в пустую папку DATA_DIR или пустую базу. Сервис должен быть остановлен. Файл проверяется целиком до любых изменений.',
    },
    forms: ['FILE [--replace]'],
    words: 1,
    options: {
      replace: {
        about: { en: 'first deletes what the database holds', ru: 'сначала удаляет содержимое базы' },
      },
    },
    notes: {
      en: 'The setting BACKUP_PASSPHRASE holds the passphrase the file was made with.\nExit code: 0 restored, 1 nothing was.',
      ru: 'В настройке BACKUP_PASSPHRASE — парольная фраза, с которой сделан файл.\nКод выхода: 0 — восстановлено, 1 — ничего не изменено.',
    },
  },
  async ({ words: [path], values, shell, config, print, progress, say }) => {
    if (path === undefined)
      throw new Misuse({ en: 'FILE is missing: the backup', ru: 'не указан FILE: резервная копия' });
    const settings = config();
    const passphrase = shell.env['BACKUP_PASSPHRASE'];
    if (!passphrase?.trim())
      throw new Refusal({
        en: 'BACKUP_PASSPHRASE: it is required and missing; the one the backup was made with is meant',
        ru: 'BACKUP_PASSPHRASE: настройка обязательна, а её нет; нужна фраза, с которой сделана копия',
      });
    try {
      const checked = await checkBackup(path, passphrase, (rows) =>
        progress({ en: `checking the file: ${rows} rows`, ru: `проверка файла: строк ${rows}` }),
      );
      const all = Object.values(checked.counts.rows).reduce((sum, count) => sum + count, 0);
      const store = await openStore({
        databaseUrl: settings.DATABASE_URL,
        dataDir: settings.DATA_DIR,
        keys: createSecretKeys(parseSecretKeys(checked.keyList)),
        log: createLog('error', (line) => shell.stderr.write(line)),
        now: () => new Date(),
      });
      try {
        await restoreBackup({
          path,
          passphrase,
          checked,
          pool: store.pool,
          dataDir: settings.DATA_DIR,
          secretKeys: settings.SECRET_KEYS,
          replace: values.replace ?? false,
          onRows: (rows) =>
            progress({ en: `${rows} of ${all} rows restored`, ru: `восстановлено строк: ${rows} из ${all}` }),
        });
      } finally {
        await store.close();
      }
      const at = toMoment(new Date(checked.meta.madeAt), settings.TIME_ZONE);
      const runs = checked.counts.rows['run'] ?? 0;
      print(
        say({
          en: `restored what was known at ${at}: ${runs} runs; start the service`,
          ru: `восстановлено то, что было известно на ${at}: запусков ${runs}; запустите сервис`,
        }),
      );
      return 0;
    } catch (error) {
      // All rows are put back or none, whatever went wrong.
      const { en, ru } = tell(error, settings);
      throw new Refusal({ en: `nothing was restored: ${en}`, ru: `ничего не восстановлено: ${ru}` });
    }
  },
);

if (import.meta.main) process.exitCode = await obey(restore, process);
