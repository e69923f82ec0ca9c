import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cutFileName, shorten } from '../../lib/text.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { DirectumPort } from '../../robot/ports/directum.ts';
import type { StoredFile } from '../../robot/ports/files.ts';
import { lostRights } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import type { Reader } from '../odata/list-reader.ts';
import type { Metadata } from '../odata/metadata.ts';
import { idOf, isRow, type Row, textOf } from '../odata/rows.ts';
import { DOCUMENTS } from '../odata/visibility.ts';

const LEAF = 'OfficialDocument';
/** What the portal takes in one request, with a third more for base64 (bitrix24.md F). */
const MAX_FILE = 50 * 1024 * 1024;

interface Ports {
  transport: Transport;
  reader: Reader;
  metadata: Metadata;
}

/** The signed file of a document: its PDF if there is one, else the last version (directum.md C.2). */
export function createSignedFile({
  transport,
  reader,
  metadata,
}: Ports): DirectumPort['states']['fetchSigned'] {
  /** Streams a body into a file of this machine, hashing what passes. */
  async function bring(path: string, name: string): Promise<StoredFile | 'none' | 'lost'> {
    const folder = await mkdtemp(join(tmpdir(), 'directum-signed-'));
    const remove = () => rm(folder, { recursive: true, force: true });
    const target = join(folder, 'body');
    let size = 0;
    let hash = createHash('sha256');
    const opened: { handle?: FileHandle } = {};
    try {
      const found = await transport.download(path, {
        async reset() {
          await opened.handle?.close();
          opened.handle = await open(target, 'w', 0o600);
          size = 0;
          hash = createHash('sha256');
        },
        async write(chunk) {
          size += chunk.byteLength;
          if (size > MAX_FILE) throw tooLarge(name);
          hash.update(chunk);
          await opened.handle?.write(chunk);
        },
      });
      await opened.handle?.close();
      if (found !== 'bytes' || size === 0) {
        await remove();
        return found === 'lost' ? 'lost' : 'none';
      }
    } catch (error) {
      await opened.handle?.close().catch(() => undefined);
      await remove();
      throw error;
    }
    return { name, size, sha256: hash.digest('hex'), body: bytesOf(target), cancel: remove };
  }

  return async (document: { id: number; name: string }): Promise<StoredFile> => {
    const can = await metadata.capabilities();
    const set = can.need(LEAF);
    const application = { select: ['Id', 'Extension'] };
    const hasOwn = can.property('ElectronicDocumentVersions', 'BodyAssociatedApplication') !== null;
    const versions = {
      select: ['Id', 'Number', 'IsHidden'],
      expand: {
        AssociatedApplication: application,
        ...(hasOwn && { BodyAssociatedApplication: application }),
      },
    };
    const row = await reader.one(set, document.id, {
      select: ['Id'],
      expand: { Versions: versions },
    });
    // It could be read a moment ago.
    if (row === null) throw lostRights(DOCUMENTS);
    const last = (Array.isArray(row['Versions']) ? row['Versions'] : [])
      .filter((one): one is Row => isRow(one) && one['IsHidden'] !== true)
      // Not every version has a number (directum.md C.1).
      .sort((a, b) => Number(b['Number'] ?? 0) - Number(a['Number'] ?? 0) || idOf(b) - idOf(a))[0];
    if (!last) throw noFile(document.name);
    const path = `${set}(${document.id})/Versions(${idOf(last)})`;
    const own = extensionOf(last['BodyAssociatedApplication']) ?? extensionOf(last['AssociatedApplication']);
    let lost = false;
    for (const [part, extension] of [
      ['PublicBody', 'pdf'],
      ['Body', own],
    ] as const) {
      const file = await bring(`${path}/${part}/$value`, fileName(document.name, extension));
      if (file !== 'none' && file !== 'lost') return file;
      lost ||= file === 'lost';
    }
    throw lost ? lostFile(document.name) : noFile(document.name);
  };
}

/** Opens the file only when it is read: an error of a stream that is never read would have no listener. */
const bytesOf = (path: string): AsyncIterable<Uint8Array> => ({
  [Symbol.asyncIterator]: () => createReadStream(path)[Symbol.asyncIterator](),
});

function extensionOf(application: unknown): string | null {
  const text = isRow(application) ? textOf(application, 'Extension') : null;
  return text !== null && /^\.?[A-Za-z0-9]{1,20}$/.test(text) ? text.replace('.', '').toLowerCase() : null;
}

/** Name of the document as a file's name: no folders, no characters a disk refuses. */
function fileName(name: string, extension: string | null): string {
  const safe = name.replace(/[\\/:*?"<>|\p{Cc}]+/gu, '_').trim();
  const short = cutFileName(safe, 150).trim() || 'document';
  if (extension === null) return short;
  return short.toLowerCase().endsWith(`.${extension}`) ? short : `${short}.${extension}`;
}

function noFile(name: string): RobotFailure {
  return new RobotFailure('file_unusable', {
    ru: `У документа «${shown(name)}» в Directum нет файла. Приложите файл сделки вручную или добавьте версию документа.`,
    en: `The document «${shown(name)}» has no file in Directum. Attach the file by hand or add a version to the document.`,
  });
}

function lostFile(name: string): RobotFailure {
  return new RobotFailure('file_unusable', {
    ru: `Directum не отдаёт файл документа «${shown(name)}»: он утрачен в хранилище. Обратитесь к администратору Directum.`,
    en: `Directum does not give the file of the document «${shown(name)}»: its storage lost it. Ask the Directum administrator.`,
  });
}

function tooLarge(name: string): RobotFailure {
  const mb = MAX_FILE / 1024 / 1024;
  return new RobotFailure('file_unusable', {
    ru: `Файл «${shown(name)}» больше ${mb} МБ и в поле сделки не помещается. Возьмите его из карточки Directum.`,
    en: `The file «${shown(name)}» is larger than ${mb} MB and does not fit the field. Take it from the card in Directum.`,
  });
}

const shown = (name: string): string => shorten(name, 80);
