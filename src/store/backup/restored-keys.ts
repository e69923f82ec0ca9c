import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../../lib/durable-files.ts';
import { parseSecretKeys } from '../secrets/secrets.ts';
import { isSegment } from '../spool/segment-files.ts';
import { BackupError } from './sealed-file.ts';

/**
 * Decides where the keys of a backup go; the answer writes them. @throws BackupError when the restored rows, or calls that
 * wait in the spool, could then not be opened any more
 */
export async function planKeys(
  keyList: string,
  options: { dataDir: string; secretKeys: string | undefined; replace: boolean },
): Promise<() => Promise<void>> {
  const wanted = parseSecretKeys(keyList);
  const lacks = (list: string) => {
    const here = parseSecretKeys(list);
    return [...wanted].filter(([id, key]) => !here.get(id)?.equals(key)).map(([id]) => id);
  };
  if (options.secretKeys !== undefined) {
    const missing = lacks(options.secretKeys);
    if (missing.length === 0) return async () => undefined;
    throw new BackupError({
      en: `SECRET_KEYS lacks the backup's key ${missing.join(', ')}: add it behind yours, or unset SECRET_KEYS so that the keys are restored to DATA_DIR/keys`,
      ru: `в SECRET_KEYS нет ключа ${missing.join(', ')} из копии: допишите его за своим или уберите SECRET_KEYS, тогда ключи вернутся в DATA_DIR/keys`,
    });
  }
  const path = join(options.dataDir, 'keys');
  const present = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  if (present.trim() !== '' && lacks(present).length === 0) return async () => undefined;
  const spooled = await readdir(join(options.dataDir, 'spool')).catch(() => []);
  if (present.trim() !== '' && !options.replace && spooled.some(isSegment))
    throw new BackupError({
      en: 'DATA_DIR holds calls in its spool that only its present key opens: start the service once so that it takes them in, or add --replace',
      ru: 'в DATA_DIR лежат вызовы, которые открывает только нынешний ключ: запустите сервис один раз, чтобы он их принял, или добавьте --replace',
    });
  return async () => {
    await mkdir(options.dataDir, { recursive: true });
    if (present.trim() !== '') await rename(path, `${path}.before-restore`);
    await writeDurably(path, Buffer.from(`${keyList.trim()}\n`));
  };
}
