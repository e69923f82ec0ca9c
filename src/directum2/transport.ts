import { Readable } from 'node:stream';
import { type CircuitBreakerPolicy, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import { Agent, request } from 'undici';
import { RobotFailure } from '../robot/failure.ts';
import type { Log } from '../robot/ports.ts';
import { MAX_LINE } from './query.ts';
import { isRecord, toFailure, unreachable } from './refusal.ts';

export interface TransportOptions {
  baseUrl: string;
  login: string;
  password: string;
  auth: 'basic' | 'token';
  ca?: string | undefined;
  timeouts?: { connectMs: number; headersMs: number; bodyMs: number } | undefined;
  log: Log;
  now: () => Date;
  onRequest?:
    | ((facts: {
        operation: string;
        seconds: number;
        status: number | 'network';
        errorCode?: string;
      }) => void)
    | undefined;
}

export interface Answer {
  status: number;
  /** Parsed JSON; undefined for an empty answer (204 is "nothing found", directum.md 0.3). */
  json: unknown;
}

type Verb = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
interface Call {
  verb: Verb;
  path: string;
  body?: unknown;
  stream?: AsyncIterable<Uint8Array>;
  headers?: Record<string, string>;
  accept?: string;
}

const MAX_BODY = 32 * 1024 * 1024;
const DEFAULT_TIMEOUTS = { connectMs: 5_000, headersMs: 60_000, bodyMs: 60_000 };
const TOKEN_SPARE_MS = 60_000;
const TOKEN_LIFE_MS = 300_000;

/** HTTP to the integration service: login, limits, timeouts, errors; the only place that knows addresses. */
export function createTransport(options: TransportOptions) {
  const base = options.baseUrl.replace(/\/+$/, '');
  const timeouts = options.timeouts ?? DEFAULT_TIMEOUTS;
  const agent = new Agent({
    allowH2: false,
    connections: 16,
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.bodyMs,
    connect: { timeout: timeouts.connectMs, ...(options.ca !== undefined && { ca: options.ca }) },
  });
  // Opens after five faults in a row, lets one request through after five seconds.
  const breaker: CircuitBreakerPolicy = circuitBreaker(
    handleWhen((error) => error instanceof RobotFailure && error.code === 'directum_unavailable'),
    { halfOpenAfter: 5_000, breaker: new ConsecutiveBreaker(8) },
  );
  const basic = `Basic ${Buffer.from(`${options.login}:${options.password}`, 'utf8').toString('base64')}`;
  let token: { text: string; until: number } | null = null;
  let fetching: Promise<string> | null = null;

  async function send(call: Call, authorization: string): Promise<{ status: number; body: string }> {
    const url = `${base}/${call.path}`;
    if (`${call.verb} ${new URL(url).pathname}${new URL(url).search} HTTP/1.1`.length > MAX_LINE)
      throw new Error(`request line of ${call.path.slice(0, 60)}… is too long`);
    const text = call.stream === undefined && call.body !== undefined ? JSON.stringify(call.body) : undefined;
    const response = await request(url, {
      dispatcher: agent,
      method: call.verb,
      headers: {
        accept: call.accept ?? 'application/json',
        'content-type': call.stream ? 'application/octet-stream' : 'application/json',
        authorization,
        ...call.headers,
      },
      body: call.stream ? Readable.from(call.stream) : (text ?? null),
    });
    let size = 0;
    const chunks: Buffer[] = [];
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > MAX_BODY) {
        response.body.destroy();
        throw new Error('the answer is larger than 32 MB');
      }
      chunks.push(chunk);
    }
    return { status: response.statusCode, body: Buffer.concat(chunks).toString('utf8') };
  }

  async function authorize(renew: boolean): Promise<string> {
    if (options.auth === 'basic') return basic;
    if (!renew && token && token.until > options.now().getTime()) return `Bearer ${token.text}`;
    // A token may not fetch the next one, so the login is used (directum.md A.3).
    fetching ??= (async () => {
      const { status, body } = await send({ verb: 'GET', path: '../token', accept: '*/*' }, basic);
      if (status !== 200) throw toFailure(status, body);
      const text = body.trim().replace(/^"|"$/g, '');
      token = { text, until: expiryOf(text, options.now().getTime()) - TOKEN_SPARE_MS };
      return text;
    })().finally(() => {
      fetching = null;
    });
    return `Bearer ${await fetching}`;
  }

  async function attempt(call: Call): Promise<{ status: number; body: string }> {
    const first = await send(call, await authorize(false));
    if (first.status !== 401 || options.auth === 'basic' || call.stream) return first;
    return send(call, await authorize(true));
  }

  async function exchange(call: Call): Promise<{ status: number; body: string }> {
    const began = performance.now();
    const operation = toOperation(call);
    const report = (status: number | 'network', errorCode?: string) =>
      options.onRequest?.({
        operation,
        seconds: (performance.now() - began) / 1000,
        status,
        ...(errorCode && { errorCode }),
      });
    try {
      const answer = await attempt(call).catch((error) => {
        // Only a read may be sent again blindly: a write may have been done.
        if (call.verb !== 'GET' || error instanceof RobotFailure || !isConnectionFault(error)) throw error;
        return attempt(call);
      });
      if (answer.status >= 400 || (answer.status >= 300 && answer.status < 400)) {
        const failure = toFailure(answer.status, answer.body);
        report(answer.status, answer.status === 404 ? undefined : failure.code);
        if (answer.status === 404) return answer;
        throw failure;
      }
      report(answer.status);
      return answer;
    } catch (error) {
      if (error instanceof RobotFailure) throw error;
      report('network', 'directum_unavailable');
      options.log.warn('directum.not_answered', { operation, reason: (error as Error).message });
      throw unreachable(error);
    }
  }

  async function guarded(call: Call): Promise<{ status: number; body: string }> {
    try {
      return await breaker.execute(() => exchange(call));
    } catch (error) {
      throw error instanceof RobotFailure ? error : unreachable(error);
    }
  }

  async function json(call: Call): Promise<Answer> {
    const { status, body } = await guarded(call);
    if (status === 404 || status === 204 || body.trim() === '') return { status, json: undefined };
    try {
      return { status, json: JSON.parse(body) };
    } catch (error) {
      throw unreachable(error);
    }
  }

  return {
    /** One entity; null for 404 and 204. */
    async one(path: string): Promise<Record<string, unknown> | null> {
      const { json: value } = await json({ verb: 'GET', path });
      return isRecord(value) ? value : null;
    },
    /** Rows of a collection; 204 is none (directum.md A.5). */
    async rows(path: string): Promise<Record<string, unknown>[]> {
      const { status, json: value } = await json({ verb: 'GET', path });
      if (status === 404) throw toFailure(400, `Not found: ${path.split('?')[0]}`);
      const list = isRecord(value) ? value['value'] : value;
      return Array.isArray(list) ? list.filter(isRecord) : [];
    },
    /** A write; 404 is a refusal. */
    async write(
      verb: 'POST' | 'PATCH',
      path: string,
      body: unknown,
      headers: Record<string, string> = {},
    ): Promise<Record<string, unknown> | null> {
      const { status, json: value } = await json({ verb, path, body, headers });
      if (status === 404) throw toFailure(400, `${path.split('?')[0]}: not found or not readable`);
      return isRecord(value) ? value : null;
    },
    async upload(path: string, stream: AsyncIterable<Uint8Array>): Promise<void> {
      const { status } = await guarded({ verb: 'PUT', path, stream });
      if (status === 404) throw toFailure(400, `${path}: not found`);
    },
    async text(path: string, accept: string): Promise<string> {
      const { status, body } = await guarded({ verb: 'GET', path, accept });
      if (status === 404) throw toFailure(400, `${path}: not found`);
      return body;
    },
    close: () => agent.destroy(),
  };
}

export type Transport = ReturnType<typeof createTransport>;

/** `GET IContracts`: no ids, no values, so that it can label a metric. */
function toOperation(call: Call): string {
  return `${call.verb} ${(call.path.split('?')[0] ?? '').replace(/\([^)]*\)/g, '')}`;
}

function isConnectionFault(error: unknown): boolean {
  const code = isRecord(error) ? String(error['code']) : '';
  return ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'ECONNREFUSED'].includes(code);
}

/** `exp` of a JWT in ms; without one, five minutes. */
function expiryOf(token: string, now: number): number {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const exp = isRecord(claims) ? Number(claims['exp']) : Number.NaN;
    if (Number.isFinite(exp)) return exp * 1000;
  } catch {
    // An encrypted or opaque token says nothing of its life.
  }
  return now + TOKEN_LIFE_MS;
}
