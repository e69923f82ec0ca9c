import type { FileFetch } from './item-file.ts';

/** A file that trickles must not hold a run for ever. */
const WHOLE_MS = 15 * 60_000;

/** Node's own fetch as a plain GET that follows nothing; its headers have a time limit of their own. */
export const fetchFile: FileFetch = async (url, { headers, headersTimeout }) => {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), headersTimeout);
  try {
    const response = await fetch(url, {
      headers,
      redirect: 'manual',
      signal: AbortSignal.any([abort.signal, AbortSignal.timeout(WHOLE_MS)]),
    });
    const stop = async () => abort.abort();
    return {
      statusCode: response.status,
      headers: Object.fromEntries(response.headers),
      body: Object.assign(response.body ?? new Blob([]).stream(), { destroy: stop, dump: stop }),
    };
  } finally {
    clearTimeout(timer);
  }
};
