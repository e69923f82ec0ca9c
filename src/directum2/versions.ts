import { createHash } from 'node:crypto';
import { RobotFailure } from '../robot/failure.ts';
import type { CachePort, OpenFile } from '../robot/ports.ts';
import { literal, toQuery } from './query.ts';
import { isRecord } from './refusal.ts';
import type { Transport } from './transport.ts';

/** Larger files are refused: the service's own limit is not published (directum.md C.1). */
const MAX_FILE = 200 * 1024 * 1024;
const NOTE = 'Bitrix24';
const TTL_MS = 24 * 3600 * 1000;

/** Versions of documents and their bodies (directum.md C.1–C.3). */
export function createVersions(transport: Transport, cache: CachePort, baseUrl: string) {
  async function list(
    documentId: number,
  ): Promise<{ id: number; number: number; note: string; empty: boolean }[]> {
    const expand = 'Versions($select=Id,Number,Note;$expand=Body($select=Id))';
    const row =
      (await transport
        .one(`IContracts(${documentId})${toQuery({ select: ['Id', 'HasVersions'], expand })}`)
        .catch((error) => {
          // A stand that does not open bodies in an expand still lists the rows.
          if (error instanceof RobotFailure && error.code === 'directum_refused') return null;
          throw error;
        })) ??
      (await transport.one(
        `IContracts(${documentId})${toQuery({ select: ['Id'], expand: 'Versions($select=Id,Number,Note)' })}`,
      ));
    const rows = Array.isArray(row?.['Versions']) ? row['Versions'].filter(isRecord) : [];
    return rows.map((version) => ({
      id: Number(version['Id']),
      number: Number(version['Number'] ?? 0),
      note: String(version['Note'] ?? ''),
      empty: 'Body' in version && !isRecord(version['Body']),
    }));
  }

  async function applicationOf(fileName: string): Promise<number> {
    const extension = /\.([^.]{1,16})$/.exec(fileName)?.[1]?.toLowerCase() ?? '';
    if (extension === '')
      throw unusable(`у файла «${fileName}» нет расширения`, `the file «${fileName}» has no extension`);
    const key = `application:${baseUrl}:${extension}`;
    const kept = await cache.get(key);
    if (typeof kept === 'number') return kept;
    const rows = await transport.rows(
      `IAssociatedApplications${toQuery({ filter: `Extension eq ${literal(extension)}`, select: ['Id'], orderBy: 'Id', top: 1 })}`,
    );
    if (!rows[0])
      throw unusable(`Directum не знает файлов .${extension}`, `Directum knows no files .${extension}`);
    const id = Number(rows[0]['Id']);
    await cache.set(key, id, TTL_MS);
    return id;
  }

  async function checkFile(file: { name: string; size: number | null }): Promise<void> {
    if (file.size === 0) throw unusable(`файл «${file.name}» пуст`, `the file «${file.name}» is empty`);
    if (file.size !== null && file.size > MAX_FILE)
      throw unusable(`файл «${file.name}» больше 200 МБ`, `the file «${file.name}» is larger than 200 MB`);
    await applicationOf(file.name);
  }

  return {
    checkFile,
    hasBody: async (documentId: number) => (await list(documentId)).some((version) => !version.empty),
    async fromTemplate(documentId: number, templateId: number): Promise<void> {
      await transport.write('POST', 'Docflow/CreateVersionFromTemplate', { documentId, templateId });
    },
    async fromFile(documentId: number, file: OpenFile): Promise<{ size: number; sha256: string }> {
      await checkFile(file);
      const application = await applicationOf(file.name);
      // A version without a body is what a broken attempt left (directum.md C.1).
      const versions = await list(documentId);
      const left = versions.find((version) => version.empty && version.note === NOTE);
      let id = left?.id;
      if (id === undefined) {
        const number = Math.max(0, ...versions.map((version) => version.number)) + 1;
        const row = { Number: number, Note: NOTE, AssociatedApplication: { Id: application } };
        const made = await transport.write('POST', `IContracts(${documentId})/Versions`, row, {
          Return: 'representation',
        });
        id = Number.isSafeInteger(made?.['Id'])
          ? Number(made?.['Id'])
          : (await list(documentId)).find((version) => version.number === number)?.id;
      }
      if (id === undefined) throw new Error('Directum made a version and does not show it');
      const hash = createHash('sha256');
      let size = 0;
      async function* measured(): AsyncGenerator<Uint8Array> {
        for await (const chunk of file.body) {
          size += chunk.length;
          if (size > MAX_FILE)
            throw unusable(
              `файл «${file.name}» больше 200 МБ`,
              `the file «${file.name}» is larger than 200 MB`,
            );
          hash.update(chunk);
          yield chunk;
        }
      }
      await transport.upload(`IContracts(${documentId})/Versions(${id})/Body/$value`, measured());
      return { size, sha256: hash.digest('hex') };
    },
  };
}

function unusable(ru: string, en: string): RobotFailure {
  return new RobotFailure('file_unusable', {
    ru: `Файл не подходит: ${ru}. Замените файл.`,
    en: `The file cannot be used: ${en}. Replace the file.`,
  });
}
