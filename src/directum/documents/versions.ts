import { createHash } from 'node:crypto';
import type { AbsencePort } from '../../documents/ports/changes.ts';
import type { DocumentType } from '../../documents/types/document-types.ts';
import { shortenMiddle, toCode } from '../../lib/text.ts';
import { RobotFailure } from '../../robot/failure.ts';
import type { DirectumPort } from '../../robot/ports/directum.ts';
import type { OpenFile } from '../../robot/ports/files.ts';
import type { Log } from '../../robot/ports/log.ts';
import { FROM_TEMPLATE } from '../directories/catalogue.ts';
import { lostRights } from '../http/errors.ts';
import type { Transport } from '../http/transport.ts';
import { equals } from '../odata/filter.ts';
import type { DirectumContext } from '../odata/lookup-cache.ts';
import { idOf, isRow, type Row, refOf, textOf } from '../odata/rows.ts';
import { DOCUMENTS } from '../odata/visibility.ts';

const MAX_FILE = 200 * 1024 * 1024;
const KEEP_APPLICATION_MS = 10 * 60_000;
/** Marks a version as ours, so that an empty one of a failed attempt is known again (directum.md C.1). */
const NOTE = 'из Битрикс24';

/** Versions of a document (directum.md C.1 to C.3). */
export function createVersions({
  transport,
  reader,
  metadata,
  lookups,
  absence,
  log,
}: DirectumContext & { transport: Transport; absence: AbsencePort; log: Log }): DirectumPort['versions'] {
  const setOf = async ({ entity }: DocumentType) => (await metadata.capabilities()).need(entity);

  /** Newest first, hidden ones included; these never count as the last version. */
  async function list(type: DocumentType, documentId: number): Promise<Row[]> {
    const expand = {
      Versions: {
        select: ['Id', 'Number', 'Note', 'IsHidden'],
        expand: { AssociatedApplication: { select: ['Id'] } },
      },
    };
    const document = await reader.one(await setOf(type), documentId, {
      select: ['Id'],
      expand,
    });
    if (!document)
      throw (await absence.ofDocument(documentId)) === 'unknown' ? lostRights(DOCUMENTS) : gone();
    const rows = document['Versions'];
    return (Array.isArray(rows) ? rows : []).filter(isRow).sort((a, b) => numberOf(b) - numberOf(a));
  }

  const bodyPath = async (type: DocumentType, documentId: number, versionId: number) =>
    `${await setOf(type)}(${documentId})/Versions(${versionId})/Body/$value`;

  async function hasBody(type: DocumentType, documentId: number): Promise<boolean> {
    for (const version of await list(type, documentId)) {
      if (version['IsHidden'] === true) continue;
      if (await transport.hasBytes(await bodyPath(type, documentId, idOf(version)))) return true;
    }
    return false;
  }

  /** Application row of the file's extension. @throws RobotFailure file_unusable */
  async function applicationOf(name: string): Promise<number> {
    const extension = /\.([^./\\]{1,20})$/.exec(toCode(name))?.[1]?.toLowerCase();
    if (extension === undefined) {
      throw unusable(name, {
        ru: 'у имени нет расширения. Приложите файл с расширением, например .docx',
        en: 'its name has no extension. Attach a file with one, for example .docx',
      });
    }
    const set = (await metadata.capabilities()).need('AssociatedApplication');
    const id = await lookups.remember(`application:${extension}`, KEEP_APPLICATION_MS, async () => {
      const rows = await reader.some(
        set,
        { filter: equals('Extension', extension), select: ['Id', 'Extension'] },
        5,
      );
      const fit = rows.find((row) => textOf(row, 'Extension')?.toLowerCase() === extension);
      return fit ? idOf(fit) : null;
    });
    if (id !== null) return id;
    throw unusable(name, {
      ru: `Directum не знает расширения «${extension}». Приложите файл другого типа или заведите приложение в Directum`,
      en: `Directum does not know the extension «${extension}». Attach a file of another type or add the application in Directum`,
    });
  }

  async function checkFile(file: { name: string; size: number | null }): Promise<number> {
    if (file.size === 0) throw empty(file.name);
    if (file.size !== null && file.size > MAX_FILE) throw tooLarge(file.name);
    return applicationOf(file.name);
  }

  /** A version row without a body for the bytes: one left by a failed attempt, else a new one. */
  async function rowFor(type: DocumentType, documentId: number, application: number): Promise<number> {
    const versions = await list(type, documentId);
    for (const version of versions) {
      const mine =
        textOf(version, 'Note') === NOTE && refOf(version, 'AssociatedApplication') === application;
      if (mine && !(await transport.hasBytes(await bodyPath(type, documentId, idOf(version)))))
        return idOf(version);
    }
    const number = Math.max(0, ...versions.map(numberOf)) + 1;
    const row = { Number: number, Note: NOTE, AssociatedApplication: { Id: application } };
    const made = await transport.send('POST', `${await setOf(type)}(${documentId})/Versions`, row, {
      Return: 'representation',
    });
    if (isRow(made) && made['Id'] !== undefined) return idOf(made);
    const fresh = (await list(type, documentId)).find(
      (version) => numberOf(version) === number && textOf(version, 'Note') === NOTE,
    );
    if (!fresh) throw gone();
    return idOf(fresh);
  }

  async function store(
    type: DocumentType,
    documentId: number,
    file: OpenFile,
  ): Promise<{ size: number; sha256: string }> {
    const application = await checkFile(file);
    const source = file.body[Symbol.asyncIterator]();
    // The first bytes come before the row, so that an empty file leaves no empty version.
    const first = await firstBytes(source);
    if (first === null) throw empty(file.name);
    const versionId = await rowFor(type, documentId, application);
    const hash = createHash('sha256');
    let size = 0;
    async function* measured(): AsyncGenerator<Uint8Array> {
      for (let chunk: Uint8Array | null = first; chunk !== null; chunk = await firstBytes(source)) {
        size += chunk.byteLength;
        if (size > MAX_FILE) throw tooLarge(file.name);
        hash.update(chunk);
        yield chunk;
      }
    }
    const taken = await transport.upload(await bodyPath(type, documentId, versionId), measured());
    if (taken === 'too large') throw tooLargeForServer(file.name);
    log.info('version.stored', { documentId, versionId, size });
    return { size, sha256: hash.digest('hex') };
  }

  return {
    hasBody,
    checkFile: async (file) => {
      await checkFile(file);
    },
    async fromTemplate(type, documentId, templateId) {
      try {
        await transport.send('POST', FROM_TEMPLATE, { documentId, templateId });
      } catch (error) {
        // It may have been made although no answer came; a second call would add a second version.
        const unsure = error instanceof RobotFailure && error.code === 'directum_unavailable';
        if (!unsure || !(await hasBody(type, documentId).catch(() => false))) throw error;
      }
    },
    async fromFile(type, documentId, file) {
      try {
        return await store(type, documentId, file);
      } catch (error) {
        await file.cancel().catch(() => undefined);
        throw error;
      }
    },
  };
}

async function firstBytes(source: AsyncIterator<Uint8Array>): Promise<Uint8Array | null> {
  for (;;) {
    const { done, value } = await source.next();
    if (done) return null;
    if (value.byteLength > 0) return value;
  }
}

function numberOf(row: Row): number {
  return typeof row['Number'] === 'number' ? row['Number'] : 0;
}

function gone(): RobotFailure {
  return new RobotFailure('document_not_found', {
    ru: 'Документ в Directum удалён или недоступен учётной записи сервиса. Проверьте карточку и права.',
    en: "The document is deleted in Directum or the service's account cannot read it. Check the card and the rights.",
  });
}

function empty(name: string): RobotFailure {
  return unusable(name, {
    ru: 'он пуст. Приложите файл с содержимым',
    en: 'it is empty. Attach a file with content',
  });
}

function tooLarge(name: string): RobotFailure {
  const mb = MAX_FILE / 1024 / 1024;
  return unusable(name, {
    ru: `он больше ${mb} МБ. Приложите файл поменьше`,
    en: `it is larger than ${mb} MB. Attach a smaller one`,
  });
}

function tooLargeForServer(name: string): RobotFailure {
  return unusable(name, {
    ru: 'он больше, чем принимает веб-сервер перед Directum. Приложите файл поменьше',
    en: 'it is larger than the web server before Directum takes. Attach a smaller one',
  });
}

function unusable(name: string, why: { ru: string; en: string }): RobotFailure {
  const shown = shortenMiddle(name, 80);
  return new RobotFailure('file_unusable', {
    ru: `Файл «${shown}» не подходит: ${why.ru}.`,
    en: `The file «${shown}» cannot be used: ${why.en}.`,
  });
}
