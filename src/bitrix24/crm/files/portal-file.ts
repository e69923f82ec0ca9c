import { cutFileName } from '../../../lib/text.ts';
import { type LocalText, RobotFailure } from '../../../robot/failure.ts';
import type { OpenFile } from '../../../robot/ports/files.ts';
import { PortalError } from '../../rest/portal-error.ts';

/** GET without redirects; headers lower-cased. */
export type FileFetch = (
  url: string,
  options: { headers: Record<string, string>; headersTimeout: number },
) => Promise<{
  statusCode: number;
  headers: Record<string, string | string[] | undefined>;
  body: AsyncIterable<Uint8Array> & { destroy(): unknown; dump(): Promise<unknown> };
}>;

export interface FileOptions {
  origin: string;
  fetchFile: FileFetch;
  /** What the reader of the bytes is told when they stop. */
  onCut: (error: PortalError) => unknown;
}

/** The file in words for people. */
interface NamedFile {
  /** As in «the file of the field X». */
  text: LocalText;
  /** What to do when it cannot be had: a sentence. */
  mend: LocalText;
  /** Its name where the portal gives none. */
  name: string;
}

const MAX_REDIRECTS = 3;
/** Longer than any name a person gives; only its extension is used. */
const NAME_LENGTH = 200;
const TIMEOUT_MS = 60_000;

/**
 * Opens a file of the portal by an address that the portal has just given, only at the portal's own origin: the address holds
 * a token (bitrix24.md F1, F7, F7a). @throws RobotFailure file_unusable, PortalError
 */
export async function openPortalFile(
  address: string,
  file: NamedFile,
  options: FileOptions,
): Promise<OpenFile> {
  let url = address;
  for (let redirects = 0; ; redirects += 1) {
    // The address holds a token: it goes nowhere but to the portal itself.
    const target = URL.parse(url, options.origin);
    if (target === null || target.origin !== options.origin || redirects > MAX_REDIRECTS) {
      throw unusable(file, { ru: 'лежит не на портале', en: 'is not kept on the portal' });
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
      throw refusal(status, file, isPage);
    }
    const length = Number(one(headers['content-length']) ?? Number.NaN);
    return {
      name: fileName(disposition) ?? file.name,
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

function refusal(status: number, file: NamedFile, isPage: boolean): Error {
  if (status === 404 || status === 410)
    return unusable(file, { ru: 'удалён с портала', en: 'is deleted from the portal' });
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

function unusable({ text, mend }: NamedFile, why: LocalText): RobotFailure {
  return new RobotFailure('file_unusable', {
    ru: `${text.ru} ${why.ru}. ${mend.ru}`,
    en: `${text.en} ${why.en}. ${mend.en}`,
  });
}
