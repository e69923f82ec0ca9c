import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import type { FileFetch } from '../crm/files/portal-file.ts';

/** The way to portals and their OAuth servers: straight, or through OUTBOUND_PROXY, whatever HTTP_PROXY says. */
export interface Outbound {
  agents: { httpAgent: http.Agent; httpsAgent: https.Agent };
  /** Posts a form and follows nothing. @throws what the network throws */
  postForm(url: string, form: URLSearchParams, signal: AbortSignal): Promise<IncomingMessage>;
  /** A plain GET that follows nothing; its headers have a time limit of their own. */
  fetchFile: FileFetch;
}

/** The same settings as those of Node's global agents. */
const KEEP_ALIVE = { keepAlive: true, scheduling: 'lifo', timeout: 5_000 } as const;
/** A file that arrives very slowly must not hold a run for ever. */
const WHOLE_FILE_MS = 15 * 60_000;

export function createOutbound(proxy: string | undefined): Outbound {
  const proxyEnv = proxy === undefined ? {} : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
  const agents = {
    httpAgent: new http.Agent({ ...KEEP_ALIVE, proxyEnv }),
    httpsAgent: new https.Agent({ ...KEEP_ALIVE, proxyEnv }),
  };

  function send(
    url: string,
    options: { method: string; headers: OutgoingHttpHeaders; signal: AbortSignal },
    body?: string,
  ): Promise<IncomingMessage> {
    const isPlain = new URL(url).protocol === 'http:';
    const agent = isPlain ? agents.httpAgent : agents.httpsAgent;
    return new Promise((resolve, reject) => {
      const request = (isPlain ? http : https).request(url, { ...options, agent });
      request.once('response', resolve);
      request.on('error', reject);
      request.end(body);
    });
  }

  return {
    agents,
    postForm(url, form, signal) {
      const body = form.toString();
      const headers = {
        'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
        'content-length': Buffer.byteLength(body),
        accept: 'application/json',
      };
      return send(url, { method: 'POST', headers, signal }, body);
    },
    async fetchFile(url, { headers, headersTimeout }) {
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), headersTimeout);
      try {
        const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(WHOLE_FILE_MS)]);
        const response = await send(url, { method: 'GET', headers, signal });
        const stop = async () => void response.destroy();
        return {
          statusCode: response.statusCode ?? 0,
          headers: response.headers,
          body: { [Symbol.asyncIterator]: () => response[Symbol.asyncIterator](), destroy: stop, dump: stop },
        };
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
