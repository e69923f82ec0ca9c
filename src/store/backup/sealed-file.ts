import { createCipheriv, createDecipheriv, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeWhole } from '../../lib/durable-files.ts';
import { ToldError } from '../db/told-error.ts';

/** The file is not a backup, was cut or altered, or the passphrase is another; nothing was done with it. */
export class BackupError extends ToldError {
  override readonly name = 'BackupError';
}

const MAGIC = Buffer.from('bitrix24-directum-robots backup 1\n');
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** Tells a wrong passphrase from a damaged file. */
const CHECK_BYTES = 16;
const TAG_BYTES = 16;
const LENGTH_BYTES = 4;
const FRAME_BYTES = 64 * 1024;
const LAST = 0x8000_0000;
const SCRYPT = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const HEADER_BYTES = MAGIC.length + SALT_BYTES + CHECK_BYTES;

/**
 * Writes `content` to `path`, encrypted with a key made of `passphrase` (scrypt, AES-256-GCM in frames of 64 KiB).
 * The file appears under its name only when complete and on the disk; a file of that name is then replaced.
 */
export async function writeSealed(
  path: string,
  passphrase: string,
  content: AsyncIterable<Buffer>,
): Promise<void> {
  const salt = randomBytes(SALT_BYTES);
  const { key, check } = await derive(passphrase, salt);
  const header = Buffer.concat([MAGIC, salt, check]);
  await writeWhole(path, async (file) => {
    await file.writeFile(header);
    let number = 0;
    let rest = Buffer.alloc(0);
    for await (const chunk of content) {
      rest = Buffer.concat([rest, chunk]);
      // One byte at least stays for the frame that is marked as the last.
      while (rest.length > FRAME_BYTES) {
        await file.writeFile(sealFrame(key, header, number, rest.subarray(0, FRAME_BYTES), false));
        rest = rest.subarray(FRAME_BYTES);
        number += 1;
      }
    }
    await file.writeFile(sealFrame(key, header, number, rest, true));
  });
}

/**
 * The content of a sealed file, frame by frame; what came is only sure to be whole when the iteration ended.
 * @throws BackupError
 */
export async function* readSealed(path: string, passphrase: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  let opened: { key: Buffer; header: Buffer } | null = null;
  let number = 0;
  let ended = false;
  for await (const chunk of createReadStream(path)) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    if (opened === null) {
      if (!MAGIC.subarray(0, rest.length).equals(rest.subarray(0, MAGIC.length)))
        throw new BackupError({
          en: 'the file is not a backup of this service',
          ru: 'файл — не резервная копия этого сервиса',
        });
      if (rest.length < HEADER_BYTES) continue;
      const header = rest.subarray(0, HEADER_BYTES);
      const { key, check } = await derive(
        passphrase,
        header.subarray(MAGIC.length, MAGIC.length + SALT_BYTES),
      );
      if (!timingSafeEqual(check, header.subarray(-CHECK_BYTES)))
        throw new BackupError({
          en: 'BACKUP_PASSPHRASE is not the one the file was made with',
          ru: 'BACKUP_PASSPHRASE не та, с которой сделан файл',
        });
      opened = { key, header };
      rest = rest.subarray(HEADER_BYTES);
    }
    while (rest.length >= LENGTH_BYTES) {
      const mark = rest.readUInt32BE(0);
      const last = mark >= LAST;
      const length = last ? mark - LAST : mark;
      if (ended || length > FRAME_BYTES) throw damaged();
      const end = LENGTH_BYTES + length + TAG_BYTES;
      if (rest.length < end) break;
      yield openFrame(opened.key, opened.header, number, rest.subarray(LENGTH_BYTES, end), last);
      rest = rest.subarray(end);
      number += 1;
      ended = last;
    }
  }
  if (opened === null)
    throw new BackupError({
      en: 'the file is not a backup of this service, or it was cut',
      ru: 'файл — не резервная копия этого сервиса, или он обрезан',
    });
  if (!ended)
    throw new BackupError({ en: 'the file was cut: its end is missing', ru: 'файл обрезан: нет конца' });
  if (rest.length > 0) throw damaged();
}

function damaged(): BackupError {
  return new BackupError({
    en: 'the file is damaged: a part of it was altered',
    ru: 'файл повреждён: часть его изменена',
  });
}

function sealFrame(key: Buffer, header: Buffer, number: number, data: Buffer, last: boolean): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce(number), { authTagLength: TAG_BYTES });
  cipher.setAAD(bound(header, last));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(last ? data.length + LAST : data.length);
  return Buffer.concat([length, cipher.update(data), cipher.final(), cipher.getAuthTag()]);
}

function openFrame(key: Buffer, header: Buffer, number: number, sealed: Buffer, last: boolean): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce(number), { authTagLength: TAG_BYTES });
  decipher.setAAD(bound(header, last));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch {
    throw damaged();
  }
}

/** A key serves one file, so the number of the frame never repeats under it; it also keeps the frames in order. */
function nonce(number: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64BE(BigInt(number), 4);
  return bytes;
}

function bound(header: Buffer, last: boolean): Buffer {
  return Buffer.concat([header, Buffer.from([last ? 1 : 0])]);
}

async function derive(passphrase: string, salt: Buffer): Promise<{ key: Buffer; check: Buffer }> {
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    scrypt(passphrase.normalize('NFC'), salt, KEY_BYTES + CHECK_BYTES, SCRYPT, (error, made) =>
      error ? reject(error) : resolve(made),
    );
  });
  return { key: bytes.subarray(0, KEY_BYTES), check: bytes.subarray(KEY_BYTES) };
}
