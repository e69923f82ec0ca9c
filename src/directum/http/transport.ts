import { parseJson } from '../../lib/text.ts';
import { badAnswer, isFault, noToken } from './errors.ts';
import {
  type Ask,
  createHttpClient,
  type HttpClient,
  type HttpClientOptions,
  type Reply,
  type Sink,
} from './http-client.ts';
import { createTokens } from './token.ts';

export interface TransportOptions extends Omit<HttpClientOptions, 'hide'> {
  baseUrl: string;
  login: string;
  password: string;
  auth: 'basic' | 'token';
  now: () => Date;
}

/** Requests of the integration service in the terms of directum.md A.5 and A.6. Throws RobotFailure only. */
export interface Transport {
  /** Path of the base address, for the limit of the start line. */
  basePath: string;
  /** Parsed JSON; null for 204 (nothing found), with `absent` for 404 too. */
  get(path: string, options?: { absent?: boolean }): Promise<unknown>;
  getText(path: string, accept: string): Promise<string>;
  /** True when the stream at `path` has at least one byte or its bytes are lost (directum.md C.2); the rest is not read. */
  hasBytes(path: string): Promise<boolean>;
  /** Brings a stream into `sink`; `none` when there is none, `lost` when Directum cannot find its bytes (directum.md C.2). */
  download(path: string, sink: Sink): Promise<'bytes' | 'none' | 'lost'>;
  /** Parsed JSON, or null for an empty answer. Never repeated. */
  send(
    verb: 'POST' | 'PATCH',
    path: string,
    body: unknown,
    headers?: Record<string, string>,
  ): Promise<unknown>;
  /** PUT of a stream; `too large` when the web server before Directum takes no such size. @throws what the stream throws, too */
  upload(path: string, body: AsyncIterable<Uint8Array>): Promise<'stored' | 'too large'>;
  isDown: HttpClient['isDown'];
  admits: HttpClient['admits'];
  close(): Promise<void>;
}

const JSON_TYPE = 'application/json';

/** Adds to the HTTP client: authorisation, parsing, and telling absence from failure. */
export function createTransport(options: TransportOptions): Transport {
  const base = new URL(options.baseUrl.replace(/\/*$/, '/'));
  const basic = `Basic ${Buffer.from(`${options.login}:${options.password}`, 'utf8').toString('base64')}`;
  const secrets = [options.password, basic.slice(6)].filter((secret) => secret.length > 2);
  let token: string | null = null;
  const hide = (text: string) =>
    [...secrets, ...(token ? [token] : [])].reduce((clean, secret) => clean.replaceAll(secret, '***'), text);
  const http = createHttpClient({ ...options, hide });

  const tokens = createTokens(async () => {
    const url = new URL('../token', base).href;
    const headers = { Authorization: basic, Accept: '*/*' };
    const reply = await http.ask({ verb: 'GET', url, operation: 'GET token', headers });
    const { status } = reply;
    if (status >= 400 && status < 500 && status !== 401 && status !== 429) throw noToken(status);
    const text = good(reply)
      .body.trim()
      .replace(/^"(.*)"$/, '$1');
    // Anything else, such as a proxy's page, could not be sent in a header.
    if (!/^[!-;=-~]+$/.test(text)) throw badAnswer('no token');
    token = text;
    return token;
  }, options.now);

  async function ask(request: Omit<Ask, 'url' | 'operation'> & { path: string }): Promise<Reply> {
    const { path, ...rest } = request;
    const whole = { ...rest, url: base.href + path, operation: toOperation(request.verb, path) };
    if (options.auth === 'basic') {
      return http.ask({ ...whole, headers: { ...rest.headers, Authorization: basic } });
    }
    const first = await tokens.get();
    const reply = await http.ask({
      ...whole,
      headers: { ...rest.headers, Authorization: `Bearer ${first}` },
      mayExpire: true,
    });
    // A refused login had no effect, so even a write may be repeated; not a stream, whose bytes are gone.
    if (reply.status !== 401) return reply;
    tokens.drop(first);
    if (typeof rest.body === 'object') return reply;
    const second = await tokens.get();
    return http.ask({ ...whole, headers: { ...rest.headers, Authorization: `Bearer ${second}` } });
  }

  return {
    basePath: base.pathname,
    async get(path, { absent = false } = {}) {
      const reply = await ask({ verb: 'GET', path, headers: { Accept: JSON_TYPE } });
      if (absent && reply.status === 404) return null;
      const answer = toJson(good(reply));
      // Only 204 says that nothing was found (directum.md A.5): any other empty answer, taken for that, would lead to duplicates.
      if (answer === null && reply.status !== 204) throw badAnswer('no content');
      return answer;
    },
    async getText(path, accept) {
      return good(await ask({ verb: 'GET', path, headers: { Accept: accept } })).body;
    },
    async hasBytes(path) {
      const peek = () => ask({ verb: 'GET', path, headers: { Accept: '*/*' }, peek: true });
      const first = await peek();
      // A body that cannot be found answers 500 at times (directum.md C.2): once more, then it is reported.
      const reply = first.status === 500 ? await peek() : first;
      // Lost bytes are still a body: a new version would not bring back what the storage lost.
      if (reply.status === 500 && !isFault(reply.status, reply.body)) return true;
      return reply.status !== 404 && good(reply).body !== '';
    },
    async download(path, sink) {
      const bring = () => ask({ verb: 'GET', path, headers: { Accept: '*/*' }, sink });
      const first = await bring();
      const reply = first.status === 500 ? await bring() : first;
      if (reply.status === 404 || reply.status === 204) return 'none';
      if (reply.status === 500 && !isFault(reply.status, reply.body)) return 'lost';
      good(reply);
      return 'bytes';
    },
    async send(verb, path, body, headers = {}) {
      const types = { Accept: JSON_TYPE, 'Content-Type': JSON_TYPE };
      return toJson(
        good(await ask({ verb, path, headers: { ...types, ...headers }, body: JSON.stringify(body) })),
      );
    },
    async upload(path, body) {
      const headers = { Accept: JSON_TYPE, 'Content-Type': 'application/octet-stream' };
      const broken: unknown[] = [];
      async function* guarded(): AsyncGenerator<Uint8Array> {
        try {
          yield* body;
        } catch (error) {
          broken.push(error);
          throw error;
        }
      }
      try {
        const reply = await ask({ verb: 'PUT', path, headers, body: guarded() });
        if (reply.status === 413) return 'too large';
        good(reply);
        return 'stored';
      } catch (error) {
        // When the stream itself failed, that is the cause, not how it looked on Directum's side.
        throw broken.length > 0 ? broken[0] : error;
      }
    },
    isDown: http.isDown,
    admits: http.admits,
    close: () => http.close(),
  };
}

function good(reply: Reply): Reply {
  if (reply.failure) throw reply.failure;
  return reply;
}

function toJson({ status, body }: Reply): unknown {
  if (status === 204 || body.trim() === '') return null;
  try {
    return parseJson(body);
  } catch {
    throw badAnswer('no JSON');
  }
}

/** `GET IContracts/Versions`: a measure's label without ids, arguments and query. */
function toOperation(verb: string, path: string): string {
  const resource = path.split('?')[0] ?? '';
  return `${verb} ${resource.replace(/\([^)]*\)/g, '') || 'service'}`;
}
