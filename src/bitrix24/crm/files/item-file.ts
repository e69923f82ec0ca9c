import { z } from 'zod';
import { cutFileName } from '../../../lib/text.ts';
import { RobotFailure } from '../../../robot/failure.ts';
import type { OpenFile } from '../../../robot/ports/files.ts';
import { PortalError } from '../../rest/portal-error.ts';
import type { CrmItem } from '../shapes.ts';

/** GET without redirects; headers lower-cased. */
export type FileFetch = (
  url: string,
  options: { headers: Record<string, string>; headersTimeout: number },
) => Promise<{
  statusCode: number;
  headers: Record<string, string | string[] | undefined>;
  body: AsyncIterable<Uint8Array> & { destroy(): unknown; dump(): Promise<unknown> };
}>;

interface FileOptions {
  origin: string;
  fetchFile: FileFetch;
  /** What the reader of the bytes is told when they stop. */
  onCut: (error: PortalError) => unknown;
}

const fileShape = z.looseObject({
  id: z.coerce.number().int().positive(),
  urlMachine: z.string().min(1).max(4_096),
});
const MAX_REDIRECTS = 3;
/** Longer than any name a person gives; only its extension is used. */
const NAME_LENGTH = 200;
const TIMEOUT_MS = 60_000;

/** Opens the file of a field by a fresh `urlMachine`, only at the portal's own address (bitrix24.md F1, F7). */
export async function openItemFile(
  item: CrmItem,
  fieldCode: string,
  options: FileOptions,
): Promise<OpenFile> {
  const value = fieldOf(item, fieldCode);
  if (value === undefined) {
    throw unusable(
      `У элемента CRM нет поля «${fieldCode}». Укажите код поля типа «Файл».`,
      `The CRM item has no field «${fieldCode}». Give the code of a file field.`,
    );
  }
  const first = Array.isArray(value) ? value[0] : value;
  if (first === null || first === undefined || first === '' || first === false) {
    throw unusable(
      `В поле «${fieldCode}» нет файла. Приложите файл и запустите робота снова.`,
      `The field «${fieldCode}» holds no file. Attach one and run the robot again.`,
    );
  }
  const file = fileShape.safeParse(first);
  if (!file.success) {
    throw unusable(
      `Поле «${fieldCode}» не файловое. Укажите код поля типа «Файл».`,
      `The field «${fieldCode}» is not a file field. Give the code of a file field.`,
    );
  }
  return download(file.data.urlMachine, fieldCode, options);
}

function fieldOf(item: CrmItem, code: string): unknown {
  if (Object.hasOwn(item, code)) return item[code];
  const key = Object.keys(item).find((name) => name.toLowerCase() === code.toLowerCase());
  return key === undefined ? undefined : item[key];
}

async function download(address: string, fieldCode: string, options: FileOptions): Promise<OpenFile> {
  let url = address;
  for (let redirects = 0; ; redirects += 1) {
    // The address holds a token: it goes nowhere but to the portal itself.
    const target = URL.parse(url, options.origin);
    if (target === null || target.origin !== options.origin || redirects > MAX_REDIRECTS) {
      throw unusable(
        `Файл поля «${fieldCode}» лежит не на портале. Приложите файл заново.`,
        `The file of the field «${fieldCode}» is not kept on the portal. Attach it again.`,
      );
    }
    const response = await request(target.href, options.fetchFile);
    const { statusCode: status, headers } = response;
    const location = one(headers['location']);
    if (status >= 300 && status < 400 && location !== null) {
      await response.body.dump();
      url = new URL(location, target).href;
      continue;
    }
    const disposition = one(headers['content-disposition']);
    const isPage =
      disposition === null && /^text\/html|^application\/json/i.test(one(headers['content-type']) ?? '');
    if (status !== 200 || isPage) {
      await response.body.dump();
      throw refusal(status, fieldCode, isPage);
    }
    const length = Number(one(headers['content-length']) ?? Number.NaN);
    return {
      name: fileName(disposition) ?? fieldCode,
      size:
        Number.isSafeInteger(length) && length >= 0 && one(headers['content-encoding']) === null
          ? length
          : null,
      body: readOn(response.body, options.onCut),
      async cancel() {
        await response.body.destroy();
      },
    };
  }
}

/** A file cut on its way is the portal's trouble and heals; the cause names the address, so it is not kept. */
async function* readOn(body: AsyncIterable<Uint8Array>, onCut: (error: PortalError) => unknown) {
  try {
    yield* body;
  } catch {
    throw onCut(new PortalError({ code: 'FILE_CUT', status: null, kind: 'network', retry: true }));
  }
}

async function request(url: string, fetchFile: FileFetch): ReturnType<FileFetch> {
  try {
    return await fetchFile(url, {
      // Some portals refuse requests that name no agent (F1).
      headers: { 'user-agent': 'bitrix24-directum-robots', 'accept-encoding': 'identity' },
      headersTimeout: TIMEOUT_MS,
    });
  } catch {
    // The cause names the address with its token, so it is not kept.
    throw new PortalError({ code: 'NETWORK_ERROR', status: null, kind: 'network', retry: true });
  }
}

function refusal(status: number, fieldCode: string, isPage: boolean): Error {
  if (status === 404 || status === 410) {
    return unusable(
      `Файл поля «${fieldCode}» удалён с портала. Приложите файл заново.`,
      `The file of the field «${fieldCode}» is deleted from the portal. Attach it again.`,
    );
  }
  const code = isPage && status === 200 ? 'NOT_A_FILE' : `HTTP_${status}`;
  if (status === 401 || status === 403)
    return new PortalError({ code, status, kind: 'access', retry: false });
  return new PortalError({ code, status, kind: 'server', retry: true });
}

/** Name in Content-Disposition, the encoded form (RFC 5987) first; without folders and control characters. */
export function fileName(disposition: string | null): string | null {
  if (disposition === null) return null;
  const encoded = /filename\*\s*=\s*(?:utf-8|iso-8859-1)'[^']*'([^;]+)/i.exec(disposition)?.[1];
  const quoted = /filename\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(disposition)?.[1]?.replace(/\\(.)/g, '$1');
  const bare = /filename\s*=\s*([^;"\s][^;]*)/i.exec(disposition)?.[1];
  const name = decode(encoded) ?? decode(utf8(quoted)) ?? decode(utf8(bare));
  const safe = name
    ?.replaceAll('\\', '/')
    .split('/')
    .at(-1)
    ?.replace(/\p{Cc}/gu, '')
    .trim();
  return safe && safe !== '.' && safe !== '..' ? cutFileName(safe, NAME_LENGTH) : null;
}

function decode(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text.trim());
  } catch {
    return text.trim();
  }
}

/** Header bytes come as Latin-1; portals put plain UTF-8 there. */
function utf8(text: string | undefined): string | undefined {
  if (text === undefined || !/[\u0080-\u00ff]/.test(text) || /[^\0-\u00ff]/.test(text)) return text;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'));
  } catch {
    return text;
  }
}

function one(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null;
}

function unusable(ru: string, en: string): RobotFailure {
  return new RobotFailure('file_unusable', { ru, en });
}
