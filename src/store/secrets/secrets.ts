import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NotThere, ToldError } from '../db/told-error.ts';

const VERSION = 'v1';
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const ENTRY = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/_-]+={0,2})$/;

/** Encrypts what must not lie open in the database or the spool; the first key encrypts, all decrypt. */
export interface SecretKeys {
  /** Envelope `v1.keyid.iv.tag.data`. `context` (namespace, table) is bound to it: it opens nowhere else. */
  encrypt(text: string, context?: string): string;
  /** @throws SecretError when the key is unknown or the envelope was touched */
  decrypt(envelope: string, context?: string): string;
  /** Hash of a text by a key derived from the first one, which stands in no database. */
  sign(text: string): { keyId: string; hash: string };
  /** The same by a named key; null when it is not in the list. */
  signBy(keyId: string, text: string): string | null;
}

/** An envelope that cannot be opened, or a key list that cannot be read; never holds key or text. */
export class SecretError extends ToldError {
  override readonly name = 'SecretError';
}

interface KeyOptions {
  secretKeys?: string | undefined;
  dataDir: string;
  /** Nothing is made. */
  onlyOpen?: boolean;
}

/**
 * Reads `SECRET_KEYS`, or the `keys` file of DATA_DIR, which is made (0600) when there is none.
 * @throws NotThere instead of making it, with `onlyOpen`
 */
export async function loadSecretKeys(options: KeyOptions): Promise<SecretKeys> {
  return createSecretKeys(parseSecretKeys(await loadKeyList(options)));
}

/** The keys as text, for a backup; made as `loadSecretKeys` makes them. */
export async function loadKeyList({ secretKeys, dataDir, onlyOpen }: KeyOptions): Promise<string> {
  return secretKeys?.trim() || (await (onlyOpen ? readKeys(dataDir) : readOrMakeKeys(dataDir)));
}

async function readKeys(dataDir: string): Promise<string> {
  const path = resolve(dataDir, 'keys');
  const list = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (list !== null) return list.trim();
  throw new NotThere({
    en: `There is no key: SECRET_KEYS is not set and ${path} is not there. Give the service's own SECRET_KEYS or DATA_DIR, or restore the file from a backup.`,
    ru: `Ключа нет: SECRET_KEYS не задан, и файла ${path} нет. Укажите SECRET_KEYS или DATA_DIR самого сервиса или восстановите файл из резервной копии.`,
  });
}

/** `id:base64(32 bytes)`, separated by commas or white space. */
export function parseSecretKeys(list: string): Map<string, Buffer> {
  const keys = new Map<string, Buffer>();
  for (const entry of list.split(/[,\s]+/).filter(Boolean)) {
    const [, id = '', base64 = ''] = ENTRY.exec(entry) ?? [];
    const key = Buffer.from(base64, 'base64');
    if (key.length !== KEY_BYTES) {
      throw new SecretError({
        en: `SECRET_KEYS: entry ${keys.size + 1} is not id:base64(32 bytes)`,
        ru: `SECRET_KEYS: запись ${keys.size + 1} — не id:base64(32 байта)`,
      });
    }
    if (keys.has(id))
      throw new SecretError({
        en: `SECRET_KEYS: id ${id} is given twice`,
        ru: `SECRET_KEYS: id ${id} указан дважды`,
      });
    keys.set(id, key);
  }
  if (keys.size === 0)
    throw new SecretError({ en: 'SECRET_KEYS: no key given', ru: 'SECRET_KEYS: ключа нет' });
  return keys;
}

export function createSecretKeys(keys: ReadonlyMap<string, Buffer>): SecretKeys {
  // As key objects: raw bytes would be wrapped anew for each value.
  const objects = new Map([...keys].map(([id, key]) => [id, createSecretKey(key)]));
  const [first] = objects;
  if (!first) throw new SecretError({ en: 'SECRET_KEYS: no key given', ru: 'SECRET_KEYS: ключа нет' });
  const [currentId, current] = first;
  const signing = new Map([...objects].map(([id, key]) => [id, toSigningKey(key)]));
  const signBy = (keyId: string, text: string): string | null => {
    const key = signing.get(keyId);
    return key === undefined ? null : createHmac('sha256', key).update(text).digest('hex');
  };

  return {
    sign: (text) => ({ keyId: currentId, hash: signBy(currentId, text) ?? '' }),
    signBy,

    encrypt(text, context = '') {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', current, iv, { authTagLength: TAG_BYTES });
      cipher.setAAD(boundTo(currentId, context));
      const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      const parts = [iv, cipher.getAuthTag(), data].map((part) => part.toString('base64url'));
      return [VERSION, currentId, ...parts].join('.');
    },

    decrypt(envelope, context = '') {
      const [version, id, iv, tag, data, ...rest] = envelope.split('.');
      if (version !== VERSION || !id || !iv || !tag || data === undefined || rest.length > 0) {
        throw new SecretError({ en: 'not an encrypted value', ru: 'это не зашифрованное значение' });
      }
      const key = objects.get(id);
      if (!key)
        throw new SecretError({
          en: `no key with id ${id.slice(0, 32)} in SECRET_KEYS`,
          ru: `в SECRET_KEYS нет ключа с id ${id.slice(0, 32)}`,
        });
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url'), {
          authTagLength: TAG_BYTES,
        });
        decipher.setAAD(boundTo(id, context));
        decipher.setAuthTag(Buffer.from(tag, 'base64url'));
        return decipher.update(data, 'base64url', 'utf8') + decipher.final('utf8');
      } catch {
        throw new SecretError({
          en: `value encrypted with key ${id} cannot be opened: another key or altered data`,
          ru: `значение, зашифрованное ключом ${id}, не открывается: другой ключ или изменённые данные`,
        });
      }
    },
  };
}

/** One key for one use: what signs must not also encrypt. */
function toSigningKey(key: KeyObject): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', 'journal', KEY_BYTES));
}

function boundTo(id: string, context: string): Buffer {
  return Buffer.from(`${VERSION}.${id}.${context}`);
}

/** Two processes may start at once: the one that makes the file first wins, the other reads it. */
async function readOrMakeKeys(dataDir: string): Promise<string> {
  const path = join(dataDir, 'keys');
  await mkdir(dataDir, { recursive: true });
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(`k1:${randomBytes(KEY_BYTES).toString('base64')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  for (let attempt = 0; ; attempt += 1) {
    const text = (await readFile(path, 'utf8')).trim();
    if (text) return text;
    // An empty file is being written just now, or its writer died: then a person must decide.
    if (attempt === 40)
      throw new SecretError({
        en: `${path} is empty: restore it, or delete it if nothing was stored yet`,
        ru: `${path} пуст: восстановите его или удалите, если ничего ещё не сохранялось`,
      });
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
