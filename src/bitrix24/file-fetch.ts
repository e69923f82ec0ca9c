import type { FileFetch } from './item-file.ts';

/** Node's own fetch as a plain GET that follows nothing; the time limit covers the headers, not the file. */
export const fetchFile: FileFetch = async (url, { headers, headersTimeout }) => {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), headersTimeout);
  try {
    const response = await fetch(url, { headers, redirect: 'manual', signal: abort.signal });
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
